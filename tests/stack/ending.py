"""How a run of the stack ends: what is shown after a failure, and that nothing is left."""

from tests.stack.stack import Stack
from tests.stack.summary import Summary


def take_down(stack: Stack, summary: Summary) -> None:
    """Remove everything of the project. Raise AssertionError if something is left."""
    with summary.step("down, with the volumes") as found:
        stack.run_compose(
            "--profile", "observability", "--profile", "proxy", "down", "--volumes", "--remove-orphans"
        )
        left = stack.left_behind()
        if left:
            raise AssertionError(f"left behind: {left}")
        found.append("no container, volume or network is left")


def show_state(stack: Stack) -> None:
    """What a person would look at first after a failure."""
    print(stack.run_compose("ps"))
    print(stack.run_compose("logs", "--no-color", "--tail", "30"))
