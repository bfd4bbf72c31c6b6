"""JSON printed in pieces is the same as JSON printed as a whole."""

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
    """Return the value with iterators instead of lists."""
    if isinstance(value, list):
        return map(lazily, value)
    if isinstance(value, dict):
        # Values without lists stay as they are: they are small.
        return {key: lazily(held) if isinstance(held, list) else held for key, held in value.items()}
    return value


@given(value=VALUES)
def test_in_pieces_it_is_the_same(value: Any) -> None:
    """Iterators are printed as `json` would indent the whole lists."""
    whole = json.dumps(value, indent=2, ensure_ascii=False)
    assert "".join(printing._pieces(lazily(value), "\n")) == printing._HIDDEN.sub(
        lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], whole
    )


def test_it_ends_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The output ends with a line end, like that of `as_json`."""
    printing.as_json_pieces([{"a": iter([1, 2]), "b": iter(())}])
    assert capsys.readouterr().out == json.dumps([{"a": [1, 2], "b": []}], indent=2) + "\n"
