-- Webhooks: endpoints, one-off addresses and deliveries. All times are by this database's clock.

-- name: insert_endpoint
insert into webhook_endpoint (id, url, events, description, secret, created_by)
values (%(id)s, %(url)s, %(events)s, %(description)s, %(secret)s, %(created_by)s)

-- name: count_endpoints
select count(*) from webhook_endpoint where key_line(created_by) = key_line(%(created_by)s)

-- name: list_endpoints
select id, url, events, description, state, disabled_because, failing_since, created_at
from webhook_endpoint where %(id)s::uuid is null or id = %(id)s order by created_at, id

-- name: delete_endpoint
delete from webhook_endpoint where id = %(id)s

-- name: enable_endpoint
update webhook_endpoint set state = 'enabled', disabled_because = null, failing_since = null where id = %(id)s

-- name: replace_secret
insert into webhook_secret (key_prefix, secret) values (%(key_prefix)s, %(secret)s)
on conflict (key_prefix) do update
set previous_secret = webhook_secret.secret, secret = excluded.secret, made_at = clock_timestamp()

-- name: has_secret
select exists (select from webhook_secret where key_prefix = %(key_prefix)s)

-- name: share_report
-- Locked until the end of the transaction, so the report cannot end without the new subscription.
select state from report where id = %(report_id)s for share

-- name: subscribe
insert into report_webhook (id, report_id, url, key_prefix) values (%(id)s, %(report_id)s, %(url)s, %(key_prefix)s)
on conflict (report_id, key_prefix, url) do nothing
returning id

-- name: pending_webhooks
-- For a line of keys: addresses that wait for the end of a report, and events that are not delivered yet.
select (select count(*) from report_webhook where key_line = line and not told)
    + (select count(*) from webhook_delivery
       where key_line = line and state in ('pending', 'leased') and subscription_id is not null)
from (values (key_line(%(key_prefix)s))) asked (line)

-- name: unsubscribe
delete from report_webhook
where report_id = %(report_id)s and key_line = key_line(%(key_prefix)s) and not told

-- name: announce_to_subscriber
insert into webhook_delivery (subscription_id, report_id, event, payload)
select %(id)s, r.id, 'report.' || r.state, report_event(r.id) from report r where r.id = %(report_id)s

-- name: list_deliveries
select d.id, d.endpoint_id, coalesce(e.url, w.url) as url, d.report_id, d.event, d.state, d.attempt, d.due_at,
       d.last_status, d.last_error, d.created_at, d.ended_at
from webhook_delivery d
left join webhook_endpoint e on e.id = d.endpoint_id
left join report_webhook w on w.id = d.subscription_id
where (%(id)s::uuid is null or d.id = %(id)s)
  and (%(endpoint_id)s::uuid is null or d.endpoint_id = %(endpoint_id)s)
  and (%(report_id)s::uuid is null or d.report_id = %(report_id)s)
  and (%(state)s::text is null or d.state = %(state)s)
order by d.created_at desc, d.id
limit %(limit)s

-- name: resend_delivery
-- A delivery that is being sent is left to that attempt.
update webhook_delivery
set state = 'pending', round_attempt = 0, due_at = clock_timestamp(), give_up_at = clock_timestamp() + %(keep_trying)s,
    ended_at = null
where id = %(id)s and state <> 'leased'

-- name: take_turn
-- Claims run one after another, so that each sees the leases of the one before.
select pg_advisory_xact_lock(hashtextextended('claim of a webhook delivery', 0))

-- name: expire_leases
-- The sender died. Its deliveries are due at once.
update webhook_delivery set state = 'pending', lease_until = null
where state = 'leased' and lease_until < clock_timestamp()

