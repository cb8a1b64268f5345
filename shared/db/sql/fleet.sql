-- Versions of data that the page keeps what it computed from.

-- name: series
-- The facts of the policy by month, and the changes that facts may not know yet.
select coalesce((select string_agg(month || ' ' || version, ',' order by month) from facts_month where policy = %(policy)s), ''),
    concat_ws(' ', seq, history_seq, adjusted_seq, data_cut, forgotten_seq, extract(epoch from latest_observed_at))
from ledger_head

-- name: live
-- The refreshes of live state and its changes, and the ledger, which has changes of labels.
select concat_ws(' ', (select min(refreshed_at) || ' ' || max(refreshed_at) from now_batch), (select max(id) from now_change)),
    concat_ws(' ', seq, adjusted_seq)
from ledger_head

-- name: ledger
select '', concat_ws(' ', seq, history_seq, adjusted_seq, data_cut, forgotten_seq) from ledger_head
