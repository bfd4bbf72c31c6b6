"""Reading stored data gives what was written, or raises ValueError, never anything else."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from siaga112.core import codec
from siaga112.core.caller_id import all_kept, kept
from siaga112.core.standing import Standing


@pytest.mark.parametrize(
    "load",
    [codec.load_item, codec.load_entry, codec.load_standing, codec.load_switch, codec.load_snapshot],
)
@pytest.mark.parametrize("text", [b"", b"null", b"[", b"[" * 100_000, b"\xff", b"1" * 5_000, b'{"at":[]}'])
def test_what_is_no_record_is_a_value_error(load: Callable[[bytes], object], text: bytes) -> None:
    """Junk in the store raises ValueError, the one error that readers expect."""
    with pytest.raises(ValueError):  # noqa: PT011 - any message
        load(text)


PIECES = st.sampled_from([b"[", b"]", b",", b"\n", b"1", b'"', b"false", b"null", b'"permanent"', b"1],[2"])
TEXTS = st.one_of(
    st.builds(lambda since: codec.dump_standing(Standing(since=since)).encode(), st.integers(0, 2**40)),
    st.lists(PIECES, max_size=4).map(b"".join),
)


@given(st.lists(TEXTS))
def test_many_standings_are_what_each_of_them_is(texts: Sequence[bytes]) -> None:
    """Parsing standings together equals parsing each, and raises ValueError if one of them is malformed."""
    try:
        singly = [codec.load_standing(text) for text in texts]
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - any message
            codec.load_standings(texts)
    else:
        if not any(b"\n" in text for text in texts):
            assert codec.load_standings(texts) == singly


@pytest.mark.parametrize(
    "texts",
    [
        [b"[false,null,null,0],\n[true,null,null,0]", b""],
        [b"[false,null", b"null,0]"],
        [b'["', b'"]'],
        [b"[]"],
    ],
)
def test_two_malformed_standings_are_no_well_formed_one(texts: Sequence[bytes]) -> None:
    """Standings that are valid only when joined raise ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - any message
        codec.load_standings(texts)


CALLERS = st.sampled_from(
    [b"+6281234567890", b"+12345", b"h:" + b"0f" * 16, b"", b"\n", b"+1", b"+6281\xff", b"+12345\n+12346"]
)


@example([b"+6281234567890", b""])
@example([b"", b"+6281234567890"])
@given(st.lists(CALLERS))
def test_many_callers_are_what_each_of_them_is(texts: Sequence[bytes]) -> None:
    """Parsing callers together equals parsing them one by one: a malformed one does not affect the others."""
    assert list(all_kept(texts)) == [kept(text) for text in texts]
