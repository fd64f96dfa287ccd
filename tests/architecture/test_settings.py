"""Every setting is documented, with the default it really has."""

from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from shared.settings import Settings

PAGE = Path("docs/settings.md")


def row_of(name: str, field: FieldInfo) -> str:
    """The line of the table that documents a setting."""
    if field.default_factory is not None:
        default = "see text"
    elif field.default is None:
        default = "none"
    else:
        default = f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
    return f"| `TOCSIN_{name.upper()}` | {default if default != '``' else 'none'} | {field.description} |"


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    """`docs/settings.md` holds a line for each field of the settings, with its default and description."""
    line = row_of(name, Settings.model_fields[name])
    assert line in PAGE.read_text().splitlines(), f"add this line to {PAGE}:\n{line}"


def test_nothing_else_is_documented() -> None:
    """A setting that is gone is gone from the page too."""
    named = {line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `TOCSIN_")}
    assert named == {f"TOCSIN_{name.upper()}" for name in Settings.model_fields}
