"""The disputed Friday, from the import to the revision and the difference, with the commands of its page."""

import json
import re
import shlex
from pathlib import Path

from tests.fixtures.services import Services
from tests.integration.command.test_client import blocks, in_a_shell

PAGE = "docs/how-to/dispute.md"


def test_the_disputed_friday(services: Services, tmp_path: Path) -> None:
    (tmp_path / ".uptill").mkdir()
    settings = "".join(f"{name}={shlex.quote(value)}\n" for name, value in services.settings.items())
    (tmp_path / ".uptill" / "env").write_text(settings)
    commands = blocks(PAGE, "sh")
    more = 'uptill reports diff --json "$first" "$second" > diff.json; uptill reports diff --csv "$first" "$second"'
    printed = in_a_shell("\n".join([*commands, f'echo "declared: $closure"; {more}']), tmp_path)
    text = (Path(__file__).parents[3] / PAGE).read_text()
    expected = re.findall(r"^```\n(store_id,.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(expected) == 2
    for block in expected:
        assert block in printed
    # The first report is explained twice, the second once.
    for explained, times in (
        (3, r"12:30:00 +13:50:00 +1:20:00 +down +2 inactive polls from 12:50:00 to 13:20:00"),
        (2, r"16:00:00 +18:00:00 +2:00:00 +down"),
        (1, r"16:00:00 +18:30:00 +2:30:00 +excluded +closure \[c1\]"),
    ):
        assert len(re.findall(times, printed)) == explained, times
    closure = printed.partition("declared: ")[2].splitlines()[0]
    (store,) = json.loads((tmp_path / "diff.json").read_text())
    (cause,) = store["causes"]
    assert (cause["kind"], cause["subject"]) == ("closure", closure)
    assert cause["changed_by"] == services.settings["UPTILL_API_KEY"].split("_")[1]
    values = {value["column"]: (value["before"], value["after"]) for value in store["values"]}
    assert values["downtime_previous_day"] == (3.3333, 1.3333)
    assert values["excluded_previous_day"] == (0.0, 2.5)
    assert f"friday,changed,downtime_previous_day,3.3333,1.3333,closure {closure} by " in printed
