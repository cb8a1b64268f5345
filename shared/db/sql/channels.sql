-- Channels, the events that wait for them, and the messages made of these. All times are by this database's clock.

-- name: queue_event
-- Locked, so that a removal of the channel at the same time cannot fail the caller's transaction.
insert into channel_event (channel, id, topic, event, notice, not_before)
select name, %(id)s, %(topic)s, %(event)s, %(notice)s, coalesce(%(not_before)s, '-infinity'::timestamptz)
from channel where name = %(channel)s for key share
on conflict do nothing

-- name: withdraw_event
delete from channel_event where channel = %(channel)s and id = %(id)s and message_id is null

-- name: lock_channels
select pg_advisory_xact_lock(hashtextextended('change of channels', 0))

-- name: kinds_of_channels
select name, kind from channel

-- name: insert_channel
insert into channel (name, kind, destination, secret, shown, per_minute, attach, changed_by)
values (%(name)s, %(kind)s, %(destination)s, %(secret)s, %(shown)s, %(per_minute)s, %(attach)s, %(by)s)

-- name: replace_channel
update channel
set kind = %(kind)s, destination = %(destination)s, shown = %(shown)s, per_minute = %(per_minute)s, attach = %(attach)s,
    changed_by = %(by)s, changed_at = clock_timestamp()
where name = %(name)s

-- name: replace_channel_secret
update channel set secret = %(secret)s where name = %(name)s

-- name: select_channels
select name, kind, shown, per_minute, attach, changed_by, changed_at
from channel where %(name)s::text is null or name = %(name)s order by name

-- name: delete_channel
delete from channel where name = %(name)s

-- name: insert_message
insert into channel_message (id, channel, topic) values (%(message_id)s, %(channel)s, %(topic)s)

-- name: insert_told_event
insert into channel_event (channel, id, topic, event, notice, message_id)
values (%(channel)s, %(id)s, %(topic)s, %(event)s, %(notice)s, %(message_id)s)

-- name: select_messages
select m.id, m.channel, m.topic, (select count(*) from channel_event e where e.message_id = m.id) as events, m.state,
    m.attempt, m.due_at, m.last_status, m.last_error, m.created_at, m.ended_at
from channel_message m
where m.channel = %(channel)s and (%(id)s::uuid is null or m.id = %(id)s) and (%(state)s::text is null or m.state = %(state)s)
order by m.created_at desc, m.id
limit %(limit)s

-- name: messages_of_topic
-- Of all channels, newest first. By channel, because the index is.
select m.id, m.channel, m.topic, (select count(*) from channel_event e where e.message_id = m.id) as events, m.state,
    m.attempt, m.due_at, m.last_status, m.last_error, m.created_at, m.ended_at
from channel_message m
where m.channel = any(array(select name from channel)) and m.topic = %(topic)s
  and m.created_at between %(since)s and %(until)s
order by m.created_at desc, m.id
limit %(limit)s

-- name: waiting_of_topic
-- Events that are in no message yet, and when the first of them may be told.
select channel, count(*), greatest(min(not_before), min(queued_at))
from channel_event
where channel = any(array(select name from channel)) and topic = %(topic)s and message_id is null
group by channel
order by channel

-- name: anything_due
select exists (select from channel_message
               where state = 'pending' and due_at <= clock_timestamp() or state = 'leased' and lease_until < clock_timestamp())
    or exists (select from channel_event where message_id is null and not_before <= clock_timestamp())

-- name: take_turn
-- Claims run one after another, so that each sees the messages and leases of the one before.
select pg_advisory_xact_lock(hashtextextended('claim of a channel message', 0))

-- name: expire_leases
-- The sender died. Its messages are due at once.
update channel_message set state = 'pending', lease_until = null
where state = 'leased' and lease_until < clock_timestamp()

-- name: join_messages
-- An event joins a message of its channel and topic that nobody has tried to send.
update channel_event e set message_id = m.id
from channel_message m
where e.message_id is null and e.not_before <= clock_timestamp()
  and m.channel = e.channel and m.topic = e.topic and m.state = 'pending' and m.attempt = 0

