"""What time makes due: recovery, schedules, webhooks, retention."""
