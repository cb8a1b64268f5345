"""Why a row is rejected: codes that are stored and public, with what to write instead."""

from collections.abc import Mapping
from typing import Final

from shared.store_ids import ID_FAULTS, NO_ID
from shared.store_limits import (
    MAX_CLOSURES,
    MAX_DATED_HOURS,
    MAX_INTERVALS_A_DAY,
    MAX_INTERVALS_A_WEEK,
    MAX_SPECIAL_DATES,
)
from shared.store_names import NAME_FAULT

ROW_REASONS: Final[Mapping[str, str]] = {
    "columns": "the row does not have as many fields as the header",
    "unnamed_column": "the row has a value in a column without a name, so it is unclear what the value means; name the column in the header, or leave it empty (only a first column may hold row numbers)",
    "repeated_header": "the line is the header again, because several files were joined; the rows below it are read; remove the line, or load the files separately",
    "quoting": "a quoted field is not closed in its line, or a quote stands inside a field (RFC 4180); a row is one line: take line breaks out of fields, and write a quote within a field twice",
    "text_mark": 'a value is written as ="00123", as spreadsheets mark text; write the value alone, as 00123',
    "encoding": "the row is not UTF-8, and cannot be read as Windows-1252: other rows of the file are UTF-8, or such bytes stand in another column than the store id, a name or a label; or the row is UTF-8 in a file that is not; save the file as CSV UTF-8",
    "control_character": "the row contains a control character or an invisible character, such as one that reverses text",
    "line_too_long": "the line is longer than 64 KB",
    NO_ID: ID_FAULTS[NO_ID],
    "store_id": ID_FAULTS["store_id"],
    "odd_id": ID_FAULTS["odd_id"],
    "status": "the status is neither active nor inactive; map other words with --status online=active,offline=inactive",
    "timestamp": "the timestamp does not have the form 2024-10-14 23:55:18.727055 UTC (year first, 24 hours), or the instant does not exist",
    "date_format": "the timestamp does not have the given date format, or the instant does not exist",
    "tz_missing": "the timestamp names no time zone; append UTC, Z or an offset such as +00:00",
    "timestamp_range": "the year is outside 2000 to 2100",
    "future": "the poll is more than 5 minutes in the future by the database's clock",
    "day": "the day of the week is neither 0 (Monday) to 6 (Sunday), nor 1 (Monday) to 7 (Sunday), nor an English name; names in other languages are not read, and each day needs a row of its own",
    "time": "the time of day does not have a form such as 09:00, 9:00:00, 9:00 AM or 9.00; only a closing time may be 24:00; a day of the week without a row is closed, and so is a special date without times; a day around the clock is 00:00 to 24:00",
    "half_of_day": "one of the two times has AM or PM, and the other has neither and may mean both; write both with AM or PM, or both with 24 hours",
    "decimal_hours": "a time such as 9.50 may be half past nine or ten to ten; write it with a colon, as 9:30 or 9:50",
    "timezone": "the zone is empty or unknown; use an IANA name such as America/New_York; abbreviations such as PST and offsets such as UTC-5 are not names of zones",
    "timezone_of_machine": "localtime, Factory, posixrules and names under posix/ and right/ mean something else on each machine; use an IANA name such as America/New_York",
    "date": "the date does not have the form 2024-12-25, does not exist, or is not in the years 2000 to 2100",
    "effective_from": "effective_from does not have the form 2024-12-25, does not exist, or is not in the years 2000 to 2100; leave it empty for hours without a date",
    "one_time": "only one of start_time_local and end_time_local is given; write both, or neither for a closed date",
    "closed_and_open": "the store has the date as closed and with opening hours; leave out one of them",
    "opened_at": "opened_at is not an instant with a time zone such as 2024-10-14T18:00:00Z, from 2000 to 2100; leave it empty if the store has always existed",
    "closed_at": "closed_at is not an instant with a time zone such as 2024-10-14T18:00:00Z, from 2000 to 2100; leave it empty if the store still exists",
    "lifetime_order": "closed_at is not after opened_at; swap or correct them",
    "starts_at": "starts_at is not an instant with a time zone such as 2024-10-14T18:00:00Z, from 2000 to 2100",
    "ends_at": "ends_at is not an instant with a time zone such as 2024-10-14T18:00:00Z, from 2000 to 2100; leave it empty if the end is unknown",
    "closure_order": "ends_at is not after starts_at; swap or correct them",
    "treatment": "the treatment is not exclude, as_up or ignore",
    "reason": "the reason is longer than 100 characters; put the details into the note",
    "unknown_store": "the store does not exist, and the hook adds none; check the id, load the store first, or set unknown_stores of the hook to add",
    "not_a_list": "the payload has no list where `each` of the hook's mapping says; correct the mapping, or ask the sender what changed",
    "cloud_event": "the item is not a CloudEvent 1.0: specversion, id, source or type is missing, or specversion is not 1.0",
    "unknown_reason": "the reason is not one of the known words; write a word that `uptill reasons` lists, add the word with `uptill reasons add WORD`, or leave the field empty",
    "event": "event is neither yes nor no; write yes if the row reports the change of state at its very instant, and no or nothing if it is a look",
    "until": "until is not an instant with a time zone such as 2024-10-14T18:00:00Z, or not in the given date format, or not from 2000 to 2100; leave it empty if the state has not ended",
    "until_of_look": "until is given, but the row is not an event; write yes into event, or leave until empty",
    "until_order": "until is not after the row's own instant, or is more than 5 minutes in the future; leave it empty, and send the end as an event of its own when it has come",
    "note": "the note is longer than 2,000 characters; shorten it",
    "name": f"{NAME_FAULT}; leave the cell empty",
    "label": "a label's value is longer than 255 characters, contains a control character or an invisible character, or is what a spreadsheet or a program writes if there is none, such as #N/A or NULL; shorten it, type it again, or leave the cell empty to remove the label",
    "labels": "the store would have more than 32 labels, including those that it has already; leave out some columns, or remove labels with an empty cell",
    "every_store": "* stands for every store, and only a closure may be for it; write the id of a store, or set a calendar for special dates of many stores",
    "summary_row": "the row looks like a total below the table, not like a store; remove it, or allow such ids with --allow-odd-ids (UPTILL_ALLOW_ODD_IDS=true)",
    "store_twice": "the delivery has the store more than once with different values in the same column; keep one of the rows",
    "too_many": f"the store would have more than {MAX_INTERVALS_A_WEEK} opening intervals a week, {MAX_INTERVALS_A_DAY} on a special date, {MAX_SPECIAL_DATES:,} special dates, {MAX_DATED_HOURS:,} dates of effective_from, or {MAX_CLOSURES:,} closures, including those that it has already; write intervals that touch or overlap as one, and leave out dates and closures that are long past",
    "message": "the Kafka message, or one element of its list, is not a poll: send a JSON object with store_id, status and observed_at (event, reason and until are optional), or a list of such objects; if the values are CSV, set UPTILL_KAFKA_FORMAT=csv",
    "no_value": "the Kafka message has no value, as a tombstone: send the poll as the value; its key is not read",
    "empty_value": "the value of the Kafka message is empty: write a poll into it",
    "field_missing": "the poll lacks the named field: write store_id, status and observed_at into each poll",
    "field_unknown": "a poll has no field of this name: leave it out, or name it store_id, status, observed_at, event, reason or until",
    "field_type": "the named field has a value of another type: write texts in quotes, true or false without quotes for event, and null or nothing for a reason or until without a value",
    "field_repeated": "the poll has the named field twice: write it once",
    "refused": "the database refused the Kafka message; the log of the consumer says why, under message_refused",
    "store_incomplete": "the row is valid, but another row of its store was rejected; correct that row and load all rows of the store again",
}


def by_frequency(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return reasons with their numbers of rows: the most frequent first, those of equal frequency by name."""
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))
