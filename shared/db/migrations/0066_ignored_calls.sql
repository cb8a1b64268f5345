-- Calls of each hook in which no item was wanted, for people. They are not among `calls`.

alter table hook
    add column ignored_calls bigint not null default 0,
    add column last_ignored_at timestamptz;
