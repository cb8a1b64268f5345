"""Send webhooks: threads that claim deliveries, and a dialer that only reaches the public internet."""
