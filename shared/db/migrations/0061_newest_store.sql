-- Finds the ledger number that last brought a store. While it stays the same, so do the batches of all stores.
create index store_polled_since_key on store (polled_since_seq) where polled_since_seq is not null;
