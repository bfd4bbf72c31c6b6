"""The outbox: what it has taken is on disk, in order, until it is removed."""

import asyncio
import os
import resource
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from siaga112.adapters.outbox import SqliteOutbox
from siaga112.core.model import Entry
from siaga112.errors import SiagaError
from tests.samples import CALLER, entry, prank

ENTRIES = [entry(prank(n)) for n in range(5)]


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[SqliteOutbox]:
    """Open an outbox in a folder that does not exist yet."""
    opened = SqliteOutbox(tmp_path / "state" / "outbox.db")
    await opened.open()
    yield opened
    await opened.close()


async def kept(outbox: SqliteOutbox) -> list[Entry]:
    """Return all entries that wait, oldest first."""
    rows = [row for _, row in await outbox.oldest(1_000)]
    assert all(isinstance(row, Entry) for row in rows)
    return [row for row in rows if isinstance(row, Entry)]


@contextmanager
def disk_full(path: Path) -> Iterator[None]:
    """Let no file grow beyond the size of this one: the kernel rejects the write, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_entries_come_out_in_the_order_in_which_they_went_in(outbox: SqliteOutbox) -> None:
    """Entries come out oldest first, across appends, and no more than asked for."""
    await outbox.append(ENTRIES[:2])
    await outbox.append(ENTRIES[2:])
    assert await kept(outbox) == ENTRIES
    assert [row for _, row in await outbox.oldest(3)] == ENTRIES[:3]


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
async def test_its_files_are_for_its_user_alone(tmp_path: Path, umask: int) -> None:
    """outbox.db, -wal and -shm have mode 0600 in a folder of 0700, whatever the umask."""
    before = os.umask(umask)
    try:
        outbox = SqliteOutbox(tmp_path / "state" / "outbox.db")
        await outbox.open()
        await outbox.append(ENTRIES)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()}
        await outbox.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("outbox.db", "outbox.db-wal", "outbox.db-shm"), 0o600)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


async def test_what_was_dropped_is_gone_and_the_rest_stays(outbox: SqliteOutbox) -> None:
    """`drop` removes exactly the entries with these keys, and `pending` counts the rest."""
    await outbox.append(ENTRIES)
    assert outbox.pending == 5
    keys = [key for key, _ in await outbox.oldest(1_000)]
    await outbox.drop([keys[0], keys[3]])
    assert await kept(outbox) == [ENTRIES[1], ENTRIES[2], ENTRIES[4]]
    assert outbox.pending == 3


async def test_all_survives_the_process(outbox: SqliteOutbox, tmp_path: Path) -> None:
    """The next to open the file, even if it was never closed, finds every entry once."""
    await outbox.append(ENTRIES)
    await outbox.drop([(await outbox.oldest(1))[0][0]])
    again = SqliteOutbox(tmp_path / "state" / "outbox.db")
    await again.open()
    assert again.pending == 4
    assert await kept(again) == ENTRIES[1:]
    await again.close()


async def test_calls_in_progress_survive_the_process_until_they_end(
    outbox: SqliteOutbox, tmp_path: Path
) -> None:
    """The next to open the file settles the noted calls that are not followed, once, as noted."""
    await outbox.note(ENTRIES[:3])
    await outbox.append(ENTRIES[:1])
    again = SqliteOutbox(tmp_path / "state" / "outbox.db")
    await again.open()
    up = ENTRIES[1].finding.call.id
    assert await again.close_unfollowed(lambda call: call == up) == ENTRIES[2:3]
    assert await again.close_unfollowed(lambda call: call == up) == []
    assert await kept(again) == [ENTRIES[0], ENTRIES[2]]
    await again.close()


async def test_a_damaged_note_ends_nothing(outbox: SqliteOutbox) -> None:
    """A note that cannot be read is logged and removed; the others are settled."""
    await outbox.note(ENTRIES[:2])
    outbox._db.execute("UPDATE in_progress SET entry = 'x' WHERE call = ?", (ENTRIES[0].finding.call.id,))
    with capture_logs() as logs:
        assert await outbox.close_unfollowed(lambda _: False) == ENTRIES[1:2]
        assert await outbox.close_unfollowed(lambda _: False) == []
    assert [line["event"] for line in logs] == ["outbox_unreadable"]


async def test_who_looks_on_sees_what_comes_after(outbox: SqliteOutbox) -> None:
    """`oldest` skips the entries up to a key; they stay in the outbox."""
    await outbox.append(ENTRIES)
    keys = [key for key, _ in await outbox.oldest(2)]
    assert [row for _, row in await outbox.oldest(2, keys[-1])] == ENTRIES[2:4]
    assert outbox.pending == 5


async def test_a_key_is_never_given_twice(outbox: SqliteOutbox) -> None:
    """A key is never used again, so that a late removal of an old entry cannot hit a new one."""
    await outbox.append(ENTRIES[:1])
    ((first, _),) = await outbox.oldest(1)
    await outbox.drop([first])
    await outbox.append(ENTRIES[1:2])
    ((second, _),) = await outbox.oldest(1)
    assert second > first


async def test_waiting_ends_with_the_next_append(outbox: SqliteOutbox) -> None:
    """A wait on an empty outbox ends with the next entry, not with its time."""
    assert await outbox.oldest(1) == []
    waiting = asyncio.create_task(outbox.wait(60))
    await asyncio.sleep(0)
    assert not waiting.done()
    await outbox.append(ENTRIES[:1])
    await asyncio.wait_for(waiting, 1)


async def test_waiting_ends_at_the_latest_after_the_time_given(outbox: SqliteOutbox) -> None:
    """Without an entry a wait ends after its time."""
    await asyncio.wait_for(outbox.wait(0.01), 1)


async def test_a_full_disk_is_an_os_error_and_passes(outbox: SqliteOutbox, tmp_path: Path) -> None:
    """While the disk is full, `append` raises OSError and keeps what was there; with room it works again."""
    await outbox.append(ENTRIES[:1])
    with disk_full(tmp_path / "state" / "outbox.db-wal"):
        for _ in range(3):
            with pytest.raises(OSError, match="disk"):
                await outbox.append(ENTRIES[1:])
        assert outbox.pending == 1
        assert await kept(outbox) == ENTRIES[:1]
    await outbox.append(ENTRIES[1:])
    assert await kept(outbox) == ENTRIES
    assert outbox.pending == 5


async def test_a_full_disk_refuses_to_drop_with_an_os_error(outbox: SqliteOutbox, tmp_path: Path) -> None:
    """On a full disk `drop` raises OSError, and what could not be removed is still there and counted."""
    await outbox.append(ENTRIES)
    keys = [key for key, _ in await outbox.oldest(1_000)]
    with disk_full(tmp_path / "state" / "outbox.db-wal"), pytest.raises(OSError, match="disk"):
        await outbox.drop(keys)
    assert outbox.pending == 5
    await outbox.drop(keys)
    assert await kept(outbox) == []


async def test_a_damaged_row_holds_up_nothing(outbox: SqliteOutbox) -> None:
    """An unreadable row is set aside, and the entries behind it come out."""
    await outbox.append(ENTRIES[:1])
    outbox._db.execute("UPDATE outbox SET entry = '{'")
    await outbox.append(ENTRIES[1:])
    assert await kept(outbox) == ENTRIES[1:]


@pytest.mark.parametrize("parent", ["a file", "a folder of that name"])
async def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, parent: str) -> None:
    """A file that cannot be opened ends the start with one line that names it."""
    path = tmp_path / "state" / "outbox.db"
    if parent == "a file":
        path.parent.write_text("")
    else:
        path.mkdir(parents=True)
    outbox = SqliteOutbox(path)
    with pytest.raises(SiagaError, match=r"outbox\.db: the outbox cannot be opened") as raised:
        await outbox.open()
    assert "\n" not in str(raised.value)
    await outbox.close()


async def test_a_number_that_was_dropped_is_in_no_file(outbox: SqliteOutbox, tmp_path: Path) -> None:
    """Once nothing waits, no file has the caller's number, neither of noted calls nor of settled ones."""
    await outbox.note(ENTRIES)
    await outbox.append(ENTRIES)
    files = [*(tmp_path / "state").iterdir()]
    assert any(CALLER.encode() in file.read_bytes() for file in files)
    await outbox.drop([key for key, _ in await outbox.oldest(10)])
    assert not await outbox.oldest(10)
    await outbox.wait(0.01)
    assert not any(CALLER.encode() in file.read_bytes() for file in files)
