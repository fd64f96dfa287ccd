"""The page on alerts tells of every state, every reason, and what can be asked."""

import re
from pathlib import Path

from api.schemas.alerts import AlertListQuery
from shared.domain.alert.alerts import AlertState, Reason, Transition
from shared.storage.alert.acknowledgement_store import ACKNOWLEDGED, UNACKNOWLEDGED

PAGE = Path("docs/alerts.md")


def section(heading: str) -> str:
    """The text below a heading of the second level, up to the next one."""
    _, _, rest = PAGE.read_text().partition(f"\n## {heading}\n")
    return rest.partition("\n## ")[0]


def rows_of(heading: str) -> list[str]:
    """What the first cells of a section's table name, in their order."""
    cells = re.findall(r"^\| (`[^|]+) \|", section(heading), re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)]


def test_the_table_of_reasons_is_the_reasons_there_are() -> None:
    """Each once, in their order."""
    assert rows_of("Reasons") == [reason.value for reason in Reason]


def test_the_table_of_states_is_the_states_there_are() -> None:
    """Each once, in their order."""
    assert rows_of("The life") == [state.value for state in AlertState]


def test_the_table_of_parameters_is_what_the_list_takes() -> None:
    """Nothing else, and nothing is left out."""
    assert sorted(rows_of("Finding alerts")) == sorted(AlertListQuery.model_fields)


def test_what_the_history_calls_things_is_told() -> None:
    """Every transition, and what people do."""
    kinds = {transition.value for transition in Transition} - {Transition.NONE.value}
    told = set(re.findall(r"`([a-z_]+)`", section("Finding alerts")))
    assert kinds | {ACKNOWLEDGED, UNACKNOWLEDGED} <= told
