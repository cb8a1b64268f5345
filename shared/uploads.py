"""When an upload has waited too long: what the ingest service, the doctor and the alert agree on."""

LONG_WAIT_S = 1800.0
