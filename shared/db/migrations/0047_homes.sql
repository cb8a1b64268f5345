-- Homes of batches: the worker that is to take a batch first, because it is the one that remembers its stores.

alter table report_batch add column home integer; -- a number of `worker_presence`; null: any worker

-- The home of the batch that begins with a store, by rendezvous hashing: when a worker comes or goes, only its own batches
-- move. Null if fewer than two workers are present.
create function home_of(p_first_id text, p_workers integer[]) returns integer
language sql immutable parallel safe as $$
    select worker from unnest(p_workers) worker
    where cardinality(p_workers) > 1
    order by hashtextextended(coalesce(p_first_id, ''), worker) desc, worker limit 1
$$;

grant select on present_worker to uptill_api;
