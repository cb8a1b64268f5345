-- What polls say besides a status. See migration 0052.

-- name: notes
-- Fixed-width records in the order of delivery, as they were at the ledger number `seq`.
select string_agg(
    int4send(store_key) || timestamptz_send(observed_at) || int2send(code), ''::bytea order by since_seq)
from poll_note
where store_key = any(%(store_keys)s) and observed_at between %(from_time)s and %(to_time)s and since_seq <= %(seq)s

-- name: reasons
-- Removed words too: polls may still have them.
select reason_id, word from reason

-- name: words
-- Those that polls may give.
select word, reason_id from reason where removed_at is null

-- name: unknown_words
-- The first of some words that was never a reason.
select asked.word from unnest(%(words)s::text[]) asked (word)
where not exists (select from reason where reason.word = asked.word)
order by asked.word limit 1

-- name: dropped_within
-- The last dropped week with polls between two instants.
select starts_at from dropped_week
where starts_at <= %(to_time)s and starts_at + interval '7 days' > %(every_from)s
order by starts_at desc limit 1

-- name: numbers
-- Of words, also removed ones. A word keeps its number.
select reason_id from reason where word = any(%(words)s) order by reason_id

-- name: add_notes
-- Keeps the notes that say something else than the last one about the same, and returns their polls.
with incoming as (
    select store_key, observed_at, code
    from unnest(%(store_keys)s::integer[], %(instants)s::timestamptz[], %(codes)s::integer[])
        given (store_key, observed_at, code)
), added as (
    insert into poll_note (store_key, observed_at, since_seq, code)
    select store_key, observed_at, %(seq)s, code from incoming
    where (code & 2 = 2 and code & 1 is distinct from (
            select code & 1 from poll_note old
            where old.store_key = incoming.store_key and old.observed_at = incoming.observed_at and old.code & 2 = 2
            order by since_seq desc limit 1))
        or (code >= 4 and code & ~2 is distinct from (
            select code & ~2 from poll_note old
            where old.store_key = incoming.store_key and old.observed_at = incoming.observed_at and old.code >= 4
            order by since_seq desc limit 1))
    on conflict do nothing
    returning store_key, observed_at
)
select store_key, (extract(epoch from observed_at) * 1000000)::bigint from added group by store_key, observed_at order by 1, 2

-- name: repeated
-- Which of some polls were stored before this change, and have the status that they had.
select given.store_key, (extract(epoch from given.observed_at) * 1000000)::bigint
from unnest(%(store_keys)s::integer[], %(instants)s::timestamptz[]) given (store_key, observed_at)
where exists (
    select from observation old
    where old.store_key = given.store_key and old.observed_at = given.observed_at
        and old.observed_at between %(earliest)s and %(latest)s
        and old.since_seq is distinct from short_seq(%(seq)s))
order by 1, 2

-- name: list_reasons
-- Null: all words.
select word, description, is_builtin from reason
where removed_at is null and coalesce(word = %(word)s::text, true)
order by reason_id

-- name: put_reason
-- A word that was removed gets its number back. A word that exists takes no new number, because there are a few thousand: an
-- insert that meets a conflict would. No row if there are `most` words.
with known as (
    update reason set description = %(description)s, removed_at = null where word = %(word)s returning word
), made as (
    insert into reason (word, description)
    select %(word)s, %(description)s where not exists (select from known) and (select count(*) from reason) < %(most)s
    on conflict (word) do update set description = excluded.description, removed_at = null
    returning word
)
select word from known union all select word from made

-- name: remove_reason
update reason set removed_at = clock_timestamp() where word = %(word)s and removed_at is null
