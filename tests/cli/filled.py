"""A site's records on one morning, and what commands print of them at 80 columns."""

import asyncio
import io
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from unittest.mock import patch
from zoneinfo import ZoneInfo

from siaga112.adapters.redis.block_list import RedisBlockList
from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.embedded import url as private_redis
from siaga112.app.records import DATABASE
from siaga112.app.store import SiteStore, open_site
from siaga112.cli import main
from siaga112.core.access import Person, Role, Token
from siaga112.core.model import (
    DAY,
    SECOND,
    AuditEntry,
    Call,
    Caller,
    CallId,
    Entry,
    Mark,
    Millis,
    Mode,
    ProposalCause,
)
from siaga112.core.record import CallerRecord, Proposal
from siaga112.service.ports import Parked, WebhookProgress
from siaga112.service.recording import Recorder
from siaga112.service.supervisor import Supervisor
from siaga112.service.updating import update
from tests.console.calls import entry, left
from tests.core.table import in_force
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.samples import RULES, answered, prank

COLUMNS: Final = 80
ZONE: Final = ZoneInfo("Asia/Jakarta")
AT: Final[Millis] = int(datetime(2026, 11, 28, 10, tzinfo=ZONE).timestamp()) * SECOND
"""When the commands run."""

MINUTE: Final[Millis] = 60 * SECOND
MISUSER: Final = Caller("+6281211111111")
THREAT: Final = Caller("+6281222222222")
MISSED: Final = Caller("+6281233333333")
GENUINE: Final = Caller("+6281244444444")
CLINIC: Final = Caller("+62254201234")
PROPOSED: Final = Caller("+6281255555555")


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts that people write, and the host name in ids of calls."""

    host: str = ""
    reason: str = "threats, report 17/2026"
    letter: str = "the SIM was bought last week"
    case: str = "police report LP/17/2026"
    note: str = "busy, again at 10"
    operator: str = "Budi"
    name: str = "Ratna"
    hook: str = "dispatch"
    error: str = "connection refused"


SHORT: Final = Texts()
LONG: Final = Texts(
    host="pbx-serang-01-",
    reason="threats against the operators, heard by three of them; " * 9,
    letter="the SIM was bought last week from a shop in Cilegon, letter of 3 March; " * 6,
    case="police report LP/17/2026, threats, to be kept until the court has decided; " * 6,
    note="busy, again at ten, and if nobody answers then the village office knows the family; " * 5,
    operator="Raden Ajeng Siti Nurhaliza binti Abdul Rahman Wiryosumarto",
    name="Raden Ajeng Ratna Kusumawardani",
    hook="dispatch-of-the-city-of-serang",
    error="the server answered 503 Service Unavailable, and asks for patience until the night; " * 4,
)


@contextmanager
def frozen() -> Iterator[None]:
    """Set the time of commands to AT, and the width of their terminal to 80 columns."""
    now = datetime.fromtimestamp(AT / SECOND, ZONE)
    with (
        patch("siaga112.app.desk.now", lambda: AT),
        patch("siaga112.cli.blocklist.now", lambda: AT),
        patch("siaga112.terminal.times.today", lambda: now),
        patch.dict(os.environ, {"COLUMNS": str(COLUMNS)}),
    ):
        yield


class Site:
    """A site in a folder; commands run in this process."""

    def __init__(self, home: Path, texts: Texts, lang: str = "en") -> None:
        self.texts = texts
        self._config = home / "siaga112.toml"
        self._config.write_text(
            f'site = "serang"\ntimezone = "{ZONE.key}"\nstate_dir = "{home / "state"}"\n'
            f'[console]\nlang = "{lang}"\n[events.webhooks.{texts.hook}]\n'
            'url = "https://dispatch.example/hooks/112"\nsecret = "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0"\n',
            "utf-8",
        )
        (home / "state").mkdir(mode=0o700)
        asyncio.run(fill(home / "state", texts))

    def __call__(self, command: str) -> str:
        """Run a command that must print no error; return its output."""
        out, err = io.StringIO(), io.StringIO()
        with (
            frozen(),
            patch.dict(os.environ, {"SIAGA112_CONFIG": str(self._config), "SIAGA112_API": ""}),
            patch.object(sys, "argv", ["siaga112", *shlex.split(command)]),
            patch.object(sys, "stdout", out),
            patch.object(sys, "stderr", err),
            suppress(SystemExit),
        ):
            main()
        assert err.getvalue() == "", err.getvalue()
        return out.getvalue()


async def fill(state: Path, texts: Texts) -> None:
    """Write the records."""
    url = f"sqlite:///{(state / DATABASE).absolute()}"
    redis = lambda: RedisBlockList(connect(private_redis(state)), "serang")  # noqa: E731 - as it reads
    store = open_site(url, redis, "serang", 400 * DAY, 400 * DAY)
    desk = Supervisor(store, RULES, Mode.OBSERVE, lambda: AT - 30 * MINUTE, texts.name, zone=ZONE)
    recorder = Recorder(MemoryOutbox(), store, in_force(policy=RULES), KeptMeter())
    await recorder.record([*_calls(texts)])
    await desk.block(THREAT, None, texts.reason)
    await desk.block(Caller("+6281266666666"), 3 * DAY, texts.reason)
    await desk.allow(CLINIC, "clinic" if texts is SHORT else texts.letter)
    await desk.appeal(MISUSER, texts.letter)
    await desk.hold(THREAT, texts.case)
    await desk.attempt(MISSED, tried=True, note=texts.note)
    await update(store, PROPOSED, _proposed, AT, RULES)
    await _people(store, texts)
    await store.close()


def _calls(texts: Texts) -> Iterator[Entry]:
    for nth in range(14):
        yield _of(prank(20 + nth, AT - (300 - 10 * nth) * MINUTE, MISUSER), texts)
    for nth in range(4):
        yield _of(prank(50 + nth, AT - (90 - 2 * nth) * MINUTE, PROPOSED), texts)
    one = left(60, AT - 70 * MINUTE, MISSED)
    call = one.finding.call
    yield replace(one, finding=replace(one.finding, call=replace(call, id=CallId(texts.host + call.id))))
    yield _of(answered(61, AT - 60 * MINUTE, GENUINE), texts, Mark.GENUINE)
    yield _of(answered(62, AT - 50 * MINUTE, None), texts, Mark.INFORMATION)
    yield _of(answered(63, AT - 40 * MINUTE, THREAT), texts, Mark.PRANK)


def _of(call: Call, texts: Texts, mark: Mark | None = None) -> Entry:
    return entry(replace(call, id=CallId(texts.host + call.id)), mark, texts.operator)


def _proposed(held: CallerRecord) -> CallerRecord:
    calls = tuple(one.call for one in held.strikes)
    return replace(
        held,
        proposals=(
            *held.proposals,
            Proposal(AT - 80 * MINUTE, ProposalCause.POLICY, None, 2, "over ten", calls),
        ),
    )


async def _people(store: SiteStore, texts: Texts) -> None:
    def line(action: str, subject: str) -> AuditEntry:
        return AuditEntry(AT - 2 * DAY, "root", action, subject, "supervisor")

    made, until = AT - 400 * DAY, AT + 365 * DAY
    person = Person(texts.name, Role.SUPERVISOR, "hash", None, made, "root")
    await store.records.keep_person(person, line("user added", texts.name))
    gone = Person("Tono", Role.VIEWER, None, None, AT - 9 * DAY, texts.name, AT - DAY)
    await store.records.keep_person(gone, line("user added", "Tono"))
    token = Token(texts.hook, "digest", Role.OPERATOR, made_at=AT - 2 * DAY, made_by=texts.name, until=until)
    await store.records.keep_token(token, line("token added", texts.hook))
    await store.records.keep_webhook(
        WebhookProgress(texts.hook, 3, AT - 5 * MINUTE, 2, AT - 4 * MINUTE, AT + MINUTE, texts.error),
        parked=Parked(texts.hook, 1, AT - 6 * MINUTE, texts.error, "{}"),
    )
