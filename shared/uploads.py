"""When an upload has waited too long, for the ingest service, the doctor and the alert."""

LONG_WAIT_S = 1800.0
