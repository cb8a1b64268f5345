"""A process of a soak's client that is started again however it ended."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


class KeptProcess:
    """Runs `python -m ARGUMENTS`. Each call of `keep` starts it again if it has ended."""

    def __init__(self, *arguments: str, env: Mapping[str, str], log: Path) -> None:
        self._command = [sys.executable, "-m", *arguments]
        self._env = {**os.environ, **env}
        self._log = log.open("wb")
        self._process = self._start()

    def keep(self) -> None:
        if self._process.poll() is not None:
            self._process = self._start()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, env=self._env, stdout=self._log, stderr=self._log)
