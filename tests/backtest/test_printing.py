"""What a back-test prints as JSON is printed in pieces, and is the same as if it had been held whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siaga112.terminal import printing

SIMPLE = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)
VALUES = st.recursive(
    SIMPLE, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def lazily(value: Any) -> Any:
    """Give the value with iterators in the place of its lists."""
    if isinstance(value, list):
        return map(lazily, value)
    if isinstance(value, dict):
        # Of what holds no list nothing is given lazily: it is small.
        return {key: lazily(held) if isinstance(held, list) else held for key, held in value.items()}
    return value


@given(value=VALUES)
def test_in_pieces_it_is_the_same(value: Any) -> None:
    """Lists that come as they are made are printed as `json` would indent them whole."""
    whole = json.dumps(value, indent=2, ensure_ascii=False)
    assert "".join(printing._pieces(lazily(value), "\n")) == printing._HIDDEN.sub(
        lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], whole
    )


def test_it_ends_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """As `as_json` prints it."""
    printing.as_json_pieces([{"a": iter([1, 2]), "b": iter(())}])
    assert capsys.readouterr().out == json.dumps([{"a": [1, 2], "b": []}], indent=2) + "\n"
