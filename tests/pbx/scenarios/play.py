"""Plays scenarios on real PBXs and records each as a capture, through the shipped AMI user.

A few PBXs of each version run side by side, all configured alike; each plays one scenario at a time,
so that a capture holds the events of its own scenario and of nothing else.
"""

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from siaga112.captures import capture
from siaga112.core.model import Entry
from siaga112.core.outcome import ClassifierRules
from tests.lab import Asterisk, Observer, Version, agi_stub, ari, find, ports
from tests.lab.asterisk import SHIPPED
from tests.lab.phone import AOR, ENDPOINT, Phone
from tests.pbx.scenarios.golden import replayed
from tests.pbx.scenarios.scenario import SHIPPED as SHIPPED_CENTRE
from tests.pbx.scenarios.scenario import Centre, Scenario
from tests.pbx.scenarios.served import FILES
from tests.pbx.scenarios.stage import Stage
from tests.waiting import within

PBXS_PER_VERSION: Final = 3
SCENARIO_SECONDS: Final = 90.0
PHONES: Final = ("101", "102", "103", "agency", "citizen")
SIP_PHONES: Final = ("sip-operator", "sip-citizen")
"""Peers of chan_sip."""
CHANNELS: Final = {"PJSIP": "PJSIP/trunk-", "SIP": "SIP/trunk-", "IAX2": "IAX2/"}
"""How the names of incoming channels begin; those of IAX2 go on with the other end's address."""

