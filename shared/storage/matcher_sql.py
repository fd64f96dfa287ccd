"""What the database can tell of matchers by its indexes; the rest is left to `Matchers.matches`."""

import msgspec

from shared.domain.matchers import Matchers, MatchOperator

SEEN_LABELS = "m.labels || jsonb_build_object('monitor', m.name, 'group', m.group_name, 'kind', m.kind)"
"""What matchers see of a monitor `m`: `labels_of_monitor`, in SQL."""


def plain_terms_of(matchers: Matchers) -> str:
    """The labels that what matches has for certain, as JSON; an empty value may also mean that there is no label.

    Two different values of one label match nothing, whichever of them is asked for.
    """
    equal = {term.name: term.value for term in matchers.terms if term.operator is MatchOperator.EQUAL and term.value}
    return msgspec.json.encode(equal).decode()
