"""The scheduler: recovers the work of dead workers, fires schedules, sends webhooks and removes what has expired."""
