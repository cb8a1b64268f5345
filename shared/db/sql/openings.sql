-- When some stores open now.

-- name: ledger_numbers
-- The number of this snapshot, and that of the last adjustment; 0 if there never was one.
select seq, adjusted_seq from ledger_head

-- name: weekly_hours
-- Each store by index: without statistics the planner would read all rows.
select store_key, day_of_week, opens, closes from unnest(%(store_keys)s::integer[]) given (wanted_key), lateral (
    select * from business_hours where store_key = wanted_key offset 0) stored
