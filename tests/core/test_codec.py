"""Stored data is read as written, or raises ValueError, never anything else."""

from collections.abc import Callable

import pytest

from siaga112.core import codec


@pytest.mark.parametrize(
    "load",
    [codec.load_item, codec.load_entry, codec.load_standing, codec.load_switch, codec.load_snapshot],
)
@pytest.mark.parametrize("text", [b"", b"null", b"[", b"[" * 100_000, b"\xff", b"1" * 5_000, b'{"at":[]}'])
def test_what_is_no_record_is_a_value_error(load: Callable[[bytes], object], text: bytes) -> None:
    """Junk in the store raises the one error that its readers expect."""
    with pytest.raises(ValueError):  # noqa: PT011 - any message
        load(text)
