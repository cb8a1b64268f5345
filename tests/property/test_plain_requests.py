"""The short way for plain requests: whatever it takes, h11 reads alike; whatever leaves room for doubt, it leaves to h11."""

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.http.plain_requests import MAX_PLAIN_BYTES, PlainRequest, read_plain

USUAL = [(b"Host", b"127.0.0.1"), (b"Content-Type", b"application/json"), (b"webhook-id", b"m1")]
NAMES = st.sampled_from(
    [
        b"Host", b"host", b"Content-Length", b"content-length", b"Content-length ", b"Transfer-Encoding", b"Connection",
        b"Expect", b"Upgrade", b"X", b"x-\x80", b"", b"X Y", b"X:Y",
    ]
)  # fmt: skip
VALUES = st.sampled_from(
    [
        b"a", b"0", b"3", b"03", b"+3", b"3, 3", b"chunked", b"close", b"keep-alive", b" padded ", b"\ttab\t", b"a\tb",
        b"", b"\xff", b"a\x00b", b"a\rb", b"100-continue", b"h2c",
    ]
)  # fmt: skip
TARGETS = st.sampled_from(
    [b"/v1/hooks/a", b"/a%2Fb?c=d", b"/", b"//x", b"*", b"http://x/", b"/a b", b"/\xff", b"/a#b"]
)
METHODS = st.sampled_from([b"POST", b"GET", b"post", b"PUT", b"POST "])
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2", b"http/1.1"])
ENDS = st.sampled_from([b"\r\n", b"\n", b"\r\n ", b"\r\r\n"])


def written(headers: list[tuple[bytes, bytes]], body: bytes, first: bytes = b"POST /a HTTP/1.1") -> bytes:
    lines = [first, *(name + b": " + value for name, value in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A plain request, with some parts replaced by others."""
    first = b" ".join(
        draw(st.just(usual) | others)
        for usual, others in ((b"POST", METHODS), (b"/a", TARGETS), (b"HTTP/1.1", VERSIONS))
    )
    body = draw(st.binary(max_size=4))
    headers = [*USUAL, *draw(st.lists(st.tuples(NAMES, VALUES), max_size=2))]
    if draw(st.booleans()):
        headers.append((b"Content-Length", str(len(body)).encode()))
    end = draw(st.just(b"\r\n") | ENDS)
    head = end.join([first, *(name + b":" + value for name, value in draw(st.permutations(headers)))])
    return head + end + b"\r\n" + body + draw(st.just(b"") | st.binary(max_size=3))


def read_by_h11(data: bytes) -> PlainRequest:
    conn = h11.Connection(h11.SERVER)
    conn.receive_data(data)
    request = conn.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.http_version) == (b"POST", b"1.1")
    body = b""
    while not isinstance(event := conn.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += event.data
    assert conn.trailing_data == (b"", False)
    assert not conn.they_are_waiting_for_100_continue
    assert conn.our_state is h11.SEND_RESPONSE
    return PlainRequest(request.target, [(name.lower(), value) for name, value in request.headers], body)


@given(requests())
@example(written([*USUAL, (b"Content-Length", b"2")], b"{}"))
def test_h11_reads_what_is_taken_alike(data: bytes) -> None:
    found = read_plain(data)
    if found is not None:
        assert found == read_by_h11(data)


def test_a_usual_call_is_taken() -> None:
    data = written([*USUAL, (b"Content-Length", b"2")], b"{}", b"POST /v1/hooks/a?b=c HTTP/1.1")
    found = read_plain(data)
    assert found is not None
    assert (found.target, found.body, found.headers[-1]) == (
        b"/v1/hooks/a?b=c",
        b"{}",
        (b"content-length", b"2"),
    )


@pytest.mark.parametrize(
    "data",
    [
        written([*USUAL, (b"Content-Length", b"3")], b"{}"),
        written([*USUAL, (b"Content-Length", b"1")], b"{}"),
        written(USUAL, b""),
        written([*USUAL, (b"Content-Length", b"2"), (b"Content-Length", b"2")], b"{}"),
        written([*USUAL, (b"Content-Length", b"2"), (b"Connection", b"close")], b"{}"),
        written([*USUAL, (b"Content-Length", b"2"), (b"Expect", b"100-continue")], b"{}"),
        written([*USUAL, (b"Content-Length", b"2"), (b"Transfer-Encoding", b"chunked")], b"{}"),
        written([*USUAL[1:], (b"Content-Length", b"2")], b"{}"),
        written([*USUAL, (b"Content-Length", b"2")], b"{}", b"GET /a HTTP/1.1"),
        written([*USUAL, (b"Content-Length", b"40000")], b" " * 40_000),
        written([*USUAL, (b"Content-Length", b"2")], b"{}") * 2,
    ],
)
def test_what_is_not_plain_is_left(data: bytes) -> None:
    assert read_plain(data) is None
    assert MAX_PLAIN_BYTES < 40_000
