"""Metrics that the scheduler looks up in Postgres and Redis when it is scraped."""

from shared.metrics.definition import Metric
from shared.metrics.registry import REGISTRY

_LATENCY_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

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
