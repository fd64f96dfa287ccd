"""Every path of the API stands in the table of its page, with its methods."""

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from api.app import _ROUTERS

ROW = re.compile(r"^\| (`/[^|]*) \| ([A-Z, ]+) \|", re.MULTILINE)
CONVERTER = re.compile(r"\{([a-z_]+):[a-z]+\}")
ROUTES = sorted(
    (method, re.sub(r"\{[a-z]+_id\}", "{id}", CONVERTER.sub(r"{\1}", route.path)))
    for router in _ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
    for method in route.methods or ()
)
ROWS = [
    (re.findall(r"`([^`]+)`", cell), methods.split(", "))
    for cell, methods in ROW.findall(Path("docs/api.md").read_text())
]


def is_told(path: str, cell: list[str]) -> bool:
    """Whether the cell names the path, in full or as `…` and its end behind the beginning of the first one."""
    beginning = re.split(r"[/:][^/:]*$", cell[0])[0]
    return path in cell or any(
        path.startswith(beginning) and path.endswith(each[1:]) for each in cell if each.startswith("…")
    )


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_path_is_told(method: str, path: str) -> None:
    """Whoever reads the page learns of everything that can be asked."""
    assert any(method in methods and is_told(path, cell) for cell, methods in ROWS)
