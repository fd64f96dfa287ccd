"""JSON merge patch: a document changed by another one that looks like it, as RFC 7396 has it; pure."""

from collections.abc import Mapping
from typing import Any


def merge_patch(document: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON is any value
    """The document with the patch's members in the place of its own; null takes a member out. Nothing is changed.

    Lists are replaced whole.
    """
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(document) if isinstance(document, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
