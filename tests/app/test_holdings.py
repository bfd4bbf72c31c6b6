"""All stored personal data is counted, and each kind has its time limit."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from siaga112.adapters.database.counting import ROWS
from siaga112.adapters.database.schema import METADATA
from siaga112.adapters.outbox import SqliteOutbox
from siaga112.app.holdings import in_files, kept
from siaga112.core.holdings import Ends, Holding, Kept, Kind, Numbers
from siaga112.core.model import DAY, SECOND
from siaga112.settings.schema import Settings
from tests.samples import NOW, entry, prank

OF_NOBODY: Final = {"site", "tally", "imposition", "webhook"}
"""Tables without data on callers or staff, except who switched the mode."""

AT: Final = 1_795_000_000_000
ELSEWHERE: Final = {Kind.STANDINGS, Kind.SNAPSHOT, Kind.IN_PROGRESS, Kind.OUTBOX, Kind.ASIDE, Kind.FILES}
"""Kinds that are stored in Redis or in files."""


def test_every_table_is_counted_or_of_nobody() -> None:
    """Every table is counted or is in OF_NOBODY, so that a new one cannot be left out of `privacy`."""
    counted = {rows.table.name for rows in ROWS.values()}
    assert counted | OF_NOBODY == set(METADATA.tables)
    assert counted & OF_NOBODY == set()
    assert set(ROWS) | ELSEWHERE == set(Kind)


def test_every_kind_says_how_long_it_is_kept() -> None:
    """A kind that ends by its age has a span, and a setting that it names exists and has that span."""
    settings = Settings()
    found = kept(settings)
    assert list(found) == list(Kind)
    for kind, one in found.items():
        assert (one.ends is not Ends.AGE) or one.span, kind
        if one.setting:
            section, key = one.setting.strip("[").split("] ")
            assert getattr(getattr(settings, section), key) == one.span, kind


def test_with_a_key_no_kind_has_a_number_in_full() -> None:
    """With a caller key, no kind stores a number in full."""
    hashed = kept(Settings.model_validate({"privacy": {"caller_key": "sixteen letters!"}}))
    assert {one.numbers for one in hashed.values()} == {Numbers.HASHED, Numbers.NONE}
    assert {one.numbers for one in kept(Settings()).values()} == {Numbers.FULL, Numbers.NONE}


@pytest.mark.parametrize(
    ("held", "age", "until"),
    [
        (Holding(3, AT), Kept(Ends.AGE, DAY), AT + DAY),
        (Holding(3, AT, AT + 5), Kept(Ends.AGE, DAY), AT + 5),
        (Holding(3, AT), Kept(Ends.AGE, DAY, each=False), None),
        (Holding(3, AT), Kept(Ends.DECISION), None),
        (Holding(0), Kept(Ends.AGE, DAY), None),
    ],
)
def test_the_next_goes_when_the_oldest_is_too_old(held: Holding, age: Kept, until: int | None) -> None:
    """The next end is the known one, else that of the oldest if age ends each, else none."""
    assert age.until(held) == until


async def test_what_lies_in_files_is_counted_beside_them(tmp_path: Path) -> None:
    """Data in files is counted: calls in progress, the outbox, what was set aside, damaged files."""
    settings = Settings.model_validate({"state_dir": str(tmp_path)})
    nothing = {kind: Holding(0) for kind in (Kind.IN_PROGRESS, Kind.OUTBOX, Kind.ASIDE, Kind.FILES)}
    assert in_files(settings) == nothing
    outbox = SqliteOutbox(tmp_path / "outbox.db")
    await outbox.open()
    await outbox.note([entry(prank(1))])
    await outbox.append([entry(prank(2)), entry(prank(3))])
    await outbox.set_aside({1: "too odd"})
    (tmp_path / "outbox.db.damaged-1").write_bytes(b"junk")
    found = in_files(settings)
    await outbox.close()
    assert (found[Kind.IN_PROGRESS], found[Kind.OUTBOX]) == (Holding(1), Holding(1))
    for kind in (Kind.ASIDE, Kind.FILES):
        assert found[kind].count == 1
        assert abs((found[kind].oldest or 0) - NOW) < 86_400 * SECOND


def test_a_file_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """An outbox that cannot be read is left out of the counts, and is not counted as empty."""
    (tmp_path / "outbox.db").write_bytes(b"no database at all" * 100)
    assert set(in_files(Settings.model_validate({"state_dir": str(tmp_path)}))) == {Kind.FILES}
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (a)")
    (tmp_path / "other.db").replace(tmp_path / "outbox.db")
    assert set(in_files(Settings.model_validate({"state_dir": str(tmp_path)}))) == {Kind.FILES}
