"""Conditions that say the same, written the same."""

from shared.domain.rule.conditions import AllOf, AnyOf, Condition, StateIs


def plain_condition(condition: Condition) -> Condition:
    """The same condition in its plainest form: no `all` in an `all`, none of one part, no state named twice."""
    match condition:
        case AllOf(all=parts):
            plain = [inner for part in map(plain_condition, parts) for inner in _inner(part, AllOf)]
            return plain[0] if len(plain) == 1 else AllOf(all=plain)
        case AnyOf(any=parts):
            plain = [inner for part in map(plain_condition, parts) for inner in _inner(part, AnyOf)]
            return plain[0] if len(plain) == 1 else AnyOf(any=plain)
        case StateIs(state=states):
            return StateIs(state=list(dict.fromkeys(states)))
    return condition


def _inner(part: Condition, kind: type[AllOf | AnyOf]) -> list[Condition]:
    if not isinstance(part, kind):
        return [part]
    return part.all if isinstance(part, AllOf) else part.any
