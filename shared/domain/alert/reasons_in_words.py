"""Why an alert fired, in sentences, from the numbers that it was judged by."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

_STANDS: Mapping[str, str] = MappingProxyType(
    {
        ">": "above",
        ">=": "not below",
        "<": "below",
        "<=": "not above",
        "==": "equal to",
        "!=": "not equal to",
    }
)


def why_in_words(evidence: Mapping[str, Any]) -> list[str]:
    """A sentence for each part of the condition that was met: `p95(duration_ms, 5m) is 412, above 300 (30 samples)`."""
    met = [each for each in evidence.get("comparisons", ()) if each.get("verdict") == "met"]
    return [sentence for each in met for sentence in _sentences(each, _cause(evidence))]


def _sentences(comparison: Mapping[str, Any], cause: str) -> Iterator[str]:
    expression = comparison.get("expression", "")
    if "figures" in comparison:
        told = (f"{name} = {_number(each.get('value'))}" for name, each in comparison["figures"].items())
        yield f"{expression}: {', '.join(told)}"
    elif "op" in comparison:
        of = _of(comparison)
        stands = _STANDS[comparison["op"]]
        yield f"{expression} is {_number(comparison.get('value'))}, {stands} {_number(comparison['threshold'])}{of}"
    elif str(expression).startswith("absent"):
        yield f"{expression}: nothing came for {comparison.get('value')}"
    else:
        yield f"{expression}: it is {comparison.get('value')}{cause}"


def now_in_words(evidence: Mapping[str, Any]) -> list[str]:
    """A part of a sentence for each figure, met or not: `p95(duration_ms, 5m) is 212 (30 samples)`."""
    return [sentence for each in evidence.get("comparisons", ()) for sentence in _figures(each, _cause(evidence))]


def _figures(comparison: Mapping[str, Any], cause: str) -> Iterator[str]:
    if "figures" in comparison:
        for each in comparison["figures"].values():
            yield f"{each.get('expression')} is {_number(each.get('value'))}{_of(each)}"
    elif "op" in comparison:
        yield f"{comparison.get('expression')} is {_number(comparison.get('value'))}{_of(comparison)}"
    elif str(comparison.get("expression")).startswith("absent"):
        yield f"the last sample came {comparison.get('value')} ago"
    else:
        yield f"the state is {comparison.get('value')}{cause}"


def _cause(evidence: Mapping[str, Any]) -> str:
    """Why the monitor is in its state, if that is known."""
    cause = evidence.get("message") or evidence.get("code")
    return f" ({cause})" if cause else ""


def _of(figure: Mapping[str, Any]) -> str:
    samples = figure.get("samples")
    return "" if samples is None else f" ({samples} sample{'' if samples == 1 else 's'})"


def _number(value: object) -> str:
    """A number with as many digits as people read."""
    return "nothing" if value is None else f"{value:.6g}" if isinstance(value, (int, float)) else str(value)
