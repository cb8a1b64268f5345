"""Sources, parsing, validation and loading of polls, opening hours and time zones."""
