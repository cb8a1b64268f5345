"""Sending webhooks: threads of the scheduler that claim deliveries, and a dialer that only reaches the public internet."""
