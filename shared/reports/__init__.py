"""The state machine of a report: trigger, claim, complete, finalise, end."""
