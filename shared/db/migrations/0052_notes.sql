-- What polls say besides a status: that a poll is an event, and why the store had that status. Ordinary polls have no row
-- here, so they cost nothing. A week that is sealed keeps its notes in this table.

-- The words that a poll may give as its reason. The first ones come with the release. A word that is removed keeps its row
-- and its number, so that stored polls and earlier cuts still show it.
create table reason (
    reason_id smallint generated always as identity (start with 1000) primary key check (reason_id between 1 and 8191),
    word text collate "C" not null unique check (word ~ '^[a-z][a-z0-9_]{0,49}$'),
    description text not null default '' check (length(description) <= 200),
    is_builtin boolean not null default false,
    removed_at timestamptz
);
insert into reason (reason_id, word, description, is_builtin) overriding system value values
    (1, 'paused_by_store', 'The store paused its orders.', true),
    (2, 'paused_by_platform', 'The platform paused the store.', true),
    (3, 'out_of_hours', 'The platform considers the store closed at this time.', true),
    (4, 'busy', 'The store takes no orders because it has too many.', true),
    (5, 'closed_unexpectedly', 'The store is closed although its hours say that it is open.', true),
    (6, 'technical', 'A device, a connection or a service failed.', true),
    (7, 'not_reachable', 'The store did not answer.', true),
    (8, 'delivery_unavailable', 'There are no couriers, or the area is not served.', true),
    (9, 'menu_unavailable', 'The menu is empty, or everything is sold out.', true),
    (10, 'other', 'None of the other reasons.', true);

-- Notes are never changed: of those about the same, the one with the largest number counts, if the poll has its status.
-- `code` holds the number of the reason (0: none) times 4, plus 2 for an event, plus 1 for the status active. Two notes of
-- one change differ in their code.
create table poll_note (
    observed_at timestamptz not null,
    since_seq bigint not null,
    store_key integer not null,
    code smallint not null check (code >= 2),
    primary key (store_key, observed_at, since_seq, code)
);
create index on poll_note using brin (observed_at);

grant select on reason, poll_note to uptill_api, uptill_ingest, uptill_worker, uptill_readonly;
grant insert on poll_note to uptill_ingest;
grant insert, update on reason to uptill_ingest;

-- Notes go with the week of their polls. The release before drops weeks too.
create function forget_notes() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    delete from poll_note where observed_at >= new.starts_at and observed_at < new.starts_at + interval '168 hours';
    return null;
end $$;
revoke execute on function forget_notes() from public;
create trigger week_dropped after insert on dropped_week for each row execute function forget_notes();
