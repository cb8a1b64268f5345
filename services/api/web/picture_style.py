"""The style of pictures that stand alone: the page's own rules, with colours as plain values that every viewer knows."""

import base64
import hashlib
import re
from functools import cache
from typing import Literal

from services.api.web.assets import load_asset

Colours = Literal["light", "dark"]
_RULE = re.compile(r"^\.(?:s-|fill-|line-|faint|axis text|picture)[^{]*\{[^}]*\}$", re.MULTILINE)
_TOKEN = re.compile(r"--([a-z-]+): light-dark\(([^,]+), ([^)]+)\);")
_USED = re.compile(r"var\(--([a-z-]+)\)")


@cache
def picture_style(colours: Colours) -> str:
    """Return the rules for one of the two colour schemes."""
    css = load_asset("uptill.css").content.decode()
    tokens = {name: (light, dark) for name, light, dark in _TOKEN.findall(css)}
    rules = "\n".join(_RULE.findall(css))
    return _USED.sub(lambda used: tokens[used[1]][colours == "dark"], rules)


@cache
def picture_policy(colours: Colours) -> str:
    """Return the Content-Security-Policy of a picture: its own style, and nothing else."""
    digest = hashlib.sha256(picture_style(colours).encode()).digest()
    return (
        f"default-src 'none'; style-src 'sha256-{base64.b64encode(digest).decode()}'; frame-ancestors 'none'"
    )
