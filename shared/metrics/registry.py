"""The registry of metrics, and those that count what happens in their own process: name, kind, meaning, labels, source."""

from shared.metrics.definition import Registry

REGISTRY = Registry()
_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STAGE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)

REQUEST_DURATION = REGISTRY.histogram(
    "http_request_duration_seconds",
    "Time from a request's arrival to the end of its answer, including waits that the caller asked for.",
    sources=["api", "ingest"],
    labels={"route": (), "method": (), "status": ()},
    buckets=_REQUEST_S,
)
WAKES = REGISTRY.counter(
    "wakes_total",
    "Messages for workers: published, or left to the scheduler because Redis did not take them.",
    sources=["api", "worker", "scheduler"],
    labels={"result": ("published", "left")},
)

BATCHES_CLAIMED = REGISTRY.counter(
    "batches_claimed_total", "Claims of batches that were granted.", sources=["worker"]
)
BATCHES_ENDED = REGISTRY.counter(
    "batches_ended_total",
    "Ends of claims: done; lost, another worker took over; released, a server was away and the claim does not count; failed, the claim counts.",
    sources=["worker"],
    labels={"result": ("done", "lost", "released", "failed")},
)
BATCHES_SENT_AGAIN = REGISTRY.counter(
    "batches_sent_again_total",
    "Finished batches that run again because they missed a change of data.",
    sources=["worker"],
)
WEEKS_SEALED = REGISTRY.counter(
    "weeks_sealed_total",
    "Weeks of polls that moved to the bucket (sealed), or back to Postgres for late polls (opened).",
    sources=["worker"],
    labels={"direction": ("sealed", "opened")},
)
BATCH_INPUTS = REGISTRY.counter(
    "batch_inputs_total",
    "Inputs of batches, by the source of their polls: the worker's cache (memory), the database, both (only newer polls were read), or daily facts (facts). If these need polls of the last days, their source is counted too.",
    sources=["worker"],
    labels={"source": ("memory", "both", "database", "facts")},
)
LIVE_BATCHES = REGISTRY.counter(
    "live_batches_total",
    "Refreshes of batches of live state: computed, unchanged (a worker found that no change touches them), or skipped (the scheduler saw that nothing has changed).",
    sources=["worker", "scheduler"],
    labels={"result": ("computed", "unchanged", "skipped")},
)
INCIDENT_CHANGES = REGISTRY.counter(
    "incident_changes_total",
    "Changes of incidents by evaluations of alert rules.",
    sources=["scheduler"],
    labels={
        "change": ("opened", "calm", "flapped", "corrected", "joined", "left", "resolved", "withdrawn"),
    },
)
STAGE_DURATION = REGISTRY.histogram(
    "batch_stage_duration_seconds",
    "Time of each stage of a batch (load, compute, upload, complete) and of finishing a report (merge, convert, finish).",
    sources=["worker"],
    labels={"stage": ("load", "compute", "upload", "complete", "merge", "convert", "finish")},
    buckets=_STAGE_S,
)
FINALISATIONS_CLAIMED = REGISTRY.counter(
    "finalisations_claimed_total", "Claims to finish a report that were granted.", sources=["worker"]
)
FINALISATIONS_ENDED = REGISTRY.counter(
    "finalisations_ended_total",
    "Ends of these claims, as for batches.",
    sources=["worker"],
    labels={"result": ("done", "lost", "released", "failed")},
)
OBJECTS_REFUSED = REGISTRY.counter(
    "objects_refused_total",
    "Objects that were missing or changed when they were needed: merge, the batches were computed again; delivery, the files were not copied; link, the caller got no link.",
    sources=["api", "worker", "scheduler"],
    labels={"needed_for": ("merge", "delivery", "link")},
)

KAFKA_MESSAGES = REGISTRY.counter(
    "kafka_messages_total",
    "Kafka messages whose polls and offsets were committed, including rejected ones.",
    sources=["consumer"],
)
KAFKA_ROWS_REJECTED = REGISTRY.counter(
    "kafka_rows_rejected_total", "Rows of Kafka messages that were rejected.", sources=["consumer"]
)
KAFKA_BATCHES = REGISTRY.counter(
    "kafka_batches_total",
    "Batches of Kafka messages: written; split, because the database refused their data; waited, the database was away or a week was sealed; fenced, another consumer had claimed a partition.",
    sources=["consumer"],
    labels={"result": ("written", "split", "waited", "fenced")},
)
KAFKA_PARTITIONS = REGISTRY.counter(
    "kafka_partitions_total",
    "Partitions that a consumer got or gave up: assigned, revoked, or lost because the group had gone on without it.",
    sources=["consumer"],
    labels={"change": ("assigned", "revoked", "lost")},
)
KAFKA_SKIPPED = REGISTRY.counter(
    "kafka_skipped_messages_total",
    "Kafka messages that the brokers had deleted before they were read.",
    sources=["consumer"],
)
KAFKA_LAG = REGISTRY.gauge(
    "kafka_lag_messages",
    "Messages in the partitions of this consumer that are not written yet, as far as the brokers have said.",
    sources=["consumer"],
)
KAFKA_LAG_S = REGISTRY.gauge(
    "kafka_lag_seconds",
    "Age of the oldest message in the batch that was written last or waits to be written; 0 if there are no more messages, and NaN if none of them has a time.",
    sources=["consumer"],
)

