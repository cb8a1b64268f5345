"""The page and the API as nginx serves them: TLS, one port, a path prefix."""

import re
import ssl
from pathlib import Path
from urllib.parse import urljoin

import httpx2

from tests.fixtures.certificates import certificate
from tests.fixtures.page import form_token
from tests.fixtures.services import wait_until
from tests.stack.stack import Stack

_PREFIX = "/status/"
_VIEWS = ("", "stores", "fleet", "incidents", "reports", "imports")
_LINKS = re.compile(r'(?:href|src|action|hx-get)="([^"]+)"')


def check_proxy(stack: Stack, key: str) -> str:
    """Start the proxy, sign in through it and open every view. Raises AssertionError."""
    folder = Path(stack.env["TLS_DIR"])
    folder.mkdir()
    _, cert = certificate(folder, "localhost")
    cert.rename(folder / "tls.crt")
    (folder / "key.pem").rename(folder / "tls.key")
    for path in folder.iterdir():
        path.chmod(0o444)  # the container runs as another user
    folder.chmod(0o755)
    stack.run_compose("--profile", "proxy", "up", "--detach", "--no-build", "proxy")
    trust = ssl.create_default_context(cafile=str(folder / "tls.crt"))
    with httpx2.Client(
        base_url=stack.proxy_url + _PREFIX, verify=trust, headers={"Accept": "text/html"}
    ) as http:
        wait_until(lambda: _is_ready(http), "the proxy", within_s=600)
        _sign_in(http, key)
        assert list(http.cookies) == ["__Host-uptill_session"]
        links = [link for view in _VIEWS for link in _links(http, view)]
        assert all(link.startswith(stack.proxy_url + _PREFIX) for link in links), links
        bucket = http.get(f"{stack.proxy_url}/uptill/x")
        assert bucket.status_code == httpx2.codes.FORBIDDEN, "no signature"
    return f"{len(_VIEWS)} views, {len(links)} links below {_PREFIX}; the session is bound to the host and to TLS"


def _sign_in(http: httpx2.Client, key: str) -> None:
    token = form_token(http.get("sign-in").text)
    answer = http.post("sign-in", data={"form_token": token, "key": key})
    assert answer.status_code == httpx2.codes.SEE_OTHER, answer.text


def _links(http: httpx2.Client, view: str) -> list[str]:
    """Return where the links, files and forms of a view lead."""
    answer = http.get(view)
    assert answer.status_code == httpx2.codes.OK, (view, answer.status_code)
    return [urljoin(str(answer.url), link) for link in _LINKS.findall(answer.text)]


def _is_ready(http: httpx2.Client) -> bool:
    try:
        return http.get("readyz").is_success
    except httpx2.HTTPError:
        return False
