"""What the services share: settings, messages, database, queue, storage, the report state machine and the accounting."""

from zoneinfo import reset_tzpath

# Every process reads the time zones of the release's `tzdata` package. A machine's own files may be older or missing,
# and two processes with different ones would compute different reports.
reset_tzpath(())