-- name: form_messages
-- One message of all events of a channel and topic that may be told now, once one of them has waited for others. While a
-- message of the topic is under way, they wait: it comes first, and what follows it is told together.
with ready as (
    select distinct e.channel, e.topic from channel_event e
    where e.message_id is null and greatest(e.not_before, e.queued_at + %(gather)s) <= clock_timestamp()
      and not exists (select from channel_message m
                      where m.channel = e.channel and m.topic = e.topic and m.state in ('pending', 'leased'))
), formed as (
    insert into channel_message (channel, topic) select channel, topic from ready returning id, channel, topic
)
update channel_event e set message_id = f.id
from formed f
where e.channel = f.channel and e.topic = f.topic and e.message_id is null and e.not_before <= clock_timestamp()

-- name: claim_message
-- A channel gets one message at a time. It has used up its rate while `spent_at` is ahead: each attempt moves it on by a
-- share of a minute, beginning a minute ago at the earliest. So an idle channel may get all of a minute's messages at once.
with due as (
    select m.id, c.name, interval '1 minute' / c.per_minute as share, c.kind, c.destination, c.secret, c.attach
    from channel_message m join channel c on c.name = m.channel
    where m.state = 'pending' and m.due_at <= clock_timestamp() and c.spent_at <= clock_timestamp()
      and not exists (select from channel_message other where other.channel = m.channel and other.state = 'leased')
    order by m.due_at, m.created_at
    limit 1
    for update of m skip locked
), spent as (
    update channel c
    set spent_at = greatest(c.spent_at, clock_timestamp() - interval '1 minute' + due.share) + due.share
    from due where c.name = due.name
)
update channel_message m
set state = 'leased', attempt = m.attempt + 1, lease_until = clock_timestamp() + %(lease)s
from due
where m.id = due.id
returning m.id, m.attempt, m.channel, m.topic, due.kind, due.destination, due.secret, due.attach, m.created_at,
    extract(epoch from clock_timestamp())::bigint as sent_at_s

-- name: read_events
-- The first events of a message, and how many there are of each name.
select
    (select jsonb_agg(notice order by queued_at, id)
     from (select notice, queued_at, id from channel_event where message_id = %(id)s order by queued_at, id
           limit %(limit)s) first),
    (select jsonb_object_agg(event, number)
     from (select event, count(*) as number from channel_event where message_id = %(id)s group by event) counted)

-- name: record_delivered
update channel_message
set state = 'delivered', lease_until = null, ended_at = clock_timestamp(), last_status = %(status)s, last_error = null
where id = %(id)s and attempt = %(attempt)s and state = 'leased'

-- name: record_failure
-- Tried again after a pause drawn evenly from half of a limit to the limit, which doubles; given up once its time is over.
with tried as (
    select id, clock_timestamp()
            + (0.5 + random() / 2) * least(%(longest_pause)s, %(first_pause)s * 2 ^ least(attempt - 1, 20)) as again_at
    from channel_message where id = %(id)s and attempt = %(attempt)s and state = 'leased'
    for update
)
update channel_message m
set state = case when t.again_at > m.give_up_at or %(final)s then 'failed' else 'pending' end,
    due_at = t.again_at, lease_until = null,
    ended_at = case when t.again_at > m.give_up_at or %(final)s then clock_timestamp() end,
    last_status = %(status)s, last_error = %(error)s
from tried t where m.id = t.id
returning m.state

-- name: release_messages
-- The sender is stopping. What it had not begun to send, or had no answer for, is due again at once.
update channel_message set state = 'pending', lease_until = null, due_at = clock_timestamp()
where (id, attempt) in (select * from unnest(%(ids)s::uuid[], %(attempts)s::integer[])) and state = 'leased'

-- name: forget_messages
-- With their events, whose ids may then be queued again.
delete from channel_message
where id in (select id from channel_message where ended_at < clock_timestamp() - %(keep)s order by ended_at limit 1000)

-- name: read_report
-- What a message says about a report.
select id, state, as_of, policy, error,
    (select coalesce(sum(stores), 0)::bigint from report_batch b where b.report_id = r.id) as stores,
    (select coalesce(sum(failed_stores), 0)::bigint from report_batch b where b.report_id = r.id) as stores_failed
from report r where id = %(id)s

-- name: read_report_files
select format, object, size_bytes, sha256, rows, kind from report_file where report_id = %(id)s order by kind desc, format
