"""Whatever a caller may send, no index refuses it: each index over text is known, and takes the longest there can be."""

import os

import psycopg

from shared.ids import new_id

# Index or constraint, and what keeps its texts short enough for a B-tree (2,704 bytes) or makes that irrelevant.
KNOWN = {
    "api_key_pkey": "8 characters",
    "api_key_replaces_key": "8 characters",
    "calendar_in_force": "100 characters",
    "calendar_pkey": "100 characters",
    "alert_rule_pkey": "63 characters",
    "channel_event_pkey": "63 characters",
    "channel_event_waiting": "63 and 200 characters",
    "channel_message_newest": "63 characters",
    "channel_message_under_way": "63 and 200 characters",
    "channel_pkey": "63 characters",
    "facts_month_pkey": "names of policies",
    "forgotten_import_pkey": "kinds",
    "hook_pkey": "63 characters",
    "hook_version_pkey": "63 characters",
    "idempotency_pkey": "a key's prefix and 255 characters",
    "incident_one_open": "63 and 319 characters",
    "import_origin_idx": "origins",
    "import_source_hash": "hashed",
    "insight_finding_kind_place_key": "kinds",
    "insight_skill_pkey": "names of methods",
    "kafka_position_pkey": "200 and 249 characters",
    "outage_rate_pkey": "63 and 255 characters",
    "packed_day_date": "names of policies",
    "page_session_key": "8 characters",
    "reason_word_key": "50 characters",
    "report_failed_store_pkey": "1,024 bytes",
    "report_file_pkey": "formats",
    "report_interest_pkey": "8 characters",
    "report_key_line_id_idx": "8 characters",
    "report_webhook_key_line_idx": "8 characters",
    "report_webhook_report_id_key_prefix_url_key": "2,048 characters of ASCII (check_url)",
    "sealed_object_pkey": "names of objects",
    "service_level_pkey": "63 characters",
    "service_level_result_pkey": "63 characters",
    "service_level_store_pkey": "63 characters",
    "store_day_mark_pkey": "names of policies",
    "store_day_pkey": "names of policies",
    "store_month_pkey": "names of policies",
    "store_store_id_key": "1,024 bytes",
    "webhook_delivery_key_line_receiver_due_at_idx": "8 characters and the host of a URL (check_url)",
    "watched_source_pkey": "1,024 bytes (stored_name)",
    "webhook_secret_pkey": "8 characters",
}


def test_every_index_over_text_is_known(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        found = {
            name
            for (name,) in conn.execute(
                "select distinct index.relname from pg_index i join pg_class index on index.oid = i.indexrelid"
                " join pg_class t on t.oid = i.indrelid join pg_attribute a on a.attrelid = t.oid"
                " and a.attnum = any(i.indkey) join pg_type on pg_type.oid = a.atttypid"
                " where t.relnamespace = 'public'::regnamespace and typname in ('text', 'varchar')"
                " and attname <> 'state'"
            )
        }
    assert found == set(KNOWN)


def test_the_longest_texts_fit(database_url: str) -> None:
    """Random, so that they do not compress."""

    def text(size: int) -> str:
        return os.urandom(size // 2).hex()

    with psycopg.connect(database_url) as conn:
        conn.execute(
            "insert into import (id, source, state) values (%s, %s, 'running')", [new_id(), text(100_000)]
        )
        conn.execute("insert into store (store_id) values (%s)", [text(1024)])
        conn.execute("insert into watched_source (name, version) values (%s, 'x')", [text(1024)])
        conn.execute(
            "update store set labels = jsonb_build_object(%s::text, %s::text)", [text(60), text(100_000)]
        )
