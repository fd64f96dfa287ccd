import pytest

from shared.domain.yaml_places import Place, YamlError, read_yaml

VARIABLES = {"N": "3", "INJECTION": "x, admin: true}", "EMPTY": ""}


def test_every_value_has_its_place() -> None:
    """Line and column, both from 1; what is not there is where it would belong."""
    document = read_yaml("a:\n  - b: 1\n    c: [2,\n      3]\n", {})
    assert document.value == {"a": [{"b": 1, "c": [2, 3]}]}
    assert document.place_of(("a", 0, "c", 1)) == Place(4, 7)
    assert document.place_of(("a", 0, "missing", "deeper")) == Place(2, 5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${N}", 3),
        ('"${N}"', "3"),
        ("a${N}b", "a3b"),
        ("${UNSET:-7}", 7),
        ("${UNSET:-}", None),
        ("x${EMPTY}", "x"),
        ("$$5 and $HOME", "$5 and $HOME"),
        ('"$${N}"', "${N}"),
        ("[a, '${N}']", ["a", "3"]),
        ('{a: "${INJECTION}"}', {"a": "x, admin: true}"}),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_variables_are_filled_into_values(text: str, value: object) -> None:
    """A plain number in a variable is a number; no variable changes what the file says."""
    assert read_yaml(text, VARIABLES).value == value


def test_merges_and_aliases_are_read_where_they_stand() -> None:
    """A mapping's own keys win."""
    document = read_yaml("base: &b {x: 1, y: 2}\nreal:\n  <<: *b\n  y: 3\n", {})
    assert document.value["real"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("a: 1\nb: ${U}", "U is not set", 2, 4),
        ("a: ${", r"written \$\{NAME\}", 1, 4),
        ("a: b: c", "not allowed", 1, 5),
        ("a: 1\nb: 2\na: 3", '"a" stands here twice', 3, 1),
        ("a: &x [*x]", "within what it is the alias of", 1, 4),
        ("a: !!python/object:os.system 1", "constructor", 1, 4),
        ("? [a]\n: b", "a key has to be a word", 1, 3),
        ("a:\n  \x01", "character", 2, 1),
        ("--- a\n--- b", "another document", 2, 1),
        ("a: !!int x", "cannot be read", 1, 4),
        ("a: [1", "did not find expected", 2, 1),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, message: str, line: int, column: int) -> None:
    """No value of a variable, and nothing of Python, is ever run."""
    with pytest.raises(YamlError, match=message) as caught:
        read_yaml(text, {})
    assert caught.value.place == Place(line, column)


def test_a_file_that_would_grow_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine lines of aliases of aliases would be a thousand million values."""
    monkeypatch.setattr("shared.domain.yaml_places.MAX_VALUES", 10_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(YamlError, match="more than 10000 values"):
        read_yaml("\n".join(lines), {})
