-- No key starves another: whose work a row is, who still wants a report, and which receiver a delivery goes to.

-- Return the first key of a line of rotated keys, so that a rotation does not start a second share. A text that is not
-- the prefix of a key is a line of its own. Security definer: services may not read the whole of api_key.
create function key_line(p_prefix text) returns text
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    with recursive line (prefix) as (
        select coalesce(p_prefix, '')
        union
        select k.replaces from api_key k join line on k.prefix = line.prefix where k.replaces is not null
    )
    select prefix from line
    where not exists (select from api_key k where k.prefix = line.prefix and k.replaces is not null)
$$;

-- Filled by triggers, so that rows of the previous release have a line too.
alter table report add column key_line text not null default '';
create function place_report() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    new.key_line := key_line(new.created_by);
    return new;
end $$;
create trigger place_report before insert on report for each row execute function place_report();
update report set key_line = key_line(created_by) where state in ('queued', 'running', 'failed');
create index on report (key_line, id) where state in ('queued', 'running');

-- Small enough for the worker thread that is kept for short work: the only batch of its report, with few stores.
alter table report_batch add column is_short boolean not null default false;
create index on report_batch (report_id, batch_no) where state = 'pending';

-- Who wants a report beside the line that created it, and who no longer does. Without a row for it, the creating line
-- wants it. `is_ambiguous`: several Idempotency-Keys of the line stood for the report when it withdrew.
create table report_interest (
    report_id uuid not null references report on delete cascade,
    key_line text not null,
    withdrawn_at timestamptz,
    is_ambiguous boolean not null default false,
    primary key (report_id, key_line)
);
grant select, insert, update on report_interest to uptill_api;
grant select, insert, update, delete on report_interest to uptill_worker;
grant select on report_interest to uptill_readonly;

-- Purged by the housekeeper.
create index on idempotency (created_at);
create index on idempotency (report_id);
grant select, delete on idempotency to uptill_worker;

-- A subscription counts against its line until its report has ended; from then on its delivery does.
alter table report_webhook
    add column key_line text not null default '',
    add column told boolean not null default false;
create function place_subscription() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    new.key_line := key_line(new.key_prefix);
    return new;
end $$;
create trigger place_subscription before insert on report_webhook for each row execute function place_subscription();
update report_webhook w
set key_line = key_line(w.key_prefix),
    told = not exists (select from report r where r.id = w.report_id and r.state in ('queued', 'running'));
create index on report_webhook (key_line) where not told;
grant delete on report_webhook to uptill_api, uptill_worker;

-- Whose a delivery is, and the host and port of its receiver: deliveries take turns by both.
alter table webhook_delivery
    add column key_line text not null default '',
    add column receiver text not null default '';
create function place_delivery() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    address text;
    owner text;
begin
    if new.subscription_id is not null then
        update report_webhook set told = true where id = new.subscription_id returning url, key_line into address, owner;
    else
        select url, key_line(created_by) into address, owner from webhook_endpoint where id = new.endpoint_id;
    end if;
    new.key_line := coalesce(owner, '');
    new.receiver := coalesce(lower(substring(address from '^[A-Za-z]+://([^/?#]*)')), '');
    return new;
end $$;
create trigger place_delivery before insert on webhook_delivery for each row execute function place_delivery();
update webhook_delivery d
set key_line = key_line(coalesce(w.key_prefix, e.created_by)),
    receiver = coalesce(lower(substring(coalesce(w.url, e.url) from '^[A-Za-z]+://([^/?#]*)')), '')
from webhook_delivery same
left join report_webhook w on w.id = same.subscription_id
left join webhook_endpoint e on e.id = same.endpoint_id
where same.id = d.id and d.state in ('pending', 'leased');
create index on webhook_delivery (key_line, receiver, due_at) where state = 'pending';

revoke execute on function place_report(), place_subscription(), place_delivery() from public;
