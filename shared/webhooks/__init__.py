"""Webhooks: who is told that a report has ended, and what is sent. The scheduler sends."""
