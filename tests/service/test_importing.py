"""A list is imported completely or not at all, in batches, with one line in the audit trail."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import pytest

from siaga112.core.fold import Subject, Work
from siaga112.core.importing import Import, Kind, Refusal, Wanted
from siaga112.core.model import DAY, Caller, Millis, Mode
from siaga112.service.importing import BATCH, Importer, StoppedError
from siaga112.service.ports import StoreDownError
from siaga112.service.supervisor import Supervisor
from tests.fakes.memory import MemoryStore
from tests.samples import NOW, RULES

_T = TypeVar("_T")

COUNT = 2 * BATCH + 7
DIGEST = "3f9a1c2b4d5e6f70" * 4
LINE = f"{COUNT} numbers blocked, from list.csv, SHA-256 {DIGEST}"


class Failing(MemoryStore):
    """A store that fails at some transactions."""

    fails: range = range(0)
    done = 0

    async def transaction(self, subjects: Sequence[Subject], act: Callable[[Work], _T]) -> _T:
        """Run a transaction, or fail."""
        self.done += 1
        if self.done in self.fails:
            raise StoreDownError("database: gone")
        return await super().transaction(subjects, act)


def caller(number: int) -> Caller:
    """Return the list's caller on this line."""
    return Caller(f"+62812{number:08}")


def numbers(until: Millis | None = None) -> Callable[[], Iterator[Wanted]]:
    """Return a function that reads the list from its start, as an import does."""
    return lambda: (Wanted(number, caller(number), until, "") for number in range(COUNT))


def importer(store: MemoryStore, kind: Kind = Kind.BLOCK, at: Millis = NOW) -> Importer:
    """Return an importer of the list, at this time."""
    return Importer(store, RULES, lambda: at, Import(kind, "list.csv", DIGEST, at, "ratna", "moved in"))


def desk(store: MemoryStore) -> Supervisor:
    """Return a supervisor's desk on this store."""
    return Supervisor(store, RULES, Mode.ENFORCE, lambda: NOW + 5, "ratna")


async def trail(store: MemoryStore) -> list[tuple[str, str, str, str]]:
    """Return the audit trail: what, about whom, details, reason."""
    return [(d.action, d.subject, d.detail, d.reason) for d in await store.audit_entries(0, NOW + DAY)]


async def test_a_list_is_brought_in_whole_with_one_line_in_the_audit_trail() -> None:
    """All numbers of a list are imported in batches, with one audit line, and counted as imported blocks."""
    store = Failing()
    assert await importer(store).apply(numbers(), COUNT) == COUNT
    assert len(await store.blocked(NOW + 1)) == COUNT
    assert store.done == 3
    assert await trail(store) == [("import", "site", LINE, "moved in")]
    assert (await store.tallies())["blocks:permanent:import"] == COUNT


async def test_the_same_list_again_changes_nothing() -> None:
    """Importing a list again changes neither blocks nor the audit trail."""
    store = Failing()
    await importer(store).apply(numbers(NOW + DAY), COUNT)
    before, lines = store.records, await trail(store)
    again = importer(store, at=NOW + 9_000)
    page = list(numbers(NOW + 9_000 + DAY)())
    assert set(await again.judge(page)) == {Refusal.BLOCKED}
    assert await again.apply(lambda: iter(page), COUNT) == 0
    assert (store.records, await trail(store)) == (before, lines)


@pytest.mark.parametrize("kind", Kind)
async def test_what_fails_on_the_way_leaves_nothing_behind(kind: Kind) -> None:
    """An import that fails is undone, the audit trail says so, and the next try imports everything."""
    store = Failing()
    store.fails = range(3, 4)
    with pytest.raises(StoreDownError, match="gone"):
        await importer(store, kind).apply(numbers(), COUNT)
    assert await store.blocked(NOW + 1) == await store.allowed() == []
    (_, (_, _, said, why)) = await trail(store)
    assert said == f"{2 * BATCH} numbers of list.csv, SHA-256 {DIGEST} taken back"
    assert why == "database: gone"
    assert await importer(store, kind, NOW + 1).apply(numbers(), COUNT) == COUNT


async def test_whoever_stops_it_finds_all_as_it_was() -> None:
    """An import that is stopped between two batches is undone."""
    store = Failing()
    stopped = importer(store)
    stopped.stopped = lambda: store.done == 2
    with pytest.raises(StoppedError, match="nothing was changed"):
        await stopped.apply(numbers(), COUNT)
    assert await store.blocked(NOW + 1) == []


async def test_what_cannot_be_taken_back_is_said() -> None:
    """If an import cannot be undone, the error says how many numbers remain; a new try imports the rest."""
    store = Failing()
    store.fails = range(3, 99)
    with pytest.raises(Exception, match=f"{2 * BATCH} of {2 * BATCH} imported numbers could not be removed"):
        await importer(store).apply(numbers(), COUNT)
    assert (await trail(store))[0] == ("import", "site", LINE, "moved in")
    store.fails = range(0)
    assert await importer(store, at=NOW + 1).apply(numbers(), COUNT) == COUNT - 2 * BATCH
    assert len(await store.blocked(NOW + 2)) == COUNT


async def test_who_was_allowed_meanwhile_is_left_out() -> None:
    """A caller who is put on the allow list between the check and the import is left out."""
    store = Failing()
    bringing = importer(store)
    assert set(await bringing.judge(list(numbers()()))) == {None}
    await desk(store).allow(caller(3), "clinic")
    assert await bringing.apply(numbers(), COUNT) == COUNT - 1
    assert (await store.load(caller(3))).blocks == ()


async def test_who_was_released_since_stays_released() -> None:
    """Importing the same file again does not block a caller who was released since."""
    store = Failing()
    await importer(store).apply(numbers(), COUNT)
    await desk(store).unblock(caller(3), "a school")
    assert await importer(store, at=NOW + 9).apply(numbers(), COUNT) == 0
    assert (await store.load(caller(3))).block_at(NOW + 10) is None
