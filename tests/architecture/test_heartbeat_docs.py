"""The page on heartbeats tells all that they can say."""

import ast
from pathlib import Path

import pytest

from shared.domain.heartbeat.heartbeats import HeartbeatTarget
from shared.domain.heartbeat.silence import DEAF_AFTER
from shared.domain.target.kinds import METRICS
from shared.storage.heartbeat.ping_store import KEPT_PINGS

PAGE = Path("docs/heartbeats.md").read_text()


def codes() -> set[str]:
    """The codes of looks: texts in the two modules that decide what pings and silence mean."""
    found = set()
    for name in ("pings", "silence"):
        for node in ast.walk(ast.parse(Path(f"shared/domain/heartbeat/{name}.py").read_text())):
            match node:
                case ast.Call(func=ast.Name(id="Look"), args=[_, _, _, ast.Constant(value=str(code)), *_]):
                    found.add(code)
                case ast.Return(value=ast.Tuple(elts=[ast.Constant(value=str(code)), *_])):
                    found.add(code)
    return found


def test_the_codes_are_those_that_are_looked_for() -> None:
    """So that the next test cannot pass by finding none."""
    assert codes() == {"exit_status", "ping_failed", "no_ping", "run_too_long", "not_listening"}


@pytest.mark.parametrize("word", sorted({*codes(), *METRICS["heartbeat"], *HeartbeatTarget.model_fields}))
def test_every_code_metric_and_field_is_explained(word: str) -> None:
    """Whoever meets one in an answer finds it here."""
    assert f"`{word}`" in PAGE


def test_the_numbers_are_those_of_the_program() -> None:
    """How many pings are kept, and how long an absence is not noted."""
    assert f"The newest {KEPT_PINGS} pings" in PAGE
    assert f"more than {DEAF_AFTER.total_seconds():.0f} seconds" in PAGE
