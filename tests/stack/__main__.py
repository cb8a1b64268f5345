"""`python -m tests.stack`, which is `make test-stack`. Images of an engine of its own stay in the cache folder."""

import sys
import tempfile
from pathlib import Path

from tests.stack.base_image import base_image
from tests.stack.command import CommandFailed
from tests.stack.ending import show_state, take_down
from tests.stack.engine import CACHE, running_engine
from tests.stack.scenario import run_scenario
from tests.stack.stack import make_stack
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
                show_state(stack)
                raise
            finally:
                take_down(stack, summary)
    except (ApiError, AssertionError, CommandFailed, TimeoutError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    print(f"\nmake test-stack passed ({' '.join(stack.compose)})\n{summary}")
    return 0


sys.exit(main())
