"""Sign-in by OpenID Connect against a real provider: who gets in, with which rights, and what is refused."""

import base64
import hashlib
import io
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.api.main import create_app
from services.api.oidc import provider as provider_module
from services.api.oidc.flow import LONGEST_S, Flow
from shared.errors import ConfigurationError
from shared.keys import list_keys, revoke_key
from shared.settings import Settings
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.logins import with_login
from tests.fixtures.page import form_token, sign_in
from tests.integration.api.test_page_reports import FLEET

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from oidc_provider_mock import User, run_server_in_thread

CALLBACK = "http://localhost/sign-in/provider/callback"
GROUPS = {
    "operators": {"scopes": ["reports:read", "reports:write"]},
    "north": {"scopes": ["reports:read"], "labels": {"region": "north"}},
    "admins": {"scopes": ["admin"]},
}
USERS = [
    User(sub="anna", claims={"email": "anna@example.com", "groups": ["staff", "operators"]}),
    User(sub="bert", claims={"email": "bert@example.com", "groups": ["admins", "north"]}),
    User(sub="carl", claims={"email": "carl@example.com", "groups": ["staff"]}),
    User(sub="dora", claims={"email": "<b>dora</b>\u202e", "groups": "north"}),
    User(sub="eve", claims={"email": "eve@example.com"}),
]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
StartProvider = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def start_provider() -> StartProvider:
    @contextmanager
    def start(**options: Any) -> Iterator[Any]:
        with run_server_in_thread(user_claims=USERS, **options) as server:
            yield server

    return start


def settings_with(settings: Settings, issuer: str, **more: Any) -> Settings:
    return settings.model_copy(
        update={
            "oidc_issuer": issuer,
            "oidc_client_id": "uptill",
            "oidc_client_secret": type(settings.api_key)("a secret of the client"),
            "oidc_redirect_url": CALLBACK,
            "oidc_groups": json.dumps(GROUPS),
            **more,
        }
    )


@contextmanager
def browser_of(settings: Settings) -> Iterator[TestClient]:
    app = create_app(with_login(settings, "uptill_api"))
    with TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False) as client:
        yield client


@pytest.fixture
def issuer(start_provider: StartProvider) -> Iterator[str]:
    with start_provider() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def browser(settings: Settings, issuer: str) -> Iterator[TestClient]:
    with browser_of(settings_with(settings, issuer)) as client:
        yield client


def start(browser: TestClient, target: str = "") -> str:
    """Go to the provider as the page's link says; return its address."""
    answer = browser.get("/sign-in/provider", params={"next": target})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def consent(url: str, sub: str, **changed: str) -> str:
    """Sign in at the provider; return the path and query to which it sends the browser back."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changed
    answer = httpx2.post(parts._replace(query=urlencode(query)).geturl(), data={"sub": sub})
    assert answer.status_code == 302, answer.text
    location = str(answer.headers["location"])
    assert location.startswith(CALLBACK)
    return location.removeprefix("http://localhost")


def enter(browser: TestClient, sub: str, target: str = "") -> Any:
    return browser.get(consent(start(browser, target), sub))


def refused(answer: Any, status: int, text: str) -> None:
    """A page for people, which offers both ways to sign in again."""
    assert answer.status_code == status, answer.text
    assert text in answer.text
    assert 'name="key"' in answer.text
    assert "sign-in/provider?next=" in answer.text
    assert "uptill_session" not in answer.headers.get("set-cookie", "")


def keys_in(env: dict[str, str]) -> dict[str, Any]:
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        return {key.prefix: key for key in list_keys(conn) if key.name != "test"}


def test_a_person_signs_in_and_comes_to_the_view_that_was_asked_for(
    browser: TestClient, issuer: str, env: dict[str, str]
) -> None:
    page = browser.get("/sign-in?next=reports%3Fstate%3Dfailed").text
    assert 'href="./sign-in/provider?next=reports%3Fstate%3Dfailed"' in page
    assert f"Sign in with {urlsplit(issuer).netloc}" in page
    url = start(browser, "reports?state=failed")
    query = parse_qs(urlsplit(url).query)
    assert query["code_challenge_method"] == ["S256"]
    assert {len(query[name][0]) for name in ("state", "nonce")} == {64}
    assert query["redirect_uri"] == [CALLBACK]
    answer = browser.get(consent(url, "anna"))
    assert (answer.status_code, answer.headers["location"]) == (303, "../../reports?state=failed")
    page = browser.get("/reports").text
    assert "anna@example.com" in page
    assert "New report" in page
    (key,) = keys_in(env).values()
    assert (key.name, key.scopes, key.store_labels) == (
        "anna@example.com",
        ["reports:read", "reports:write"],
        None,
    )
    assert key.expires_at is not None


def test_the_exchange_proves_who_asked(settings: Settings, start_provider: StartProvider) -> None:
    """The provider gets the verifier of the challenge, and the client's secret in a header only."""
    seen: list[tuple[bytes, str]] = []
    with start_provider() as server:
        inner = server.app

        def record(environ: dict[str, Any], respond: Any) -> Any:
            if environ["PATH_INFO"] == "/oauth2/token":
                body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
                seen.append((body, environ.get("HTTP_AUTHORIZATION", "")))
                environ["wsgi.input"] = io.BytesIO(body)
            return inner(environ, respond)

        server.app = record
        with browser_of(settings_with(settings, f"http://localhost:{server.server_port}")) as browser:
            url = start(browser)
            assert browser.get(consent(url, "anna")).status_code == 303
    ((body, authorization),) = seen
    (verifier,) = parse_qs(body.decode())["code_verifier"]
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert parse_qs(urlsplit(url).query)["code_challenge"] == [challenge]
    assert authorization.startswith("Basic ")
    assert b"secret" not in body


