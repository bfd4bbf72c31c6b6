"""Watching the mode: `off` takes effect at once, an unknown mode is not guessed, a switch is not lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from siaga112.core.mode import Switch
from siaga112.core.model import AuditEntry, Mode
from siaga112.service import mode as watched
from siaga112.service.mode import ModeWatch
from tests.fakes.memory import MemoryModes, MemoryStore
from tests.fakes.meter import KeptMeter
from tests.samples import NOW
from tests.waiting import until

ENFORCED = Switch(Mode.ENFORCE, NOW, "ratna", "figures read")
OFF = Switch(Mode.OFF, NOW + 1, "budi", "flood")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the watch look at its sources often."""
    monkeypatch.setattr(watched, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(watched, "LOCAL_SECONDS", 0.001)


class Machine:
    """A machine with its daemon's watch of the mode, and the sources of the mode."""

    def __init__(self, configured: Mode = Mode.ENFORCE, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.local = MemoryModes()
        self.meter = KeptMeter()
        self.watch = ModeWatch({"database": self.store}, configured, self.meter, self.local)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the watch during the block, as a daemon does from its start."""
        await self.watch.begin()
        task = asyncio.create_task(self.watch.run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def becomes(self, mode: Mode | None) -> None:
        """Wait until this mode is in force."""
        await until(lambda: self.watch.current() is mode, what=f"the mode {mode}")

    async def looks_again(self, times: int = 5) -> None:
        """Wait until the watch has asked the store this many more times."""
        seen = len(self.meter.up)
        await until(lambda: len(self.meter.up) >= seen + times)


async def test_the_mode_is_not_known_until_the_store_has_told() -> None:
    """Until the store answers, the last known mode is not in force: it may have been switched off since."""
    machine = Machine()
    machine.local.last = ENFORCED
    machine.store.down = True
    async with machine.running():
        await machine.looks_again()
        assert machine.watch.current() is None
        assert machine.meter.modes == []
        machine.store.down = False
        await machine.becomes(Mode.ENFORCE)


@pytest.mark.parametrize("who", ["configuration", "file", "kept"])
async def test_an_off_needs_no_store(who: str) -> None:
    """`off` from the configuration, the file or the last known switch is in force without the store."""
    machine = Machine(Mode.OFF if who == "configuration" else Mode.ENFORCE)
    machine.store.down = True
    machine.local.off = Switch(Mode.OFF) if who == "file" else None
    machine.local.last = OFF if who == "kept" else None
    async with machine.running():
        assert machine.watch.current() is Mode.OFF


async def test_a_configured_off_holds_at_once_and_before_a_switch() -> None:
    """An `off` in a reloaded configuration is in force at once, and overrides the switch in the store."""
    machine = Machine()
    machine.store.held_switch = ENFORCED
    async with machine.running():
        await machine.becomes(Mode.ENFORCE)
        machine.store.down = True
        machine.watch.configure(SimpleNamespace(mode=Mode.OFF))
        assert machine.watch.current() is Mode.OFF
        machine.store.down = False
        await machine.looks_again()
        assert machine.watch.current() is Mode.OFF
        machine.watch.configure(SimpleNamespace(mode=Mode.OBSERVE))
        assert machine.watch.current() is Mode.ENFORCE


async def test_the_file_holds_while_the_store_is_away_and_is_told_to_it_later() -> None:
    """The file `off` is in force at once, and goes to the store with author and reason once that is back."""
    machine = Machine()
    machine.store.held_switch = ENFORCED
    async with machine.running():
        await machine.becomes(Mode.ENFORCE)
        machine.store.down = True
        machine.local.off = OFF
        await machine.becomes(Mode.OFF)
        machine.store.down = False
        await until(lambda: machine.store.held_switch == OFF)
        assert await machine.store.audit_entries(0, NOW * 2) == [
            AuditEntry(OFF.at, "budi", "mode", "site", "enforce → off", "flood")
        ]
        await until(lambda: machine.local.last == OFF)


async def test_a_file_made_by_hand_is_for_this_machine_until_it_is_gone() -> None:
    """A file `off` without author and time is not passed to the store, and no switch removes it."""
    machine = Machine()
    machine.local.off = Switch(Mode.OFF)
    async with machine.running():
        machine.store.held_switch = ENFORCED
        await until(lambda: machine.local.last == ENFORCED)
        await machine.looks_again()
        assert machine.watch.current() is Mode.OFF
        assert machine.store.held_switch == ENFORCED
        machine.local.off = None
        await machine.becomes(Mode.ENFORCE)


async def test_who_switches_on_elsewhere_takes_the_file_away() -> None:
    """Once the store has the `off` of a file, a later switch elsewhere makes the daemon remove the file."""
    machine = Machine()
    machine.local.off = OFF
    async with machine.running():
        await until(lambda: machine.local.last == OFF)
        machine.store.held_switch = Switch(Mode.OBSERVE, OFF.at + 1, "ratna")
        await machine.becomes(Mode.OBSERVE)
        assert machine.local.off is None


async def test_an_off_that_the_site_has_not_heard_of_is_not_undone_from_elsewhere() -> None:
    """A later switch elsewhere does not undo the file `off` while the store does not have it."""
    machine = Machine()
    machine.local.off = OFF
    machine.store.held_switch = Switch(Mode.ENFORCE, OFF.at + 1, "ratna")
    async with machine.running():
        await until(lambda: machine.local.last == machine.store.held_switch)
        await machine.looks_again()
        assert machine.watch.current() is Mode.OFF
        assert machine.local.off == OFF


@pytest.mark.parametrize("lost", [None, Switch(Mode.ENFORCE), ENFORCED])
async def test_a_switch_that_the_store_lost_is_brought_back(lost: Switch | None) -> None:
    """If the store loses an `off`, the mode stays `off`; the switch is written again and logged once."""
    machine = Machine()
    machine.store.held_switch = OFF
    with capture_logs() as logs:
        async with machine.running():
            await machine.becomes(Mode.OFF)
            await until(lambda: machine.local.last == OFF)
            machine.store.held_switch = lost
            await until(lambda: machine.store.held_switch == OFF)
            await machine.looks_again()
    assert [line["store_had"] for line in logs if line["event"] == "mode_restored"] == [lost and lost.mode]
    assert machine.meter.modes == [Mode.OFF]


async def test_a_switch_outlives_a_restart_with_a_new_store() -> None:
    """The switch in the state directory, not the configured mode, is in force and goes to an empty store."""
    machine = Machine(Mode.OBSERVE)
    machine.local.last = ENFORCED
    async with machine.running():
        await machine.becomes(Mode.ENFORCE)
        await until(lambda: machine.store.held_switch == ENFORCED)
        assert [
            (audit_entry.by, audit_entry.detail)
            for audit_entry in await machine.store.audit_entries(0, NOW * 2)
        ] == [("ratna", "observe → enforce")]


class Frozen(MemoryStore):
    """A store that accepts every request and never answers."""

    async def switched(self) -> Switch | None:
        """Never answer."""
        await asyncio.Event().wait()  # ends: the caller gives up
        return None


@pytest.mark.parametrize("frozen", ["redis", "database"])
async def test_an_off_is_heard_from_either_while_the_other_hangs(frozen: str) -> None:
    """An `off` in one store is in force while the other store hangs, as each is asked by itself."""
    machine, sound = Machine(), MemoryStore()
    names = ["redis", "database"]
    stores = {name: Frozen() if name == frozen else sound for name in names}
    machine.watch = ModeWatch(stores, Mode.ENFORCE, machine.meter, machine.local)
    machine.local.last = ENFORCED
    async with machine.running():
        await until(lambda: any(machine.watch.up.values()))
        sound.held_switch = OFF
        await machine.becomes(Mode.OFF)
        assert machine.watch.up == {name: name != frozen for name in names}


async def test_until_both_have_told_or_failed_the_mode_is_not_known() -> None:
    """The mode is unknown until each store has answered or failed: one may know a newer switch."""
    machine, late = Machine(), Frozen()
    machine.store.held_switch = ENFORCED
    machine.watch = ModeWatch(
        {"redis": machine.store, "database": late}, Mode.ENFORCE, machine.meter, machine.local
    )
    async with machine.running():
        await machine.looks_again()
        assert machine.watch.current() is None


async def test_what_one_has_lost_it_is_told_again() -> None:
    """A store that lacks the newest switch gets it from the other store."""
    machine, redis, database = Machine(), MemoryStore(), MemoryStore()
    machine.watch = ModeWatch(
        {"redis": redis, "database": database}, Mode.ENFORCE, machine.meter, machine.local
    )
    database.held_switch = ENFORCED
    async with machine.running():
        await until(lambda: redis.held_switch == ENFORCED)
        redis.held_switch = OFF
        await until(lambda: database.held_switch == OFF)
        assert [line.by for line in await database.audit_entries(0, NOW * 2)] == ["budi"]


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_machines_the_newest_switch_holds_on_both(first: int) -> None:
    """Two machines with different switches both use the newer one, whoever reaches an empty store first."""
    store = MemoryStore()
    machines = Machine(store=store), Machine(store=store)
    machines[0].local.last, machines[1].local.last = ENFORCED, OFF
    async with machines[first].running():
        await until(lambda: store.held_switch is not None)
        async with machines[1 - first].running():
            for machine in machines:
                await machine.becomes(Mode.OFF)
            await until(lambda: [one.local.last for one in machines] == [OFF, OFF])
    assert store.held_switch == OFF


async def test_a_state_directory_that_cannot_be_used_ends_nothing() -> None:
    """If the state directory fails, the store's mode is in force."""
    machine = Machine()
    machine.local.broken = True
    machine.store.held_switch = ENFORCED
    async with machine.running():
        await machine.becomes(Mode.ENFORCE)
        machine.store.held_switch = OFF
        await machine.becomes(Mode.OFF)


async def test_a_switch_that_cannot_be_looked_for_stays_as_it_was() -> None:
    """If the file `off` can no longer be read, the mode stays `off`."""
    machine = Machine()
    machine.local.off = Switch(Mode.OFF)
    async with machine.running():
        await machine.looks_again()
        machine.local.broken = True
        await machine.looks_again(20)
        assert machine.watch.current() is Mode.OFF
