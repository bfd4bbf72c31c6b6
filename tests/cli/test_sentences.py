"""What every command says about a caller, in every state, against what is then in force."""

import asyncio
import io
import json
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from siaga112.adapters.redis.server import EmbeddedRedis
from siaga112.cli import main
from siaga112.core import decisions
from siaga112.core.changes import Change
from siaga112.core.model import DAY, SECOND, Caller, Entry, Mode
from siaga112.core.policy import add_strike
from siaga112.core.record import AllowEntry, Appeal, Block, CallerRecord, Hold, Lift, MissedCall
from siaga112.core.regulation import PRESETS, PolicyRules
from siaga112.service.updating import update
from siaga112.terminal import times
from siaga112.words import tongue
from tests.lab.stores import site_store
from tests.samples import NOW, RULES, answered, block, call_id, entry, prank, strike

pytestmark = pytest.mark.redis

HOUR: Final = 3_600 * SECOND
SERANG: Final = PRESETS["serang-2019"]
SITE: Final = "lab"


# ── the states ───────────────────────────────────────────────────────────────────────────────────

State = Callable[[CallerRecord], CallerRecord]


def held(*blocks: Block) -> State:
    """Return a state with these blocks."""
    return lambda record: replace(record, blocks=(*record.blocks, *blocks))


def allowed(record: CallerRecord) -> CallerRecord:
    """Put the caller on the allow list."""
    return decisions.allow(record, AllowEntry(NOW, "supervisor", "clinic"))


def struck(times: int, rules: PolicyRules, *, capped: bool = False) -> State:
    """Return a state with this many misuses."""

    def act(record: CallerRecord) -> CallerRecord:
        for n in range(times):
            record = add_strike(record, strike(n, NOW - HOUR + n), rules, capped=capped)
        return record

    return act


def both(*states: State) -> State:
    """Return a state that is the result of several, in order."""

    def act(record: CallerRecord) -> CallerRecord:
        for state in states:
            record = state(record)
        return record

    return act


DAY_LONG, FOR_GOOD = block(NOW - 1, NOW + DAY), block(NOW - 2, None)
EVIDENCE: Final = Hold(NOW - HOUR, "ratna", "police report 17")
OBJECTION: Final = Appeal(NOW - HOUR, "clerk", "not me", NOW + 3 * DAY)
STATES: Final[dict[str, State]] = {
    "nothing": lambda record: record,
    "strikes": struck(3, RULES),
    "for a day": held(DAY_LONG),
    "for minutes": held(block(NOW - 3, NOW + 900 * SECOND)),
    "for good": held(FOR_GOOD),
    "overlapping": held(block(NOW - 4, NOW + HOUR), DAY_LONG, FOR_GOOD),
    "over": held(block(NOW - DAY, NOW - HOUR)),
    "lifted": both(held(DAY_LONG), lambda record: decisions.lift(record, Lift(NOW, "supervisor", "stolen"))),
    "automatic": struck(6, RULES),
    "automatic, and by hand": both(struck(6, RULES), held(FOR_GOOD)),
    "allowed": allowed,
    "blocked, then allowed": both(held(FOR_GOOD), allowed),
    "kept as evidence": both(struck(3, RULES), lambda record: decisions.hold(record, EVIDENCE)),
    "objecting": both(held(DAY_LONG), lambda record: decisions.object_(record, OBJECTION)),
    "proposed by the cap": struck(6, RULES, capped=True),
    "proposed by the policy": struck(11, SERANG),
    "proposed, and blocked by hand": both(struck(6, RULES, capped=True), held(DAY_LONG)),
    "proposed and allowed before it was settled": lambda record: replace(
        allowed(record), proposals=struck(6, RULES, capped=True)(record).proposals
    ),
}
COMMANDS: Final = (
    "block {0} --for 2h --reason threats",
    "block {0} --for 90d --reason threats",
    "block {0} --permanent --reason threats",
    "block {0} --for 2h --shorten --reason mercy",
    "unblock {0} --reason stolen",
    "unblock {0} --mistake --reason clinic",
    "confirm {0} --reason agreed",
    "dismiss {0} --reason child",
    "allow {0} --reason clinic",
    "disallow {0}",
    "mark {0} prank",
    "mark {0} genuine",
    "callbacks --done {0} --reason came",
    "hold {0} --reason case",
    "hold {0} --release --reason closed",
    "forget {0} --yes --reason letter",
)


# ── the program ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Said:
    """The result of a command."""

    code: int
    out: str
    err: str


def _in_state(state: State, waiting: CallerRecord, _: CallerRecord) -> CallerRecord:
    return state(waiting)


class Site:
    """A site with a private Redis. Commands run in this process, from their arguments to their output."""

    def __init__(self, home: Path, runner: asyncio.Runner) -> None:
        self.home = home
        self.config = home / "siaga112.toml"
        self.config.write_text(f'site = "{SITE}"\nstate_dir = "{home / "state"}"\n')
        self._runner = runner
        self._calls = 0

    def put(self, callers: Mapping[Caller, State]) -> None:
        """Bring each caller into a state, with an answered call and an open call-back."""

        async def write() -> None:
            store = site_store(self.home / "state", SITE)
            for caller, state in callers.items():
                self._calls += 10_000
                calls = (
                    answered(self._calls, NOW - HOUR, caller),
                    prank(self._calls + 1, NOW - HOUR, caller),
                )
                await store.write([Change(entry=Entry(entry(call).finding, strike=False)) for call in calls])
                missed = MissedCall(call_id(self._calls + 2), NOW - HOUR, 12 * SECOND)
                waiting = decisions.miss(CallerRecord(caller), missed)
                await update(store, caller, partial(_in_state, state, waiting), NOW, RULES)
            await store.close()

        self._runner.run(write())

    def __call__(self, command: str) -> Said:
        """Run a command."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["siaga112", *shlex.split(command)])
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            with pytest.raises(SystemExit) as end:
                main()
        assert isinstance(end.value.code, int)
        return Said(end.value.code, out.getvalue(), err.getvalue())

    def json(self, command: str) -> Any:
        """Run a command that prints JSON."""
        said = self(f"{command} --json")
        assert said.code == 0, said
        return json.loads(said.out)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Yield a site with a running private Redis."""
    home = Path(tempfile.mkdtemp(prefix="s112-test-"))
    with asyncio.Runner() as runner:
        embedded = EmbeddedRedis(home / "state")
        runner.run(embedded.start())
        yield Site(home, runner)
        runner.run(embedded.stop())
    shutil.rmtree(home)


