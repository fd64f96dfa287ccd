"""References to secrets, `{{secret:NAME}}`, in the texts of a target."""

import re
from collections.abc import Callable

NAME_PATTERN = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
"""What a secret may be named, a regular expression."""

_BEGINNING = "{{secret:"
_REFERENCE = re.compile(rf"\{{\{{secret:({NAME_PATTERN})\}}\}}")


def names_in(text: str) -> list[str]:
    """The names that a text refers to, in their order."""
    return _REFERENCE.findall(text) if _BEGINNING in text else []


def is_misspelt(text: str) -> bool:
    """Whether the text begins a reference that is none, and would be sent as it stands."""
    return _BEGINNING in text and text.count(_BEGINNING) != len(names_in(text))


def replace_references(text: str, value_of: Callable[[str], str]) -> str:
    """The text with each reference replaced by the value of its name."""
    if _BEGINNING not in text:
        return text
    return _REFERENCE.sub(lambda found: value_of(found.group(1)), text)


def mask_literals(text: str, mask: Callable[[str], str]) -> str:
    """The text with its references as they are, and what stands between them masked."""
    pieces = _REFERENCE.split(text)
    literals = [mask(literal) if literal else "" for literal in pieces[::2]]
    references = [f"{_BEGINNING}{name}}}}}" for name in pieces[1::2]] + [""]
    return "".join(part for pair in zip(literals, references, strict=True) for part in pair)
