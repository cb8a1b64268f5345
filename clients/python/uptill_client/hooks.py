"""Calls for hooks: how calls of other systems become polls. They need the scope admin."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uptill_client.ingest_calls import IngestCalls, dry_run_params
from uptill_client.paths import encode_segment

_PATH = "/v1/hooks"


@dataclass(frozen=True)
class Hook:
    """A hook. Only the answer that made its secret has it in `secret`.

    `calls` counts calls that were stored, `rejected` their rejected items, and `rejects_import` has the latest of those.
    `ignored_calls` counts calls in which no item was wanted. `secret_change`: what `put_hook` made of its secret, one
    of `none`, `added`, `kept`, `replaced` and `removed`.
    """

    name: str
    path: str
    version: int
    description: str
    preset: str | None
    mapping: Mapping[str, Any]
    signature: Mapping[str, Any]
    has_secret: bool
    previous_secret_until: datetime | None
    changed_by: str | None
    changed_at: datetime
    calls: int = 0
    last_call_at: datetime | None = None
    rejected: int = 0
    rejects_import: str | None = None
    ignored_calls: int = 0
    last_ignored_at: datetime | None = None
    secret: str | None = None
    secret_change: str | None = None


@dataclass(frozen=True)
class HookVersion:
    """What a hook was from `changed_at` on."""

    version: int
    description: str
    preset: str | None
    mapping: Mapping[str, Any]
    signature: Mapping[str, Any]
    changed_by: str | None
    changed_at: datetime


@dataclass(frozen=True)
class HookPreset:
    """Defaults for hooks whose payload has a public shape, which `source` documents."""

    name: str
    summary: str
    source: str
    mapping: Mapping[str, Any]
    signature: Mapping[str, Any] | None


@dataclass(frozen=True)
class TriedPoll:
    """A poll that a sample would become. `status` is `active` or `inactive`."""

    store_id: str
    status: str
    observed_at: datetime
    event: bool
    reason: str | None
    until: datetime | None


@dataclass(frozen=True)
class TriedReject:
    """An item of a sample that would be rejected, and what to do about it."""

    reason: str
    message: str
    item: str


@dataclass(frozen=True)
class HookTrial:
    """What a sample would become. Nothing was stored."""

    polls: Sequence[TriedPoll]
    rejects: Sequence[TriedReject]
    ignored: int


@dataclass(frozen=True)
class _Hooks:
    hooks: Sequence[Hook]


@dataclass(frozen=True)
class _Versions:
    versions: Sequence[HookVersion]


@dataclass(frozen=True)
class _Presets:
    presets: Sequence[HookPreset]


class HookCalls(IngestCalls):
    """Calls for hooks. They go to the ingest service, and raise `ApiError` on failure."""

    def hooks(self) -> Sequence[Hook]:
        """Return all hooks by name."""
        return self._ingest.call(_Hooks, "GET", _PATH).hooks

    def get_hook(self, name: str) -> Hook:
        """Return one hook. Raises `ApiError` with code `hook_not_found`."""
        return self._ingest.call(Hook, "GET", _hook_path(name))

    def put_hook(self, name: str, document: Mapping[str, Any], *, dry_run: bool = False) -> Hook:
        """Add a hook, or give it another document: description, preset, mapping, signature, secret.

        `dry_run`: return the hook as it would be, and change nothing.
        """
        params = dry_run_params(dry_run=dry_run)
        return self._ingest.call(Hook, "PUT", _hook_path(name), params=params, json=dict(document))

    def delete_hook(self, name: str) -> None:
        """Remove a hook. The polls that it received stay."""
        self._ingest.call(type(None), "DELETE", _hook_path(name))

    def hook_versions(self, name: str) -> Sequence[HookVersion]:
        """Return the newest versions of a hook, newest first."""
        return self._ingest.call(_Versions, "GET", f"{_hook_path(name)}/versions").versions

    def hook_presets(self) -> Sequence[HookPreset]:
        """Return all presets by name."""
        return self._ingest.call(_Presets, "GET", "/v1/hook-presets").presets

    def replace_hook_secret(self, name: str, secret: str | None = None, *, overlap_s: int = 86_400) -> Hook:
        """Replace a hook's secret by the given or a new one. The old one stays valid for `overlap_s` seconds."""
        given = {"overlap_s": overlap_s} | ({"secret": secret} if secret else {})
        return self._ingest.call(Hook, "POST", f"{_hook_path(name)}/secret", json=given)

    def try_hook(
        self,
        name: str,
        sample: object,
        *,
        headers: Mapping[str, str] | None = None,
        preset: str | None = None,
        mapping: Mapping[str, Any] | None = None,
    ) -> HookTrial:
        """Return what a sample would become under the hook's mapping, or under another one. Stores nothing.

        `sample` is a JSON value, or as bytes the JSON (UTF-8) that a sender would send.
        """
        given = {"headers": dict(headers or {}), "preset": preset, "mapping": mapping}
        text = sample if isinstance(sample, bytes) else json.dumps(sample, allow_nan=False).encode()
        body = b'{"sample":%b,%b' % (text, json.dumps(given).encode()[1:])
        return self._ingest.call(
            HookTrial,
            "POST",
            f"{_hook_path(name)}/dry-run",
            headers={"Content-Type": "application/json"},
            body=lambda: iter([body]),
        )


def _hook_path(name: str) -> str:
    return f"{_PATH}/{encode_segment(name)}"
