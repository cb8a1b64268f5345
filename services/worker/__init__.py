"""Workers that compute report batches, and the scheduler that re-publishes what is due."""
