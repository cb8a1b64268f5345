"""Alert rules and incidents: the terms, the state machine, and how both are stored."""