def test_the_first_group_of_the_setting_decides_and_labels_hold_on_every_view(
    browser: TestClient, env: dict[str, str]
) -> None:
    load_fleet(env["UPTILL_DATABASE_URL"], {**FLEET, "far": Store()})
    with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
        conn.execute("update store set labels = '{\"region\": \"north\"}' where store_id = '0042'")
    assert enter(browser, "bert").status_code == 303
    page = browser.get("/stores").text
    assert "0042" in page
    assert "0043" not in page
    assert browser.get("/stores/0042").status_code == 200
    assert browser.get("/stores/0043").status_code == 404
    assert "New report" not in browser.get("/reports").text
    token = form_token(browser.get("/reports").text)
    assert browser.post("/reports", data={"form_token": token, "policy": "classic"}).status_code == 403
    assert browser.get("/v1/stores").status_code == 401


def test_a_name_of_the_provider_is_text(browser: TestClient) -> None:
    assert enter(browser, "dora").status_code == 303
    page = browser.get("/stores").text
    assert "&lt;b&gt;dora&lt;/b&gt;" in page
    assert "\u202e" not in page


@pytest.mark.parametrize("sub", ["carl", "eve"])
def test_a_person_without_a_mapped_group_stays_outside(
    browser: TestClient, env: dict[str, str], sub: str
) -> None:
    refused(enter(browser, sub), 403, "none of your groups may use Uptill")
    assert browser.get("/stores").status_code == 303
    assert keys_in(env) == {}


def test_a_wrong_state_or_nonce_or_browser_is_refused(browser: TestClient, env: dict[str, str]) -> None:
    back = consent(start(browser), "anna")
    code = parse_qs(urlsplit(back).query)["code"][0]
    refused(
        browser.get("/sign-in/provider/callback", params={"code": code, "state": "x" * 64}),
        401,
        "not started in this",
    )
    refused(browser.get(back), 401, "not started in this browser")  # the cookie is gone: one try each
    refused(browser.get(consent(start(browser), "anna", nonce="f" * 64)), 401, "for another sign-in")
    another = consent(start(browser), "anna")
    browser.cookies.clear()
    refused(browser.get(another), 401, "not started in this browser")
    answer = browser.get(f"{consent(start(browser), 'anna')}&iss=https://other.example")
    refused(answer, 401, "another sign-in service")
    assert keys_in(env) == {}


