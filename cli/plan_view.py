"""How a plan is shown before anything changes."""

from collections.abc import Mapping
from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

_SIGNS: Mapping[str, tuple[str, str]] = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "delete": ("-", "red"),
    "conflict": ("!", "bold magenta"),
}
_SUMMED = {"create": "to create", "update": "to change", "delete": "to delete", "conflict": "in conflict"}


def show_plan(plan: Mapping[str, Any], console: Console) -> None:
    """Each monitor that changes with its fields, then the sum."""
    for change in plan["changes"]:
        sign, style = _SIGNS[change["action"]]
        console.print(Text(f"{sign} {name_of(change)}", style=style), soft_wrap=True)
        for field in change["fields"]:
            line = f"    {field['field']}: {_shown(field['before'])} → {_shown(field['after'])}"
            console.print(Text(line), soft_wrap=True)
        if change["reason"]:
            console.print(Text(f"    {change['reason']}"), soft_wrap=True)
    console.print(Text(sum_of(plan)), soft_wrap=True)


def sum_of(plan: Mapping[str, Any]) -> str:
    """How many monitors are made, changed, deleted and left as they are."""
    actions = [change["action"] for change in plan["changes"]]
    counted = [f"{actions.count(action)} {what}" for action, what in _SUMMED.items() if action in actions]
    return ", ".join([*counted, f"{plan['unchanged']} unchanged"])


def name_of(change: Mapping[str, Any]) -> str:
    """Group and name as one word."""
    return f"{change['group']}/{change['name']}" if change["group"] else str(change["name"])


def _shown(value: object) -> str:
    return "nothing" if value is None else orjson.dumps(value).decode()
