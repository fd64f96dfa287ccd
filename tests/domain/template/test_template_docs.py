"""The page about templates tells what they see, and what they can use."""

import re
from pathlib import Path

from notice_data import content, told

from shared.domain.notice.notice_view import ANNOTATION_NAMES, NOTICE_NAMES, notice_view
from shared.domain.template.template_filters import FILTERS

PAGE = (Path(__file__).parents[3] / "docs/templates.md").read_text()
NAMED = set(re.findall(r"`([a-z_]+)(?:\([^`]*\))?`", PAGE))


def test_every_name_and_filter_is_documented() -> None:
    """Those of a notice, of its alerts, of an annotation, and the filters."""
    view = notice_view(content(told(1)), external_url=None)
    filters = {name for name in FILTERS if not name.startswith("_")}
    assert (NOTICE_NAMES | ANNOTATION_NAMES | set(view["alerts"][0]) | filters) - NAMED == set()


def test_a_view_has_the_names_that_templates_are_checked_by() -> None:
    """So that what passes the check is there when it is told."""
    assert set(notice_view(content(told(1)), external_url=None)) == NOTICE_NAMES
