"""The page's sessions: signing in and out, their ends, and what other sites try with a browser that is signed in."""

from collections.abc import Iterator

import psycopg
import pytest
from fastapi.testclient import TestClient

from services.api.main import create_app
from services.api.use_cases import page_sessions
from shared.keys import create_key, revoke_key
from shared.settings import Settings
from tests.fixtures.logins import with_login
from tests.fixtures.page import form_token, sign_in

HTML = {"Accept": "text/html"}
SESSION = "uptill_session"


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    """A browser without a session, which follows no redirect by itself."""
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers=HTML, follow_redirects=False, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def key(settings: Settings) -> str:
    return settings.api_key.get_secret_value()


def count_sessions(env: dict[str, str]) -> int:
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        (count,) = conn.execute("select count(*) from page_session").fetchall()[0]
    return int(count)


def test_a_browser_gets_the_page_and_a_program_a_problem(browser: TestClient) -> None:
    answer = browser.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "./sign-in")
    answer = browser.get("/", headers={"Accept": "*/*"})
    assert answer.json()["type"] == "urn:uptill:error:not_found"


def test_a_view_without_a_session_leads_to_the_form_and_back(browser: TestClient, key: str) -> None:
    answer = browser.get("/stores?q=a%20b")
    assert (answer.status_code, answer.headers["location"]) == (303, "./sign-in?next=stores%3Fq%3Da%2520b")
    form = browser.get(answer.headers["location"].removeprefix("."))
    assert 'name="next" value="stores?q=a%20b"' in form.text
    answer = sign_in(browser, key, next="stores?q=a%20b")
    assert (answer.status_code, answer.headers["location"]) == (303, "./stores?q=a%20b")
    assert browser.get("/stores").status_code == 200


def test_the_cookie_is_for_this_host_and_no_script_reads_it(browser: TestClient, key: str) -> None:
    cookie = next(
        line for line in sign_in(browser, key).headers.get_list("set-cookie") if line.startswith(SESSION)
    )
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    tls = {"X-Forwarded-Proto": "https"}
    page = browser.get("/sign-in", headers=tls)
    cookies = "; ".join(line.split(";")[0] for line in page.headers.get_list("set-cookie"))
    assert cookies.startswith("__Host-uptill_visit=")
    sent = {"form_token": form_token(page.text), "key": key}
    answer = browser.post("/sign-in", data=sent, headers={**tls, "Cookie": cookies})
    cookie = next(
        line for line in answer.headers.get_list("set-cookie") if line.startswith("__Host-uptill_session")
    )
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_the_database_holds_no_token(browser: TestClient, key: str, env: dict[str, str]) -> None:
    sign_in(browser, key)
    token = browser.cookies[SESSION]
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        rows = conn.execute("select * from page_session").fetchall()
    assert len(rows) == 1
    assert token.encode() not in repr(rows).encode()
    assert key not in repr(rows)


@pytest.mark.parametrize("wrong", ["", "upt_aaaaaaaa_" + "x" * 43, "<script>", "upt_\u202e", "x" * 5000])
def test_a_wrong_key_opens_nothing(browser: TestClient, env: dict[str, str], wrong: str) -> None:
    answer = sign_in(browser, wrong)
    assert answer.status_code == 401
    assert "<script>" not in answer.text
    assert wrong == "" or wrong not in answer.text
    assert browser.get("/stores").status_code == 303
    assert count_sessions(env) == 0


def test_a_key_without_the_scope_opens_nothing(browser: TestClient, env: dict[str, str]) -> None:
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        key = create_key(conn, name="metrics", scopes=["metrics:read"])
    answer = sign_in(browser, key)
    assert answer.status_code == 403
    assert "reports:read" in answer.text
    assert count_sessions(env) == 0


def test_signing_in_makes_a_new_session_and_ends_the_one_before(
    browser: TestClient, key: str, env: dict[str, str]
) -> None:
    browser.cookies.set(SESSION, "planted")
    sign_in(browser, key)
    first = browser.cookies.get(SESSION, domain="testserver.local") or ""
    assert first not in ("", "planted")
    assert count_sessions(env) == 1
    browser.cookies.clear()
    browser.cookies.set(SESSION, first)
    sign_in(browser, key)
    assert count_sessions(env) == 1
    browser.cookies.clear()
    assert browser.get("/stores", headers={"Cookie": f"{SESSION}={first}"}).status_code == 303
    assert browser.get("/stores", headers={"Cookie": f"{SESSION}=planted"}).status_code == 303


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "stores\r\nX: y",
        "stores/../../v1/keys",
        "sign-out",
        "///evil.example",
        "storesé",
        "s" * 3000,
    ],
)
def test_no_form_leads_to_another_site(browser: TestClient, key: str, target: str) -> None:
    answer = sign_in(browser, key, next=target)
    assert (answer.status_code, answer.headers["location"]) == (303, "./")