def test_a_code_works_once(browser: TestClient) -> None:
    back = consent(start(browser), "anna")
    cookie = browser.cookies["uptill_provider"]
    assert browser.get(back).status_code == 303
    browser.cookies.set("uptill_provider", cookie)
    answer = browser.get(back)
    assert answer.status_code == 401
    assert "did not accept" in answer.text


def test_an_error_of_the_provider_is_a_page(browser: TestClient) -> None:
    state = parse_qs(urlsplit(start(browser)).query)["state"][0]
    answer = browser.get(
        "/sign-in/provider/callback",
        params={"error": "access_denied", "error_description": "<script>", "state": state},
    )
    refused(answer, 401, "did not sign you in")
    assert "<script>" not in answer.text


def test_a_token_that_has_expired_is_refused(settings: Settings, start_provider: StartProvider) -> None:
    with (
        start_provider(access_token_max_age=timedelta(seconds=-600)) as server,
        browser_of(settings_with(settings, f"http://localhost:{server.server_port}")) as browser,
    ):
        refused(enter(browser, "anna"), 401, "expired")


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil", "stores/../../x", "javascript:1"]
)
def test_no_link_leads_to_another_site(browser: TestClient, target: str) -> None:
    assert enter(browser, "anna", target).headers["location"] == "../../"


def test_a_provider_that_is_away_leaves_the_key(settings: Settings, start_provider: StartProvider) -> None:
    with start_provider() as server:
        issuer = f"http://localhost:{server.server_port}"
        with browser_of(settings_with(settings, issuer)) as later:
            back = consent(start(later), "anna")
            server.shutdown()
            server.server_close()
            refused(later.get(back), 503, "cannot sign you in now")
    with browser_of(settings_with(settings, issuer)) as browser:
        answer = browser.get("/sign-in/provider")
        refused(answer, 503, "cannot sign you in now")
        assert sign_in(browser, settings.api_key.get_secret_value()).status_code == 303
        assert browser.get("/stores").status_code == 200


def test_changed_keys_are_read_again(
    settings: Settings, start_provider: StartProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "_KEYS_AGAIN_S", 0.0)
    with ExitStack() as stack:
        first = stack.enter_context(start_provider())
        port = first.server_port
        browser = stack.enter_context(browser_of(settings_with(settings, f"http://localhost:{port}")))
        assert enter(browser, "anna").status_code == 303
        first.shutdown()
        first.server_close()
        stack.enter_context(start_provider(port=port))
        assert enter(browser, "anna").status_code == 303


def test_a_token_signed_by_others_is_refused(settings: Settings, start_provider: StartProvider) -> None:
    with (
        start_provider() as server,
        start_provider() as stranger,
        browser_of(settings_with(settings, f"http://localhost:{server.server_port}")) as browser,
    ):
        url = start(browser)
        assert isinstance(browser.app, FastAPI)
        provider = browser.app.state.context.provider
        at, metadata = provider._metadata
        provider._metadata = at, {**metadata, "jwks_uri": f"http://localhost:{stranger.server_port}/jwks"}
        refused(browser.get(consent(url, "anna")), 401, "unknown key")


def test_a_person_has_one_key_and_new_rights_make_another(
    settings: Settings, issuer: str, env: dict[str, str]
) -> None:
    with browser_of(settings_with(settings, issuer)) as browser:
        enter(browser, "anna")
        browser.cookies.clear()
        enter(browser, "anna")
        (first,) = keys_in(env)
    fewer = json.dumps({"operators": {"scopes": ["reports:read"]}})
    with browser_of(settings_with(settings, issuer, oidc_groups=fewer)) as changed:
        old = dict(browser.cookies)
        enter(changed, "anna")
        assert len(keys_in(env)) == 2
        changed.cookies.clear()
        header = "; ".join(f"{name}={value}" for name, value in old.items() if value)
        assert changed.get("/stores", headers={"Cookie": header}).status_code == 303
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            assert revoke_key(conn, next(prefix for prefix in keys_in(env) if prefix != first))
        refused(enter(changed, "anna"), 403, "revoked your access")