-- name: claim_delivery
-- Keys take turns: the line with the fewest deliveries being sent comes first, then the receiver with the fewest, then the
-- longest due. A line and a receiver (host and port) have limits; an endpoint, or the address of a request, gets one at a
-- time. So a receiver that never answers delays only a part of its own line.
with recursive lane (key_line, receiver) as (
    (select key_line, receiver from webhook_delivery where state = 'pending' order by key_line, receiver limit 1)
    union all
    select next.key_line, next.receiver
    from lane, lateral (
        select key_line, receiver from webhook_delivery
        where state = 'pending' and (webhook_delivery.key_line, webhook_delivery.receiver) > (lane.key_line, lane.receiver)
        order by key_line, receiver limit 1
    ) next
), under_way as materialized (
    select key_line, receiver, endpoint_id, subscription_id from webhook_delivery where state = 'leased'
), turn as materialized (
    select lane.key_line, lane.receiver, by_line.sent as of_line, by_receiver.sent as of_receiver
    from lane,
        lateral (select count(*) as sent from under_way u where u.key_line = lane.key_line) by_line,
        lateral (select count(*) as sent from under_way u where u.receiver = lane.receiver) by_receiver
    where by_line.sent < %(per_key)s and by_receiver.sent < %(per_receiver)s
), due as (
    select c.id, c.url, c.secret, c.previous_secret
    from turn, lateral (
        select d.id, d.due_at, coalesce(e.url, w.url) as url, coalesce(e.secret, s.secret) as secret,
               case when s.made_at > clock_timestamp() - interval '24 hours' then s.previous_secret end as previous_secret
        from webhook_delivery d
        left join webhook_endpoint e on e.id = d.endpoint_id
        left join report_webhook w on w.id = d.subscription_id
        left join webhook_secret s on s.key_prefix = w.key_prefix
        where d.key_line = turn.key_line and d.receiver = turn.receiver and d.state = 'pending'
          and d.due_at <= clock_timestamp()
          and (e.id is null or e.state = 'enabled')
          and not exists (select from under_way u
                          where u.endpoint_id = d.endpoint_id or u.subscription_id = d.subscription_id)
        order by d.due_at
        limit 1
        for update of d skip locked
    ) c
    order by turn.of_line, turn.of_receiver, c.due_at
    limit 1
)
update webhook_delivery d
set state = 'leased', attempt = d.attempt + 1, round_attempt = d.round_attempt + 1,
    lease_until = clock_timestamp() + %(lease)s
from due
where d.id = due.id
returning d.id, d.attempt, due.url, due.secret, due.previous_secret, d.payload,
    extract(epoch from clock_timestamp())::bigint as sent_at_s,
    d.report_id, (select r.request_id from report r where r.id = d.report_id) as request_id

-- name: record_delivered
with ended as (
    update webhook_delivery
    set state = 'delivered', lease_until = null, ended_at = clock_timestamp(), last_status = %(status)s, last_error = null
    where id = %(id)s and attempt = %(attempt)s and state = 'leased'
    returning endpoint_id
)
update webhook_endpoint set failing_since = null
where id = (select endpoint_id from ended) and failing_since is not null

-- name: record_failure
-- Tried again after a pause drawn evenly from zero to a limit that doubles; given up once its time is over.
with tried as (
    select id, clock_timestamp() + random() * least(%(longest_pause)s, %(first_pause)s * 2 ^ least(round_attempt - 1, 20)) as again_at
    from webhook_delivery where id = %(id)s and attempt = %(attempt)s and state = 'leased'
    for update
), recorded as (
    update webhook_delivery d
    set state = case when t.again_at > d.give_up_at or %(final)s then 'failed' else 'pending' end,
        due_at = t.again_at, lease_until = null,
        ended_at = case when t.again_at > d.give_up_at or %(final)s then clock_timestamp() end,
        last_status = %(status)s, last_error = %(error)s
    from tried t where d.id = t.id
    returning d.endpoint_id
)
update webhook_endpoint e
set failing_since = coalesce(failing_since, clock_timestamp()),
    state = case when %(final)s or failing_since < clock_timestamp() - %(disable_after)s then 'disabled' else state end,
    disabled_because = case
        when %(final)s then 'it answered 410 Gone'
        when failing_since < clock_timestamp() - %(disable_after)s then 'every delivery failed for days'
        else disabled_because end
from recorded where e.id = recorded.endpoint_id
returning e.id, e.state

-- name: release_deliveries
-- The sender is stopping. What it had not begun to send, or had no answer for, is due again at once.
update webhook_delivery set state = 'pending', lease_until = null, due_at = clock_timestamp()
where (id, attempt) in (select * from unnest(%(ids)s::uuid[], %(attempts)s::integer[])) and state = 'leased'

-- name: give_up_deliveries
-- Of endpoints that stayed disabled for as long as a delivery is tried.
update webhook_delivery set state = 'failed', ended_at = clock_timestamp(), last_error = coalesce(last_error, 'the endpoint is disabled')
where state = 'pending' and give_up_at < clock_timestamp() and due_at <= clock_timestamp()

-- name: forget_subscriptions
-- Of ended reports, once no delivery is left that names them.
delete from report_webhook
where id in (
    select w.id from report_webhook w join report r on r.id = w.report_id
    where w.told and r.finished_at < clock_timestamp() - %(keep)s
      and not exists (select from webhook_delivery where subscription_id = w.id)
    limit 1000)

-- name: forget_deliveries
delete from webhook_delivery
where id in (select id from webhook_delivery where ended_at < clock_timestamp() - %(keep)s order by ended_at limit 1000)