# ── what must be true ────────────────────────────────────────────────────────────────────────────

_BLOCKED: Final = re.compile(
    r"(?:is|stays|is now) blocked(?: again)? until (further notice|[\w ]+ \d\d:\d\d UTC[+]\d)(?=[;\s]|$)"
)
_NOT_BLOCKED: Final = re.compile(r"is not blocked|no longer blocked|was not blocked")


@dataclass(frozen=True)
class Case:
    """A command's result, and the caller's story before and after it, with the row of `blocks`."""

    command: str
    mode: str
    said: Said
    before: Any
    story: Any
    row: Any


def check(case: Case) -> None:
    """Compare each claim of a sentence with what is in force after it."""
    said, story, row = case.said, case.story, case.row
    in_force = row is not None and not row["allowed"]
    assert (story["verdict"] == "BLOCK") == (in_force and case.mode == "enforce")
    if said.code:
        assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
        assert story == case.before
        assert ("is on the allow list" in said.err) <= (story["allowed"] is not None)
        assert ("is not blocked" in said.err) <= (row is None)
        assert ("no block is proposed" in said.err) <= (story["proposed"] is None)
        return
    assert said.err == ""
    if claim := _BLOCKED.search(said.out):
        assert in_force
        assert claim[1] == (_read(row["until"]) if row["until"] else "further notice")
        assert (f"mode {case.mode}: calls still get through" in said.out) == (case.mode != "enforce")
    assert bool(_NOT_BLOCKED.search(said.out)) <= (row is None)
    if "gives way to" in said.out:
        assert row["allowed"]
        assert story["reason"] == ("mode_off" if case.mode == "off" else "allow_listed")
    assert ("is on the allow list" in said.out) <= (story["allowed"] is not None)
    assert ("off the allow list" in said.out) <= (story["allowed"] is None)
    _check_all_is_said(case, in_force=in_force)


def _read(instant: str) -> str:
    at = datetime.fromisoformat(instant)
    return f"{times.moment(at, tongue())} {times.zone([at])}"


def _check_all_is_said(case: Case, *, in_force: bool) -> None:
    said, story, verb = case.said.out, case.story, case.command.split()[0]
    if verb in {"block", "confirm", "dismiss", "unblock", "disallow"} and in_force:
        assert _BLOCKED.search(said)
    if verb in {"block", "confirm", "dismiss", "unblock", "allow", "forget"}:
        assert story["proposed"] is None
    if verb in {"block", "unblock", "allow"}:
        assert ("what was proposed is" in said) == (case.before["proposed"] is not None)
    if verb in {"hold", "forget"}:
        assert (story["hold"] is not None) == ("is kept as evidence:" in said)
    if verb == "callbacks":
        assert story["callback"] is None


CASES: Final = [(command, Mode.ENFORCE) for command in COMMANDS] + [
    (COMMANDS[n], mode) for mode in (Mode.OBSERVE, Mode.OFF) for n in (0, 6, 9, 10)
]


@pytest.mark.parametrize(
    ("command", "mode"),
    [
        pytest.param(command, mode, marks=() if mode is Mode.ENFORCE else pytest.mark.night)
        for command, mode in CASES
    ],
    ids=lambda part: part.split(" --reason")[0],
)
def test_no_command_says_what_is_not_so(
    site: Site, command: str, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each state of a caller, a command says what is true, or is refused and changes nothing."""
    monkeypatch.setenv("SIAGA112_CONFIG", str(site.config))
    monkeypatch.setenv("SIAGA112_MODE", mode)
    first = 10_000_000 + 100 * CASES.index((command, mode))
    callers = {Caller(f"+62812{number}"): state for number, state in enumerate(STATES.values(), first)}
    site.put(callers)
    before = [site.json(f"why {caller}")[0] for caller in callers]
    ended = [site(command.format(f"0{caller[3:]}")) for caller in callers]
    after = [site.json(f"why {caller}")[0] for caller in callers]
    rows = {row["caller"]: row for row in site.json("blocks")}
    for name, said, story_before, story in zip(STATES, ended, before, after, strict=True):
        try:
            check(Case(command, mode, said, story_before, story, rows.get(story["caller"])))
        except AssertionError as error:
            pytest.fail(f"{name}: {said.out or said.err}\n{error}\n{json.dumps(story, indent=1)}")


@pytest.mark.parametrize("spelling", ["withheld", "112", "0812", "anonymous", "+1"])
def test_who_cannot_be_a_caller_is_told_so_by_each_command(
    site: Site, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command refuses a number that cannot be a caller's, in one line and with 1."""
    monkeypatch.setenv("SIAGA112_CONFIG", str(site.config))
    for command in COMMANDS:
        told = site(command.format(spelling))
        assert (told.code, told.out) == (1, "")
        assert "is not the number of a caller" in told.err
