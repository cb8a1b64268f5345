"""Addresses on SFTP servers: what they name, how they are printed, and which are refused."""

import pytest

from services.ingest.sources.find import is_collection
from services.ingest.sources.sftp_address import parse_sftp_address
from shared.errors import BadInputFile


@pytest.mark.parametrize(
    ("text", "host", "port", "path", "printed"),
    [
        ("sftp://u@h/in", "h", 22, "/in", "sftp://u@h/in"),
        ("sftp://u@h/in/", "h", 22, "/in", "sftp://u@h/in"),
        ("sftp://u@h", "h", 22, "/", "sftp://u@h/"),
        ("sftp://u@H.example:2222//a/../b", "h.example", 2222, "/b", "sftp://u@h.example:2222/b"),
        ("sftp://u@h/~/in", "h", 22, "in", "sftp://u@h/~/in"),
        ("sftp://u@h/~", "h", 22, ".", "sftp://u@h/~/."),
        ("sftp://u@[::1]/a%20b", "::1", 22, "/a b", "sftp://u@[::1]/a b"),
        ("sftp://u@h/a#1?b.csv", "h", 22, "/a#1?b.csv", "sftp://u@h/a#1?b.csv"),
        ("sftp://u@h/a\nb.csv", "h", 22, "/a\nb.csv", "sftp://u@h/a\nb.csv"),
        ("sftp://u@h/50%2520.csv", "h", 22, "/50%20.csv", "sftp://u@h/50%2520.csv"),
        ("sftp://u@h/a%ff.csv", "h", 22, "/a\udcff.csv", "sftp://u@h/a%FF.csv"),
    ],
)
def test_an_address(text: str, host: str, port: int, path: str, printed: str) -> None:
    address = parse_sftp_address(text)
    assert (address.user, address.host, address.port, address.path) == ("u", host, port, path)
    assert address.name(address.path) == printed
    assert parse_sftp_address(printed) == address


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sftp://h/in", "lacks the user or the host"),
        ("sftp:///in", "lacks the user or the host"),
        ("sftp://u@h:x/in", "invalid port"),
        ("sftp://u:hidden@h/in", "UPTILL_SFTP_PASSWORD_FILE"),
    ],
)
def test_an_address_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInputFile, match=message) as raised:
        parse_sftp_address(text)
    assert "hidden" not in str(raised.value)


def test_what_is_named_like_a_file_is_one() -> None:
    assert is_collection("sftp://u@h/in")
    assert is_collection("sftp://u@h/in.d/")
    assert not is_collection("sftp://u@h/in/polls.CSV")
    assert not is_collection("sftp://u@h/in/polls.csv.gz")
