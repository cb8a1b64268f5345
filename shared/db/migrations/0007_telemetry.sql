-- What operators watch: since when a batch has waited, and which request, in which trace, a report came from.

-- due_at is pushed on whenever the scheduler publishes a batch again; this is not.
alter table report_batch add column due_since timestamptz not null default clock_timestamp();

alter table report
    add column request_id text,   -- of the HTTP request that made it
    add column traceparent text;  -- W3C Trace Context of that request

-- Batches that a worker could have and none has: what workers are scaled by.
create view due_batch as
select b.report_id, b.batch_no, b.due_since
from report_batch b join report r on r.id = b.report_id
where b.state = 'pending' and b.due_since <= clock_timestamp() and r.state in ('queued', 'running');

grant select on due_batch to uptill_api, uptill_worker, uptill_readonly;