LEASES_EXPIRED = REGISTRY.counter(
    "leases_expired_total",
    "Leases that expired because their worker died or went silent.",
    sources=["scheduler"],
)
LEASES_TAKEN_BACK = REGISTRY.counter(
    "leases_taken_back_total",
    "Leases of batches and finalisations that were ended early because their worker had lost its session.",
    sources=["scheduler"],
    labels={"step": ("batch", "finalisation")},
)
FROZEN_CLIENTS_ENDED = REGISTRY.counter(
    "frozen_clients_ended_total",
    "Database sessions that were ended because their process stood still in the middle of a statement.",
    sources=["scheduler"],
)
CLAIMS_RETURNED = REGISTRY.counter(
    "claims_returned_total",
    "Claims that were returned because the worker of a lost lease was alive. They do not count.",
    sources=["worker", "scheduler"],
)
REPUBLISHED = REGISTRY.counter(
    "republished_total",
    "Messages published again for work that no worker had claimed in time.",
    sources=["scheduler"],
)
REPORTS_BURIED = REGISTRY.counter(
    "reports_buried_total", "Reports that failed because a step used up its claims.", sources=["scheduler"]
)
REPORTS_EXPIRED = REGISTRY.counter(
    "reports_expired_total",
    "Reports whose files were removed after their retention time.",
    sources=["scheduler"],
)
IDEMPOTENCY_FORGOTTEN = REGISTRY.counter(
    "idempotency_keys_forgotten_total",
    "Idempotency-Keys deleted after 24 hours.",
    sources=["scheduler"],
)
FILES_LOST = REGISTRY.gauge(
    "files_lost",
    "Files of succeeded reports that were missing from the bucket in the janitor's last round.",
    sources=["scheduler"],
)
SCHEDULES_FIRED = REGISTRY.counter(
    "schedules_fired_total",
    "Runs of schedules: accepted, a report was made; refused, the run has the reason why not; failed, the schedule cannot be run until someone corrects it.",
    sources=["scheduler"],
    labels={"result": ("accepted", "refused", "failed")},
)
WEBHOOK_ATTEMPTS = REGISTRY.counter(
    "webhook_attempts_total",
    "Attempts to send a webhook: delivered, the receiver answered 2xx; failed, anything else.",
    sources=["scheduler"],
    labels={"result": ("delivered", "failed")},
)
HOOK_CALLS = REGISTRY.counter(
    "hook_calls_total",
    "Calls of hooks by result: stored; replayed, the message was received before; ignored, no item was wanted; unsigned, stale or unreadable; refused; unavailable. Names that are not a hook count as none.",
    sources=["ingest"],
    labels={
        "hook": (),
        "result": (),
    },
)
HOOK_ITEMS = REGISTRY.counter(
    "hook_items_total",
    "Items in calls of hooks: accepted, duplicate, corrected, ignored, or the reason why they were rejected.",
    sources=["ingest"],
    labels={"hook": (), "outcome": ()},
)
CHANNEL_ATTEMPTS = REGISTRY.counter(
    "channel_attempts_total",
    "Attempts to send a message to a channel, by its kind: delivered; failed, it is tried again; given_up, it failed for a day.",
    sources=["scheduler"],
    labels={"kind": ("webhook", "email", "chat"), "result": ("delivered", "failed", "given_up")},
)
DUTIES_FAILED = REGISTRY.counter(
    "duties_failed_total",
    "Errors of the scheduler's duties that are not an outage. The other duties went on.",
    sources=["scheduler"],
    labels={"duty": ()},
)
SWEEPS = REGISTRY.counter(
    "sweeps_total",
    "Rounds of the scheduler: done, or skipped because a server was away or a duty failed.",
    sources=["scheduler"],
    labels={"result": ("done", "skipped")},
)
LAST_SWEEP = REGISTRY.gauge(
    "last_sweep_timestamp_seconds",
    "When the scheduler last finished a round, as Unix time.",
    sources=["scheduler"],
)
