"""What the services share: settings, messages, database, queue, storage, the report state machine and the accounting."""
