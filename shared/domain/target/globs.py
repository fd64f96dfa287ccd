"""Globs of conditions: `*` stands for any text, `?` for one character, everything else for itself."""

import re


def matches_glob(text: str, pattern: str) -> bool:
    """Whether the whole of `text` matches, in time that no pattern can make explode."""
    first, *rest = pattern.split("*")
    if not rest:
        return len(text) == len(first) and _starts_with(text, first, 0)
    *middle, last = rest
    end = len(text) - len(last)
    if end < len(first) or not _starts_with(text, first, 0) or not _starts_with(text, last, end):
        return False
    position = len(first)
    for segment in middle:
        found = _find(text, segment, start=position, end=end)
        if found < 0:
            return False
        position = found + len(segment)
    return True


def _starts_with(text: str, segment: str, at: int) -> bool:
    if "?" not in segment:
        return text.startswith(segment, at)
    return all(
        expected in ("?", actual) for expected, actual in zip(segment, text[at : at + len(segment)], strict=True)
    )


def _find(text: str, segment: str, *, start: int, end: int) -> int:
    """Where the segment first occurs; taking the first place of each segment is enough, as `*` takes any rest."""
    if "?" not in segment:
        return text.find(segment, start, end)
    expression = re.compile(
        "".join("." if character == "?" else re.escape(character) for character in segment), re.DOTALL
    )
    found = expression.search(text, start, end)
    return found.start() if found else -1