def test_signing_out_everywhere_ends_every_session(browser: TestClient) -> None:
    enter(browser, "anna")
    first = dict(browser.cookies)
    browser.cookies.clear()
    enter(browser, "anna")
    token = form_token(browser.get("/stores").text)
    assert browser.post("/sign-out", data={"form_token": token, "everywhere": "1"}).status_code == 303
    header = "; ".join(f"{name}={value}" for name, value in first.items() if value)
    assert browser.get("/stores", headers={"Cookie": header}).status_code == 303


def test_a_session_ends_like_that_of_a_key(browser: TestClient, env: dict[str, str]) -> None:
    for column, seconds in (("created_at", 8 * 86_400), ("last_used_at", 9 * 3600)):
        enter(browser, "anna")
        assert browser.get("/stores").status_code == 200
        with psycopg.connect(env["UPTILL_DATABASE_URL"]) as conn:
            conn.execute(
                f"update page_session set {column} = {column} - make_interval(secs => %s)",
                [seconds],
            )
        assert browser.get("/stores").status_code == 303
        browser.cookies.clear()


def test_cookies_are_for_this_host_behind_tls(browser: TestClient) -> None:
    answer = browser.get("/sign-in/provider", headers={"X-Forwarded-Proto": "https"})
    (cookie,) = answer.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-uptill_provider=")
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={LONGEST_S}"} <= set(cookie.split("; "))
    assert answer.headers["x-frame-options"] == "DENY"


def test_without_a_provider_there_is_only_the_key(settings: Settings) -> None:
    with browser_of(settings) as browser:
        assert "sign-in/provider" not in browser.get("/sign-in").text
        assert browser.get("/sign-in/provider").status_code == 404
        assert browser.get("/sign-in/provider/callback?code=a&state=b").status_code == 404


def test_a_sign_in_that_took_too_long_is_over() -> None:
    flow = Flow.start("stores")
    assert Flow.from_cookie(flow.as_cookie()) == flow
    old = Flow(flow.token, flow.started_s - LONGEST_S - 1, "stores")
    assert Flow.from_cookie(old.as_cookie()) is None
    for broken in ("", "a.b", "a.b.c", "a.1.\u00e4", f"{flow.as_cookie()}.x"):
        assert Flow.from_cookie(broken) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"oidc_client_id": ""}, "UPTILL_OIDC_CLIENT_ID"),
        ({"oidc_groups": ""}, "UPTILL_OIDC_GROUPS is not set"),
        ({"oidc_groups": "{"}, "is not JSON"),
        ({"oidc_groups": "{}"}, "names no group"),
        ({"oidc_groups": '{"a": {"scopes": "admin"}}'}, "scopes must be a list"),
        ({"oidc_groups": '{"a": {"scopes": ["root"]}}'}, "unknown scope root"),
        ({"oidc_groups": '{"a": {"scopes": ["metrics:read"]}}'}, "lacks the scope reports:read"),
        (
            {"oidc_groups": '{"a": {"scopes": ["admin"], "labels": {"a": "b"}}}'},
            "cannot have the scope admin",
        ),
        ({"oidc_groups": '{"a": {"scopes": ["admin"], "stores": 1}}'}, "must have scopes"),
        (
            {"oidc_groups": '{"a": {"scopes": ["reports:read"]}, "a": {"scopes": ["admin"]}}'},
            "has 'a' twice",
        ),
        (
            {"oidc_groups": '{"a": {"scopes": ["reports:read"], "scopes": ["admin"]}}'},
            "has 'scopes' twice",
        ),
        ({"oidc_issuer": ""}, "UPTILL_OIDC_ISSUER is not set, but other settings"),
        ({"oidc_issuer": "https://login.example.com/?realm=a"}, "has a query or a fragment"),
        ({"oidc_issuer": "http://login.example.com"}, "UPTILL_OIDC_ISSUER must begin with https://"),
        (
            {"oidc_redirect_url": "http://page.example.com/sign-in/provider/callback"},
            "must begin with https://",
        ),
        ({"oidc_redirect_url": "https://page.example.com/"}, "must end with /sign-in/provider/callback"),
    ],
)
def test_settings_that_cannot_work_stop_the_start(
    settings: Settings, changed: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        create_app(settings_with(settings, "https://login.example.com", **changed))
    assert message in str(raised.value)
