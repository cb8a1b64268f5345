"""Every metric of Uptill: name, kind, meaning, labels, source. `docs/reference/metrics.md` is generated from it."""

from shared.metrics.definition import Metric, Registry

REGISTRY = Registry()
_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STAGE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
_LATENCY_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

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
    "Age of the oldest message in the batch that was written last or waits to be written; 0 if there are no more messages.",
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
    "Calls of hooks by result: stored; replayed, the message was received before; ignored, the mapping ignores all of it; unsigned, stale or unreadable; refused; unavailable. Names that are not a hook count as none.",
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

REPORT_LATENCY = REGISTRY.fact(
    "report_latency_seconds",
    "histogram",
    "Time from a report's acceptance to its success.",
    buckets=_LATENCY_S,
)
FACTS: tuple[Metric, ...] = (
    REGISTRY.fact("reports", "gauge", "Reports by state.", labels=["state"]),
    REPORT_LATENCY,
    REGISTRY.fact(
        "oldest_open_report_age_seconds",
        "gauge",
        "Age of the oldest unfinished report; 0 if there is none.",
    ),
    REGISTRY.fact("batches", "gauge", "Batches of unfinished reports, by state.", labels=["state"]),
    REGISTRY.fact(
        "present_workers",
        "gauge",
        "Worker processes with an open presence session. Workers behind a connection pooler have none.",
    ),
    REGISTRY.fact("due_batches", "gauge", "Batches that wait for a worker."),
    REGISTRY.fact(
        "oldest_due_batch_age_seconds",
        "gauge",
        "How long the oldest waiting batch has waited; 0 if there is none.",
    ),
    REGISTRY.fact(
        "imports_total",
        "counter",
        "Ended imports by kind and result. Archives count by their members.",
        labels=["kind", "result"],
    ),
    REGISTRY.fact(
        "open_imports",
        "gauge",
        "Unfinished imports by state. Interrupted ones continue later.",
        labels=["state"],
    ),
    REGISTRY.fact(
        "oldest_queued_import_age_seconds",
        "gauge",
        "Longest time that an upload has waited to be loaded, or for its next chunk; 0 if none waits.",
    ),
    REGISTRY.fact(
        "import_rows_total",
        "counter",
        "Rows read by all imports, by kind and outcome.",
        labels=["kind", "outcome"],
    ),
    REGISTRY.fact(
        "newest_poll_age_seconds", "gauge", "Age of the newest accepted poll; absent before the first poll."
    ),
    REGISTRY.fact("stores", "gauge", "Stores with at least one poll."),
    REGISTRY.fact(
        "sealed_weeks",
        "gauge",
        "Weeks of polls in the bucket, by state: sealed, or wanted (late polls wait for the week to be opened).",
        labels=["state"],
    ),
    REGISTRY.fact("sealed_polls", "gauge", "Polls in sealed weeks."),
    REGISTRY.fact("sealed_bytes", "gauge", "Bytes of sealed weeks in the bucket."),
    REGISTRY.fact(
        "oldest_wanted_week_age_seconds",
        "gauge",
        "Longest time that late polls have waited for a sealed week; 0 if none wait.",
    ),
    REGISTRY.fact("live_stores", "gauge", "Stores by live state.", labels=["state"]),
    REGISTRY.fact(
        "live_age_seconds",
        "gauge",
        "Age of the oldest batch of the live state; 0 without live state.",
    ),
    REGISTRY.fact(
        "schedules",
        "gauge",
        "Report schedules by state. A failed one cannot be run until someone corrects it.",
        labels=["state"],
    ),
    REGISTRY.fact(
        "failed_stores",
        "gauge",
        "Stores that could not be computed in the newest reports of the last 24 hours.",
    ),
    REGISTRY.fact(
        "tzdata_versions",
        "gauge",
        "Different time zone databases that the services work with; more than 1 is a fault, except during an upgrade.",
    ),
    REGISTRY.fact(
        "oldest_due_schedule_age_seconds",
        "gauge",
        "Longest time that a schedule has been due; 0 if none is.",
    ),
    REGISTRY.fact(
        "file_deliveries",
        "gauge",
        "File deliveries of scheduled reports by state. Waiting ones are those whose report has succeeded.",
        labels=["state"],
    ),
    REGISTRY.fact(
        "oldest_file_delivery_age_seconds",
        "gauge",
        "Time since the success of the oldest report whose files wait for delivery; 0 if there is none.",
    ),
    REGISTRY.fact(
        "webhook_endpoints",
        "gauge",
        "Webhook endpoints by state: working, failing (since the last success), disabled.",
        labels=["state"],
    ),
    REGISTRY.fact(
        "webhook_deliveries", "gauge", "Webhook deliveries of the last 30 days by state.", labels=["state"]
    ),
    REGISTRY.fact(
        "oldest_webhook_age_seconds",
        "gauge",
        "Age of the oldest unfinished delivery to an endpoint that is not disabled; 0 if there is none.",
    ),
    REGISTRY.fact(
        "incidents",
        "gauge",
        "Incidents that have not ended, by kind of rule and state: open, acknowledged.",
        labels=["kind", "state"],
    ),
    REGISTRY.fact(
        "alert_evaluation_lag_seconds",
        "gauge",
        "How old what the alert rules know is: the age of the live state, or of the last evaluation if one is due; 0 without rules.",
    ),
    REGISTRY.fact(
        "service_level_target", "gauge", "Target of a service level, as a share.", labels=["level"]
    ),
    REGISTRY.fact(
        "service_level_achieved",
        "gauge",
        "Share of the counted time of the period that all stores of a service level were up; absent if nothing counts.",
        labels=["level"],
    ),
    REGISTRY.fact(
        "service_level_budget_seconds",
        "gauge",
        "How long the stores of a service level may be down in the whole period, together.",
        labels=["level"],
    ),
    REGISTRY.fact(
        "service_level_used_seconds",
        "gauge",
        "How long the stores of a service level were down in the period, together.",
        labels=["level"],
    ),
    REGISTRY.fact(
        "service_level_burn_rate",
        "gauge",
        "How fast the last day used the budget: at 1 it lasts for one period. Absent if the target is 1.",
        labels=["level"],
    ),
    REGISTRY.fact(
        "service_level_stores",
        "gauge",
        "Stores of a service level by state: ok, at_risk, missed, no_data.",
        labels=["level", "state"],
    ),
    REGISTRY.fact(
        "service_level_missing_days",
        "gauge",
        "Days of all stores that a service level does not count, because they have no fact and cannot be computed.",
        labels=["level"],
    ),
    REGISTRY.fact(
        "service_level_age_seconds",
        "gauge",
        "Time since a worker evaluated a service level.",
        labels=["level"],
    ),
    REGISTRY.fact(
        "channel_oldest_message_seconds",
        "gauge",
        "Age of the oldest message or event that should have reached its channel by now. Events that wait for the end of quiet hours or for a digest do not count. 0: none waits.",
    ),
)
SLOW_FACTS: tuple[Metric, ...] = (
    REGISTRY.fact(
        "silent_stores",
        "gauge",
        "Stores whose last poll is more than UPTILL_SILENT_AFTER_S older than the newest poll of all stores.",
    ),
)
QUEUE_MESSAGES = REGISTRY.fact(
    "queue_messages",
    "gauge",
    "Messages in Redis: waiting for a worker, or dead (no worker could read them).",
    labels=["state"],
)
QUEUE_STATE = REGISTRY.fact(
    "queue_state",
    "gauge",
    "1 for the state of Redis at the last test write, else 0: ok, silent, full, read_only, loading, cannot_save, refuses.",
    labels=["state"],
)
SOURCE_UP = REGISTRY.fact(
    "source_up",
    "gauge",
    "1 if the last query to this server (postgres, redis) succeeded, else 0; then its metrics are absent.",
    labels=["source"],
)


def metrics_reference() -> str:
    """Return the page `docs/reference/metrics.md`: every metric with its kind, labels, source and meaning."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels) or '-'} "
        f"| {', '.join(metric.sources)} | {metric.help} |"
        for metric in REGISTRY.metrics.values()
    ]
    return "\n".join(
        [
            _INTRODUCTION,
            "| metric | kind | labels | counted by | meaning |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


_INTRODUCTION = """# Metrics

Each process serves its metrics to Prometheus on `UPTILL_METRICS_PORT` of `UPTILL_METRICS_HOST`, without a key. This port is
for the internal network and is off by default. The HTTP services also answer `GET /metrics` to a key with the scope
`metrics:read`. Processes under one master (`--workers`) share their counters, and any of them answers for all.

Metrics that are *looked up* come from Postgres or Redis. The scheduler queries them when it is scraped, at most every 5
seconds (silent stores: every 5 minutes). They survive restarts. With several schedulers take the `max`, not the `sum`.
All other metrics count what happened in their process, and start at 0 with it.
"""