def test_signing_out_ends_the_session(browser: TestClient, key: str, env: dict[str, str]) -> None:
    sign_in(browser, key)
    token, cookie = form_token(browser.get("/stores").text), browser.cookies[SESSION]
    answer = browser.post("/sign-out", data={"form_token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "./sign-in")
    assert SESSION not in browser.cookies
    assert browser.get("/stores", headers={"Cookie": f"{SESSION}={cookie}"}).status_code == 303
    assert count_sessions(env) == 0


def test_signing_out_everywhere_ends_all_sessions_of_the_key(
    browser: TestClient, key: str, env: dict[str, str]
) -> None:
    sign_in(browser, key)
    other = browser.cookies[SESSION]
    browser.cookies.clear()
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        foreign = create_key(conn, name="other", scopes=["reports:read"])
    sign_in(browser, foreign)
    browser.cookies.clear()
    sign_in(browser, key)
    token = form_token(browser.get("/stores").text)
    browser.post("/sign-out", data={"form_token": token, "everywhere": "1"})
    assert browser.get("/stores", headers={"Cookie": f"{SESSION}={other}"}).status_code == 303
    assert count_sessions(env) == 1


@pytest.mark.parametrize(
    ("column", "age"),
    [("created_at", "page_session_s"), ("last_used_at", "page_idle_s")],
)
def test_a_session_ends_by_age_and_by_rest(
    browser: TestClient, key: str, env: dict[str, str], settings: Settings, column: str, age: str
) -> None:
    sign_in(browser, key)
    assert browser.get("/stores").status_code == 200
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute(
            f"update page_session set {column} = clock_timestamp() - make_interval(secs => %s)",
            [getattr(settings, age)],
        )
    assert browser.get("/stores").status_code == 303


def test_a_revoked_key_ends_its_sessions(settings: Settings, env: dict[str, str]) -> None:
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        key = create_key(conn, name="short", scopes=["reports:read"])
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers=HTML, follow_redirects=False) as browser:
        sign_in(browser, key)
        assert browser.get("/stores").status_code == 200
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            assert revoke_key(conn, key.split("_")[1])
        app.state.keys.forget(key.split("_")[1])
        answer = browser.get("/stores")
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("./sign-in")


def test_a_key_has_at_most_so_many_sessions(
    browser: TestClient, key: str, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_sessions, "MOST_PER_KEY", 2)
    for _ in range(4):
        browser.cookies.clear()
        sign_in(browser, key)
    assert count_sessions(env) == 2
    assert browser.get("/stores").status_code == 200


@pytest.mark.parametrize("path", ["/sign-out", "/theme", "/sign-in"])
def test_a_form_of_another_site_does_nothing(
    browser: TestClient, key: str, env: dict[str, str], path: str
) -> None:
    sign_in(browser, key)
    token = form_token(browser.get("/stores").text)
    tries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"form_token": "0" * 64}, {}),
        ({"form_token": "é"}, {}),
        ({"form_token": token}, {"Sec-Fetch-Site": "cross-site"}),
        ({"form_token": token}, {"Sec-Fetch-Site": "same-site"}),
    ]
    for fields, headers in tries:
        answer = browser.post(path, data={**fields, "key": key, "theme": "dark"}, headers=headers)
        assert answer.status_code == 403
        assert "<h1>" in answer.text
    answer = browser.post(path, json={"form_token": token})
    assert answer.status_code == 415
    assert browser.get("/stores").status_code == 200
    assert count_sessions(env) == 1


def test_the_session_is_no_key_of_the_api_and_a_key_no_session(browser: TestClient, key: str) -> None:
    bearer = {"Authorization": f"Bearer {key}"}
    assert browser.get("/stores", headers=bearer).status_code == 303
    sign_in(browser, key)
    assert browser.get("/v1/stores").status_code == 401
    assert browser.post("/v1/reports", json={}).status_code == 401


def test_colours_are_remembered(browser: TestClient, key: str) -> None:
    sign_in(browser, key)
    page = browser.get("/stores").text
    assert 'data-theme="system"' in page
    sent = {"form_token": form_token(page), "theme": "dark", "next": "stores?q=x"}
    assert browser.post("/theme", data=sent).headers["location"] == "./stores?q=x"
    assert 'data-theme="dark"' in browser.get("/stores").text
    browser.post("/theme", data={**sent, "theme": "<b>"})
    assert 'data-theme="system"' in browser.get("/stores").text
