"""Every metric of Uptill: name, kind, meaning, labels, source. `docs/reference/metrics.md` is made from it."""

from shared.metrics.definition import Metric, Registry

REGISTRY = Registry()
_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STAGE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
_LATENCY_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

REQUEST_DURATION = REGISTRY.histogram(
    "http_request_duration_seconds",
    "Time from a request's arrival to the end of its answer; waits that the caller asked for are in it.",
    sources=["api", "ingest"],
    labels={"route": (), "method": (), "status": ()},
    buckets=_REQUEST_S,
)
WAKES = REGISTRY.counter(
    "wakes_total",
    "Messages for workers: published, or left to the scheduler as Redis did not take them.",
    sources=["api", "worker", "scheduler"],
    labels={"result": ("published", "left")},
)

BATCHES_CLAIMED = REGISTRY.counter(
    "batches_claimed_total", "Attempts at a batch: claims that were granted.", sources=["worker"]
)
BATCHES_ENDED = REGISTRY.counter(
    "batches_ended_total",
    "Ends of attempts: done; lost, another worker had taken it over; released, a server was away and the attempt was given back; failed, the attempt is burnt.",
    sources=["worker"],
    labels={"result": ("done", "lost", "released", "failed")},
)
BATCHES_SENT_AGAIN = REGISTRY.counter(
    "batches_sent_again_total", "Done batches due once more, as data changed below them.", sources=["worker"]
)
BATCH_INPUTS = REGISTRY.counter(
    "batch_inputs_total",
    "Inputs of batches, by where their polls came from: the worker's memory, the database, or both (newer polls only).",
    sources=["worker"],
    labels={"source": ("memory", "both", "database")},
)
STAGE_DURATION = REGISTRY.histogram(
    "batch_stage_duration_seconds",
    "Time of each stage of a batch (load, compute, upload, complete) and of a report's end (merge, convert, finish).",
    sources=["worker"],
    labels={"stage": ("load", "compute", "upload", "complete", "merge", "convert", "finish")},
    buckets=_STAGE_S,
)
FINALISATIONS_CLAIMED = REGISTRY.counter(
    "finalisations_claimed_total", "Attempts to finish a report.", sources=["worker"]
)
FINALISATIONS_ENDED = REGISTRY.counter(
    "finalisations_ended_total",
    "Ends of those attempts, as for batches.",
    sources=["worker"],
    labels={"result": ("done", "lost", "released", "failed")},
)
OBJECTS_REFUSED = REGISTRY.counter(
    "objects_refused_total",
    "Objects that were gone or not as they were written when they were needed: merge, the batches were computed again; delivery, the files were not copied; link, the caller got none.",
    sources=["api", "worker", "scheduler"],
    labels={"needed_for": ("merge", "delivery", "link")},
)

