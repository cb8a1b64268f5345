-- What a consumer group has read and written. Polls and offsets commit together.

-- name: claim_partition
-- Makes this consumer the owner of a partition, so that no earlier owner writes any more.
insert into kafka_position (group_id, topic, partition, claimed_by)
values (%(group)s, %(topic)s, %(partition)s, %(claimed_by)s)
on conflict (group_id, topic, partition) do update
set claim = kafka_position.claim + 1, claimed_by = excluded.claimed_by, claimed_at = clock_timestamp()
returning claim, next_offset

-- name: place_partition
-- Where the owner goes on reading, if it is not where it stopped writing.
update kafka_position set next_offset = %(next_offset)s
where group_id = %(group)s and topic = %(topic)s and partition = %(partition)s and claim = %(claim)s

-- name: advance
-- Changes only partitions that this consumer still owns, and that stand where it began. The caller counts the rows.
update kafka_position position set next_offset = given.next_offset, written_at = clock_timestamp()
from unnest(%(topics)s::text[], %(partitions)s::integer[], %(claims)s::bigint[], %(before)s::bigint[], %(after)s::bigint[])
    given (topic, partition, claim, from_offset, next_offset)
where position.group_id = %(group)s and position.topic = given.topic and position.partition = given.partition
    and position.claim = given.claim and position.next_offset = given.from_offset

-- name: open_import
-- The messages of a group on one UTC day are one import.
select id from import
where origin = 'kafka' and state = 'running' and source = %(source)s
    and started_at >= date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC'

-- name: close_imports
update import set state = 'succeeded', finished_at = clock_timestamp()
where origin = 'kafka' and state = 'running' and source = %(source)s

-- name: insert_import
insert into import (id, origin, kind, source, size_bytes) values (%(id)s, 'kafka', 'polls', %(source)s, 0)

-- name: last_reject
select coalesce(max(line), 0) from import_reject where import_id = %(id)s
