"""Webhooks: who is told when a report ends, and what is sent. Knows nothing of sending; the worker's package does that."""