STAFF: Final = """
; The operators' own phones, and whom they can call.
[phones]
exten => _10X,1,Dial(PJSIP/${EXTEN},30)
exten => agency,1,Dial(PJSIP/agency,30)
exten => nobody,1,Ringing()
 same => n,Wait(60)
exten => _0X.,1,Dial(PJSIP/citizen@trunk-out,30)
exten => _90X.,1,Dial(SIP/${EXTEN:1}@sip-out,30)
exten => _80X.,1,Dial(IAX2/trunk-out/${EXTEN:1},30)
exten => queue,1,Queue(siaga112,r,,,${SIAGA_QUEUE_TIMEOUT})
 same => n,Hangup()
exten => experts,1,Queue(experts,r)
 same => n,Hangup()
exten => spy,1,ChanSpy(PJSIP/trunk,q)
exten => barge,1,ChanSpy(PJSIP/trunk,qB)
exten => pickup,1,PickupChan(PJSIP/101,p)
exten => 700,1,Park()
exten => conference,1,ConfBridge(1)
include => parked
exten => congested,1,Congestion()
exten => engaged,1,Busy(20)
include => siaga112-mark-last

[slow-operator]
exten => s,1,Wait(1)
 same => n,Return()

; The other end of an IAX2 trunk: an exchange that sends callers in, and one that answers.
[iax-exchange]
exten => _X.,1,Dial(IAX2/trunk-iax/${EXTEN},60)
[iax-citizen]
exten => _X.,1,Answer()
 same => n,Wait(0.5)

[out-of-queue]
exten => 1,1,Playback(siaga112/goodbye)
 same => n,Hangup()
"""
FEATURES: Final = """
[general]
atxfernoanswertimeout = 15
atxferthreeway = *3
[featuremap]
blindxfer => #1
atxfer => *2
disconnect => *0
"""
MUSIC: Final = f"[default]\nmode = files\ndirectory = {SHIPPED}/sounds/en/siaga112\n"
CONFERENCE: Final = """
[general]
[default_bridge]
type = bridge
sound_join = siaga112/goodbye
[default_user]
type = user
announce_only_user = no
"""
LOADED: Final = (
    *("res_musiconhold", "res_parking", "app_confbridge", "app_followme"),
    *("chan_sip", "chan_iax2"),
)
FOLLOWED: Final = (
    "[general]\n"
    + "".join(
        f"{prompt}-prompt => siaga112/goodbye\n"
        for prompt in ("call-from", "norecording", "options", "pls-hold", "status", "sorry", "connecting")
    )
    + "[operator]\nmusicclass => default\ncontext => phones\nnumber => 101,30\n"
)
PARKING: Final = (
    "[general]\n[default]\nparkext => 700\nparkpos => 701-709\ncontext => parked\nparkingtime => 60\n"
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A played scenario: its capture, the outcomes that siaga112 finds in it, and the expected ones."""

    scenario: Scenario
    version: Version
    data: bytes
    found: tuple[tuple[str, str], ...]
    expected: tuple[tuple[str, str], ...]

    @property
    def ok(self) -> bool:
        """Whether siaga112 found exactly the expected outcomes."""
        return self.found == self.expected


def spelled(entry: Entry) -> str:
    """Return a call's outcome and reason as text."""
    return f"{entry.finding.outcome} {entry.finding.reason}"


class Theatre:
    """One PBX on which scenarios are played, one after another."""

    def __init__(
        self,
        pbx: Asterisk,
        seen: Observer,
        tape: Observer,
        addresses: dict[str, str],
        *,
        ari_port: int,
        sip_port: int,
        release: str,
    ) -> None:
        self._sip_port = sip_port
        self.phones: dict[str, Phone] = {}
        self.pbx = pbx
        self.seen = seen
        self._tape = tape
        self._addresses = addresses
        self._ari_port = ari_port
        self._release = release

    async def play(self, scenario: Scenario) -> Recorded:
        """Play one scenario and return what was recorded."""
        for phone in self.phones.values():
            phone.forget()
        await self.seen.set_global("SERVE", scenario.name)
        await self.seen.set_global("SIAGA_QUEUE_TIMEOUT", str(scenario.queue_timeout))
        for operator in scenario.operators:
            await self.seen.action({"Action": "QueueAdd", "Queue": "siaga112", "Interface": operator})
        stage = Stage(
            self.pbx,
            self.seen,
            self.phones,
            self._addresses[scenario.centre.name],
            self.seen.mark(),
            self._sip_port if scenario.centre.driver == "SIP" else self.pbx.sip_port,
            CHANNELS[scenario.centre.driver],
            self._ari_port,
        )
        began = self._tape.mark()
        try:
            async with (
                agi_stub(self.pbx.agi_port, scenario.screening or (), silent=scenario.screening is None),
                within(SCENARIO_SECONDS, f"the end of {scenario.name}"),
            ):
                await scenario.play(stage)
                await stage.all_gone()
        finally:
            await self._clear(scenario, stage)
        # The PBX answers only after it has sent this user all its events: see manager.c, do_message.
        await self._tape.action({"Action": "Ping"})
        events = b"".join(event.raw for event in self._tape.events[began:])
        return _recorded(scenario, self.pbx.version, self._release, stage.uids, events)

    async def _clear(self, scenario: Scenario, stage: Stage) -> None:
        with contextlib.suppress(RuntimeError, TimeoutError):
            if stage.alive():
                await self.seen.action({"Action": "Hangup", "Channel": "/.*/"})
            await stage.all_gone()
        for operator in scenario.operators:
            with contextlib.suppress(RuntimeError):
                await self.seen.action({"Action": "QueueRemove", "Queue": "siaga112", "Interface": operator})


def _recorded(
    scenario: Scenario, version: Version, release: str, uids: Sequence[str], events: bytes
) -> Recorded:
    assert len(uids) == len(scenario.expect), f"{scenario.name}: {len(uids)} calls placed"
    expected = tuple((uid, what) for uid, what in zip(uids, scenario.expect, strict=True) if what)
    header = capture.Header(
        release,
        scenario.centre.dialplan,
        ClassifierRules(early_drop=scenario.early_drop),
        scenario.what,
        tuple(capture.Expected(uid, *what.split(" ")) for uid, what in expected),
    )
    data = capture.write_header(header) + events
    # A mark after its end makes a call settle a second time.
    came = list({str(entry.finding.call.id): spelled(entry) for entry in replayed(data)[1]}.items())
    order = {uid: place for place, uid in enumerate(uids)}
    found = tuple(sorted(came, key=lambda call: order.get(call[0], len(order))))
    return Recorded(scenario, version, data, found, expected)


async def play_all(
    wanted: Sequence[tuple[Scenario, Version]], pbxs_per_version: int = PBXS_PER_VERSION
) -> AsyncIterator[tuple[Scenario, Version, Recorded | Exception]]:
    """Play these, several at a time, and yield each as soon as it is done."""
    done: asyncio.Queue[tuple[Scenario, Version, Recorded | Exception] | None] = asyncio.Queue()

    async def work(version: Version, waiting: list[Scenario]) -> None:
        async with theatre(version, [scenario for scenario, of in wanted if of == version]) as stage:
            while waiting:  # ends: each scenario has SCENARIO_SECONDS
                scenario = waiting.pop(0)
                try:
                    done.put_nowait((scenario, version, await stage.play(scenario)))
                except Exception as error:  # noqa: BLE001 - reported as this scenario's, others go on
                    done.put_nowait((scenario, version, error))

    async def work_all() -> None:
        try:
            async with asyncio.TaskGroup() as workers:
                for version in sorted({version for _, version in wanted}):
                    waiting = [scenario for scenario, of in wanted if of == version]
                    for _ in range(min(pbxs_per_version, len(waiting))):
                        workers.create_task(work(version, waiting))
        finally:
            done.put_nowait(None)

    working = asyncio.create_task(work_all())
    try:
        while (item := await done.get()) is not None:  # ends: each scenario has SCENARIO_SECONDS
            yield item
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    working.result()


@asynccontextmanager
async def theatre(
    version: Version,
    scenarios: Sequence[Scenario],
    files: Mapping[str, str] | None = None,
    load: tuple[str, ...] = (),
) -> AsyncIterator[Theatre]:
    """Run a PBX configured for these scenarios. `files`, `load`: more configuration files and modules."""
    centres = list({scenario.centre.name: scenario.centre for scenario in scenarios}.values())
    addresses = {SHIPPED_CENTRE.name: "127.0.0.1"}
    for place, centre in enumerate((c for c in centres if c is not SHIPPED_CENTRE), start=2):
        addresses[centre.name] = f"127.0.0.{place}"
    phones = {name: (f"127.0.1.{place}", ports.free(4)) for place, name in enumerate(PHONES, start=1)}
    sip_phones = {name: (f"127.0.1.{n}", ports.free(4)) for n, name in enumerate(SIP_PHONES, start=20)}
    sip_port = ports.free()
    serve = "\n".join(
        f"exten => {scenario.name},1,NoOp()\n" + "\n".join(f" same => n,{step}" for step in scenario.serve)
        for scenario in scenarios
        if scenario.serve
    )
    needs = {module for scenario in scenarios for module in scenario.needs}
    ari_port = ports.free()
    queues: dict[str, str] = {}
    for name, text in (section for scenario in scenarios for section in scenario.queues.items()):
        assert queues.setdefault(name, text) == text, f"two scenarios have queues called {name}"
    more = {
        "pjsip.conf": _trunks(centres, addresses) + _phones(phones),
        "queues.conf": "\n".join(f"[{name}]\n{text}" for name, text in queues.items()),
        "features.conf": FEATURES,
        "musiconhold.conf": MUSIC,
        "res_parking.conf": PARKING,
        "confbridge.conf": CONFERENCE,
        "sip.conf": _chan_sip(centres, addresses, sip_phones, sip_port),
        "iax.conf": IAX.format(port=ports.free(), other=ports.free()),
        "ari.conf": ari.CONFIGURATION,
        "http.conf": ari.http(ari_port),
        "followme.conf": FOLLOWED,
        **FILES,
        **(files or {}),
    }
    dialplan = "\n".join(centre.text for centre in centres) + STAFF + f"\n[serve]\n{serve}\n"
    async with (
        Asterisk.start(
            find(version),
            dialplan=dialplan,
            operators=(),
            more=more,
            load=(*LOADED, *needs, *load),
        ) as pbx,
        await pbx.observe() as seen,
        await pbx.observe_as_siaga() as tape,
    ):
        (settings, *_) = await seen.action({"Action": "CoreSettings"})
        # A transfer by key ends at once if its sounds are missing.
        for name in ("pbx-transfer", "beep", "beeperr", "pbx-invalid"):
            (pbx.folder / f"data/sounds/{name}.wav").symlink_to(SHIPPED / "sounds/en/siaga112/goodbye.wav")
        shutil.copy(Path(__file__).with_name("tape.agi"), pbx.folder / "agi-bin")
        # Without what the distribution adds: "22.10.1", not "22.10.1+dfsg+~…".
        release = re.match(r"[\d.]*\d", settings["AsteriskVersion"])
        assert release is not None, settings
        stage = Theatre(pbx, seen, tape, addresses, ari_port=ari_port, sip_port=sip_port, release=release[0])
        try:
            for name, address in phones.items():
                stage.phones[name] = await Phone.open(name, address, ("127.0.0.1", pbx.sip_port))
            for name, address in sip_phones.items():
                stage.phones[name] = await Phone.open(name, address, ("127.0.0.1", sip_port))
            yield stage
        finally:
            for phone in stage.phones.values():
                phone.close()


PEER: Final = """
[{name}]
type = peer
host = {host}
port = {port}
insecure = port,invite
context = {context}
disallow = all
allow = ulaw
dtmfmode = rfc2833
directmedia = no
qualify = no
"""
IAX: Final = """
[general]
bindaddr = 127.0.0.1:{port}
bindaddr = 127.0.0.1:{other}
calltokenoptional = 127.0.0.0/255.0.0.0
[trunk-in]
type = user
context = from-iax
requirecalltoken = no
[trunk-iax]
type = peer
host = 127.0.0.1
port = {other}
username = trunk-in
qualify = no
[citizen]
type = user
context = iax-citizen
requirecalltoken = no
[trunk-out]
type = peer
host = 127.0.0.1
port = {other}
username = citizen
context = from-iax
qualify = no
"""
"""The PBX calls itself: it is also the exchange that sends callers in and the one that takes calls out.

It needs two ports: Asterisk takes a call to the port that it comes from for its own answer."""


def _chan_sip(
    centres: Sequence[Centre], addresses: dict[str, str], phones: dict[str, tuple[str, int]], port: int
) -> str:
    text = f"[general]\nbindport = {port}\nudpbindaddr = 127.0.0.1\nallowguest = no\n"
    for centre in centres:
        if centre.driver == "SIP":
            text += PEER.format(
                name=f"trunk-{centre.name}",
                host=addresses[centre.name],
                port=5060,
                context=centre.trunk_context,
            )
    for name, (host, own) in phones.items():
        # The PBX calls a citizen over the trunk, so the channel is in the trunk's context.
        peer, context = ("sip-out", "from-chan-sip") if name == "sip-citizen" else (name, "phones")
        text += PEER.format(name=peer, host=host, port=own, context=context)
    return text


def _trunks(centres: Sequence[Centre], addresses: dict[str, str]) -> str:
    return "\n".join(
        ENDPOINT.format(
            name=f"trunk-{centre.name}",
            context="iax-exchange" if centre.driver == "IAX2" else centre.trunk_context,
            aors="",
            address=addresses[centre.name],
        )
        for centre in centres
        if centre is not SHIPPED_CENTRE and centre.driver != "SIP"
    )


def _phones(phones: dict[str, tuple[str, int]]) -> str:
    text = ENDPOINT.format(name="unregistered", context="phones", aors="", address="127.0.1.99")
    for name, (host, port) in phones.items():
        # The PBX calls a citizen over the trunk, so the channel is the trunk's and in its context.
        endpoint, context = ("trunk-out", "siaga112-incoming") if name == "citizen" else (name, "phones")
        text += ENDPOINT.format(name=endpoint, context=context, aors=f"aors = {name}", address=host)
        text += AOR.format(name=name, host=host, port=port)
    return text


def write(recorded: Recorded, folder: Path) -> Path:
    """Write a capture to the folder; return its path."""
    path = folder / recorded.version / f"{recorded.scenario.name}.ami"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(recorded.data)
    return path
