"""Daily facts: the jobs that compute them, and which of them still hold."""
