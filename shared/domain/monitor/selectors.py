"""Which labels a thing has to have: `team:web`, `team`, `!team:web`, `!team`; all terms have to hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Labels that have to be there with a value or with any, and those that must not; empty selects everything."""

    equal: Mapping[str, str] = field(default_factory=dict)
    present: Sequence[str] = ()
    unequal: Sequence[tuple[str, str]] = ()
    absent: Sequence[str] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether all terms hold for these labels."""
        return (
            all(labels.get(name) == value for name, value in self.equal.items())
            and all(name in labels for name in self.present)
            and all(labels.get(name) != value for name, value in self.unequal)
            and not any(name in labels for name in self.absent)
        )


def parse_selector(terms: Sequence[str]) -> LabelSelector:
    """Read terms that have been checked for their form; of two values wanted of one name the last one counts."""
    equal: dict[str, str] = {}
    present: list[str] = []
    unequal: list[tuple[str, str]] = []
    absent: list[str] = []
    for term in terms:
        is_negated = term.startswith("!")
        name, colon, value = term.removeprefix("!").partition(":")
        if colon:
            if is_negated:
                unequal.append((name, value))
            else:
                equal[name] = value
        else:
            (absent if is_negated else present).append(name)
    return LabelSelector(equal, tuple(present), tuple(unequal), tuple(absent))
