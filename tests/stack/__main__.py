"""`python -m tests.stack`, which is `make test-stack`. Images of an engine of its own stay in the cache folder."""

import sys
import tempfile
from pathlib import Path

from tests.stack.base_image import base_image
from tests.stack.command import CommandFailed
from tests.stack.engine import CACHE, running_engine
from tests.stack.scenario import run_scenario
from tests.stack.stack import Stack, make_stack
from tests.stack.summary import Summary
from uptill_client import ApiError


def main() -> int:
    """Run the scenario on an engine, take everything down again, and print the summary."""
    summary = Summary()
    try:
        with running_engine(CACHE) as engine, tempfile.TemporaryDirectory(prefix="uptill-stack-") as folder:
            with summary.step("base image") as found:
                base = base_image(engine)
                found.append(base)
            stack = make_stack(engine, base, Path(folder, "secrets"))
            try:
                run_scenario(stack, summary, Path(folder))
            except BaseException:
                _show_state(stack)
                raise
            finally:
                _take_down(stack, summary)
    except (ApiError, AssertionError, CommandFailed, TimeoutError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    print(f"\nmake test-stack passed ({' '.join(stack.compose)})\n{summary}")
    return 0


def _take_down(stack: Stack, summary: Summary) -> None:
    with summary.step("down, with the volumes") as found:
        stack.run_compose(
            "--profile", "observability", "--profile", "proxy", "down", "--volumes", "--remove-orphans"
        )
        left = stack.left_behind()
        if left:
            raise AssertionError(f"left behind: {left}")
        found.append("no container, volume or network is left")


def _show_state(stack: Stack) -> None:
    """What a person would look at first after a failure."""
    print(stack.run_compose("ps"))
    print(stack.run_compose("logs", "--no-color", "--tail", "30"))


sys.exit(main())
