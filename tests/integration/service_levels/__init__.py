"""Service levels: stored, evaluated by workers, and shown."""
