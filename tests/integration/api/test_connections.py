"""How connections behave, over real sockets, with the deadlines shortened."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from shared.http import connection, pace
from shared.http.edge_limits import EdgeLimits
from shared.settings import Settings
from tests.fixtures.services import wait_until
from tests.integration.api.served import BIG, Served, answer, get, is_closed, post, serving


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((connection, "HEADER_S"), (connection, "LINGER_S"), (pace, "UNREAD_S")):
        monkeypatch.setattr(module, name, 0.3)
    monkeypatch.setattr(pace, "BODY_WINDOW_S", 0.3)


@pytest.mark.parametrize(
    "framing",
    [
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 3"],
        ["Content-Length: 3", "Content-Length: 3"],
        ["content-length: 3", "CONTENT-LENGTH: 4"],
        ["Content-Length: 3, 3"],
        ["Content-Length: +3"],
        ["Content-Length : 3"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: identity"],
        ["Transfer-Encoding: xchunked"],
        ["Transfer-Encoding:\tchunked\x0b"],
    ],
)
@pytest.mark.parametrize(
    "before", [b"", post("/read", "Content-Length: 1", body=b"x")], ids=["first", "pipelined"]
)
def test_a_body_of_two_lengths_is_refused_and_the_connection_closed(
    served: Served, framing: list[str], before: bytes
) -> None:
    asked = served.open(before + post("/read", *framing, body=b"0\r\n\r\n" + get("/hold")))
    if before:
        assert answer(asked).body == b"1"
    refused = answer(asked)
    assert (refused.status, refused.headers["connection"]) == (400, "close")
    assert json.loads(refused.body)["type"] == "urn:uptill:error:bad_request"
    assert is_closed(asked)
    wait_until(lambda: len(served.app.ended) >= bool(before), "the application has returned")
    assert served.app.ended == ["/read"] * bool(before)


def test_bodies_of_strangers_that_arrive_slowly_hold_up_no_other_stranger(served: Served) -> None:
    slow = [served.open(post("/listen", "Content-Length: 3", body=b"x")) for _ in range(4)]
    assert served.ask(get("/refuse")).status == 401
    for asked in slow:
        asked.sendall(b"yz")
    assert [answer(asked).body for asked in slow] == [b"3"] * 4


def test_a_connection_serves_one_request_without_a_key(served: Served) -> None:
    asked = served.open(get("/livez") * 3)
    first = answer(asked)
    assert (first.status, first.headers["connection"]) == (200, "close")
    assert is_closed(asked)
    wait_until(lambda: served.app.ended, "the application has returned")
    assert served.app.ended == ["/livez"]


@pytest.mark.parametrize("framing", [["Content-Length: 3"], ["Transfer-Encoding: chunked"]])
def test_a_body_of_one_length_is_taken(served: Served, framing: list[str]) -> None:
    body = b"abc" if "Content" in framing[0] else b"3\r\nabc\r\n0\r\n\r\n"
    asked = served.open(post("/read", *framing, body=body))
    assert answer(asked).body == b"3"
    asked.sendall(get("/livez"))
    assert answer(asked).body == b"0", "the connection goes on"


class TestBodies:
    def test_an_answer_before_the_end_of_a_body_arrives_and_closes(self, served: Served) -> None:
        asked = served.open(post("/refuse", "Content-Length: 5000000", body=b"x" * 300_000))
        refused = answer(asked)
        assert (refused.status, refused.headers["connection"]) == (401, "close")
        assert refused.body == b"0"
        assert is_closed(asked)

    def test_a_body_is_not_read_before_the_application_asks(self, served: Served) -> None:
        asked = served.open(post("/refuse", f"Content-Length: {1 << 40}", "Expect: 100-continue"))
        assert answer(asked).status == 401, "no 100 comes before it"
        assert is_closed(asked)

    def test_an_allowed_sender_gets_100_continue(self, served: Served) -> None:
        asked = served.open(post("/read", "Content-Length: 3", "Expect: 100-continue"))
        assert asked.recv(100).startswith(b"HTTP/1.1 100 ")
        asked.sendall(b"abc")
        assert answer(asked).body == b"3"

    def test_one_that_comes_too_slowly_gets_408_after_one_window_however_often_a_byte_comes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pace, "BODY_WINDOW_S", 3.0)
        with serving() as served:
            asked = served.open(post("/read", "Content-Length: 5000"))
            began_s = time.monotonic()
            stop = threading.Event()

            def drip() -> None:
                while not stop.wait(0.02):
                    asked.send(b"x")

            thread = threading.Thread(target=drip)
            thread.start()
            try:
                refused = answer(asked)
            finally:
                stop.set()
                thread.join()
            assert refused.status == 408
            assert 3.0 <= time.monotonic() - began_s < 6.0, "not after a second window"
            assert b"1,024 bytes per second" in refused.body

    @pytest.mark.usefixtures("moments")
    def test_endless_headers_time_out(self) -> None:
        with serving() as served:
            assert is_closed(served.open(b"GET / HTTP/1.1\r\nX: y"))


class TestAnswers:
    @pytest.mark.usefixtures("moments")
    def test_an_unread_answer_is_dropped(self) -> None:
        with serving() as served:
            asked = served.open(get("/big"))
            wait_until(lambda: len(served.crowd) == 0, "the connection to be dropped")
            assert asked.recv(1)

    @pytest.mark.usefixtures("moments")
    def test_pipelined_requests_without_a_reader_end(self) -> None:
        with serving() as served:
            asked = served.open()
            asked.settimeout(1)
            with suppress(OSError):
                while True:
                    asked.sendall(get("/big") * 1000)
            wait_until(lambda: len(served.crowd) == 0, "the connection to be dropped")

    def test_an_answer_that_is_read_arrives_whole(self, served: Served) -> None:
        assert len(served.ask(get("/big")).body) == BIG

    def test_an_upgrade_is_ignored(self, served: Served) -> None:
        upgrade = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        assert served.ask(upgrade).status == 200
        assert served.ask(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n").status in (200, 400)


class TestRoom:
    def test_the_oldest_stranger_of_an_address_makes_room_for_the_next(self) -> None:
        with serving(EdgeLimits(connections_per_address=3)) as served:
            first = served.open(get("/livez"))
            assert answer(first).body == b"0"
            others = [served.open() for _ in range(2)]
            assert served.ask(get("/livez")).status == 200
            assert is_closed(first)
            for other in others:
                other.sendall(get("/livez"))
                assert answer(other).status == 200

    def test_a_connection_with_a_key_does_not_count_for_its_address(self) -> None:
        with serving(EdgeLimits(connections_per_address=1)) as served:
            admitted = [served.open(post("/read", "Content-Length: 0")) for _ in range(1)]
            assert answer(admitted[0]).status == 200
            served.ask(get("/livez"))
            served.ask(get("/livez"))
            admitted[0].sendall(get("/livez"))
            assert answer(admitted[0]).status == 200

    def test_a_proxy_has_no_limit_per_address(self) -> None:
        proxies = {"connections_per_address": 1, "trusted_proxies": "127.0.0.0/8, ::1"}
        edge = EdgeLimits.of(Settings.model_validate(proxies))
        with serving(edge) as served:
            first = served.open()
            assert served.ask(get("/livez")).status == 200
            first.sendall(get("/livez"))
            assert answer(first).status == 200

    def test_strangers_and_idle_callers_make_room_and_busy_ones_do_not(self) -> None:
        with serving(most=8) as served:
            idle = served.open(post("/read", "Content-Length: 0"))
            assert answer(idle).status == 200
            busy = [served.open(post("/hold", "Content-Length: 0", "X-API-Key: any")) for _ in range(6)]
            stranger = served.open(b"GET /livez HTTP/1.1\r\n")
            wait_until(lambda: len(served.crowd) == 8, "all of them")
            assert served.ask(get("/other")).status == 200, "the newest is served"
            assert is_closed(stranger)
            busy += [served.open(post("/hold", "Content-Length: 0", "X-API-Key: any"))]
            assert is_closed(idle)
            busy += [served.open(post("/hold", "Content-Length: 0", "X-API-Key: any"))]
            wait_until(lambda: len(served.crowd) >= 8, "all of them")
            refused = served.ask(get("/other"))
            assert (refused.status, refused.headers["connection"]) == (503, "close")
            assert [served.ask(get(path)).status for path in ("/livez", "/readyz")] == [200, 200]
            assert served.app.ended.count("/hold") == 0


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as one:
        yield one
