"""The mapping of words to statuses: what is read, and what is refused when a process starts."""

import pytest

from shared.errors import ConfigurationError
from shared.settings import load_settings
from shared.status_words import format_status_words, parse_status_words


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  ", ""),
        ("online=active,offline=inactive", "offline=inactive,online=active"),
        (" Online = ACTIVE , OFFLINE=Inactive", "offline=inactive,online=active"),
        ("1=active,0=inactive", "0=inactive,1=active"),
        ("on line=active", "on line=active"),
        ("a=b=active", "a=b=active"),
        ("active=active,up=active", "active=active,up=active"),
        ("hergestellt=active,gestört=inactive", "gestört=inactive,hergestellt=active"),
    ],
)
def test_read(text: str, canonical: str) -> None:
    words = parse_status_words(text)
    assert format_status_words(words) == canonical
    assert parse_status_words(canonical) == words


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("online", "does not map a word"),
        ("=active", "does not map a word"),
        ("online=active,", "does not map a word"),
        (",", "does not map a word"),
        ("online:active", "does not map a word"),
        ("online=up", "not a status"),
        ("online=", "not a status"),
        ("online=active,online=inactive", "mapped twice"),
        ("online=active,ONLINE =active", "mapped twice"),
        ("active=inactive", "keep their meaning"),
        ("Inactive=active", "keep their meaning"),
        ("a\u202eb=active", "cannot be printed"),
        ("a\0=active", "cannot be printed"),
    ],
)
def test_refused(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_status_words(text)


def test_a_bad_setting_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPTILL_STATUS_WORDS", "online=up")
    with pytest.raises(ConfigurationError, match=r"UPTILL_STATUS_WORDS.*not a status"):
        load_settings()
