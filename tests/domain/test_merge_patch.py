"""JSON merge patches."""

from typing import Any

import pytest

from shared.domain.merge_patch import merge_patch


@pytest.mark.parametrize(
    ("document", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_the_standard_hold(document: Any, patch: Any, merged: Any) -> None:
    """RFC 7396, appendix A."""
    assert merge_patch(document, patch) == merged


def test_neither_document_nor_patch_is_changed() -> None:
    """What was merged may be merged again."""
    document, patch = {"a": {"b": 1}}, {"a": {"c": {"d": 2}}}
    merged = merge_patch(document, patch)
    assert (document, patch) == ({"a": {"b": 1}}, {"a": {"c": {"d": 2}}})
    assert merged == {"a": {"b": 1, "c": {"d": 2}}}
