import re
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from shared.domain import forms
from shared.domain.mistakes import sentence_of

WRITTEN = {
    forms.PRINTABLE: ("a b", "a\nb"),
    forms.LABEL_NAME: ("team_1", "1team"),
    forms.LABEL: ("team:web", "team"),
    forms.LABEL_SELECTOR: ("!team", "team=web"),
    forms.SLUG: ("a-b_1", "A"),
    forms.SECRET_NAME: ("SHOP_DB", "SHOP-DB"),
    forms.UPTIME_WINDOWS: ("24h,30d", "3h"),
    forms.MONITOR_GROUPING: ("label:team", "kind"),
    forms.SAMPLE_GROUPING: ("monitor", "label:"),
    forms.PERCENTILES: ("50,99.9", "p50"),
    forms.AGGREGATE: ("p99.9", "avg"),
    forms.METRIC_NAME: ("duration_ms", "Duration"),
    forms.FIGURE_NAME: ("slow", "1st"),
    forms.HTTP_URL: ("http://a", "ftp://a"),
    forms.CLOCK_TIME: ("07:00", "7"),
    forms.GROUPED_LABEL: ("...", "a b"),
    forms.MAIL_ADDRESS: ("ops@shop.example", "Ops <ops@shop.example>"),
}


@pytest.mark.parametrize("pattern", sorted(forms.SENTENCES))
def test_what_is_written_otherwise_is_told_in_a_sentence(pattern: str) -> None:
    """Nobody is shown a regular expression."""
    right, wrong = WRITTEN[pattern]
    assert re.fullmatch(pattern, right)
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Annotated[str, Field(pattern=pattern)]).validate_python(wrong)
    (error,) = caught.value.errors()
    assert sentence_of(error) == forms.SENTENCES[pattern]