LEASES_EXPIRED = REGISTRY.counter(
    "leases_expired_total",
    "Leases that ran out because their worker died or went silent.",
    sources=["scheduler"],
)
LEASES_TAKEN_BACK = REGISTRY.counter(
    "leases_taken_back_total",
    "Leases that were ended early because their worker had lost its session: of batches and of finalisations.",
    sources=["scheduler"],
    labels={"step": ("batch", "finalisation")},
)
CLAIMS_RETURNED = REGISTRY.counter(
    "claims_returned_total",
    "Claims given back because the worker of a lost lease turned out to be alive; they do not count as attempts.",
    sources=["worker", "scheduler"],
)
REPUBLISHED = REGISTRY.counter(
    "republished_total",
    "Messages published again for work that nobody had claimed in time.",
    sources=["scheduler"],
)
REPORTS_BURIED = REGISTRY.counter(
    "reports_buried_total", "Reports failed because a step used up its attempts.", sources=["scheduler"]
)
REPORTS_EXPIRED = REGISTRY.counter(
    "reports_expired_total", "Reports whose files were removed after their time.", sources=["scheduler"]
)
IDEMPOTENCY_FORGOTTEN = REGISTRY.counter(
    "idempotency_keys_forgotten_total",
    "Idempotency-Keys removed after their 24 hours.",
    sources=["scheduler"],
)
FILES_LOST = REGISTRY.gauge(
    "files_lost",
    "Files of succeeded reports that were not in the bucket at the janitor's last look.",
    sources=["scheduler"],
)
SCHEDULES_FIRED = REGISTRY.counter(
    "schedules_fired_total",
    "Due times of schedules: accepted, a report was made; refused, the run says why none was.",
    sources=["scheduler"],
    labels={"result": ("accepted", "refused")},
)
WEBHOOK_ATTEMPTS = REGISTRY.counter(
    "webhook_attempts_total",
    "Attempts to send a webhook: delivered, the receiver answered 2xx; failed, anything else.",
    sources=["scheduler"],
    labels={"result": ("delivered", "failed")},
)
SWEEPS = REGISTRY.counter(
    "sweeps_total",
    "Rounds of the scheduler: done, or skipped since a server was away.",
    sources=["scheduler"],
    labels={"result": ("done", "skipped")},
)
LAST_SWEEP = REGISTRY.gauge(
    "last_sweep_timestamp_seconds",
    "When the scheduler last ended a round, as Unix time.",
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
        "Age of the oldest report that has not ended; 0 without one.",
    ),
    REGISTRY.fact("batches", "gauge", "Batches of reports under way, by state.", labels=["state"]),
    REGISTRY.fact(
        "present_workers", "gauge", "Worker processes whose presence session is open; none behind a pooler."
    ),
    REGISTRY.fact("due_batches", "gauge", "Batches that wait for a worker."),
    REGISTRY.fact(
        "oldest_due_batch_age_seconds",
        "gauge",
        "How long the oldest waiting batch has waited; 0 without one.",
    ),
    REGISTRY.fact(
        "imports_total",
        "counter",
        "Ended imports by kind and result; archives are counted by their members.",
        labels=["kind", "result"],
    ),
    REGISTRY.fact(
        "open_imports",
        "gauge",
        "Imports that have not ended, by state; interrupted ones go on later.",
        labels=["state"],
    ),
    REGISTRY.fact(
        "oldest_queued_import_age_seconds",
        "gauge",
        "How long the upload that has waited longest has waited to be loaded, or for its next chunk; 0 without one.",
    ),
    REGISTRY.fact(
        "import_rows_total",
        "counter",
        "Rows read by all imports, by kind and outcome.",
        labels=["kind", "outcome"],
    ),
    REGISTRY.fact(
        "newest_poll_age_seconds", "gauge", "Age of the newest accepted poll; absent before the first."
    ),
    REGISTRY.fact("stores", "gauge", "Stores that were ever polled."),
    REGISTRY.fact("schedules", "gauge", "Schedules of reports by state.", labels=["state"]),
    REGISTRY.fact(
        "oldest_due_schedule_age_seconds",
        "gauge",
        "How long the schedule that is longest due has been so; 0 without one.",
    ),
    REGISTRY.fact(
        "file_deliveries",
        "gauge",
        "Deliveries of scheduled reports into the bucket, by state; waiting: the report has succeeded.",
        labels=["state"],
    ),
    REGISTRY.fact(
        "oldest_file_delivery_age_seconds",
        "gauge",
        "How long ago the oldest report succeeded whose files wait to be delivered; 0 without one.",
    ),
    REGISTRY.fact(
        "webhook_endpoints",
        "gauge",
        "Webhook endpoints: working, failing since their last success, disabled.",
        labels=["state"],
    ),
    REGISTRY.fact(
        "webhook_deliveries", "gauge", "Webhook deliveries of the last 30 days by state.", labels=["state"]
    ),
    REGISTRY.fact(
        "oldest_webhook_age_seconds",
        "gauge",
        "Age of the oldest delivery that has not ended, but for those to disabled endpoints; 0 without one.",
    ),
)
SLOW_FACTS: tuple[Metric, ...] = (
    REGISTRY.fact(
        "silent_stores",
        "gauge",
        "Stores without a poll in the UPTILL_SILENT_AFTER_S before the newest poll of all.",
    ),
)
QUEUE_MESSAGES = REGISTRY.fact(
    "queue_messages",
    "gauge",
    "Messages in Redis: waiting for a worker, or dead (nobody could read them).",
    labels=["state"],
)
QUEUE_STATE = REGISTRY.fact(
    "queue_state",
    "gauge",
    "1 for the state of Redis at the last write to it, else 0: ok, silent, full, read_only, loading, cannot_save, refuses.",
    labels=["state"],
)
SOURCE_UP = REGISTRY.fact(
    "source_up",
    "gauge",
    "1 where the last look for facts succeeded (postgres, redis), else 0 and they are absent.",
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

Each process serves them to Prometheus on a port of its own, `UPTILL_METRICS_PORT` on `UPTILL_METRICS_HOST`, without a
key: this port is for the inner network and is off by default. The HTTP services also answer `GET /metrics` to a key
with the scope `metrics:read`. Several processes below one master (`--workers`) share
their counters, and any of them answers for all.

What is *looked up* is in Postgres or Redis: the scheduler asks when it is scraped, at most every 5 seconds (for silent
stores: every 5 minutes). These numbers survive every restart; of several schedulers take the `max`, not the `sum`. The
others count what happened in their process, and begin at 0 with it.
"""
