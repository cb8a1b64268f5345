-- What each hook has received, for people. Counted in the transaction of its polls.

alter table hook
    add column calls bigint not null default 0, -- that were stored, without repeated messages
    add column rejected bigint not null default 0, -- items
    add column last_call_at timestamptz;
