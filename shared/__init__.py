"""What the services have in common: settings, contracts, database, queue, storage and the accounting."""
