"""Callers and an operator who listen: plays each treatment once on a PBX, for test_treatments.py."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from siaga112.captures import capture
from siaga112.core.model import Entry
from siaga112.core.outcome import ClassifierRules
from siaga112.core.screening import zone_at
from tests.lab import Asterisk, Event, Observer, Version, agi_stub, find, ports
from tests.lab.announcement import LANGUAGES, Language, told
from tests.lab.asterisk import SHIPPED
from tests.lab.ear import after, beeps, digit, hears_in_order, prompt
from tests.lab.phone import AOR, ENDPOINT, Leg, Phone
from tests.pbx.scenarios.golden import replayed
from tests.pbx.scenarios.scenario import SHIPPED as OUR_CENTRE

PATIENCE_SECONDS: Final = 90.0
JAKARTA: Final = ZoneInfo("Asia/Jakarta")
UNTIL: Final = (datetime.now(JAKARTA) + timedelta(days=2)).replace(hour=0, minute=5, second=0, microsecond=0)
"""When a block ends. In UTC, the PBX's own zone, it is still the day before."""
OPERATOR: Final = ("127.0.1.1", "101")
PHONES: Final = "[phones]\nexten => _10X,1,Dial(PJSIP/${EXTEN},30)\n"
MARKS: Final = {"*71": "prank", "*72": "genuine", "*73": "information", "*74": "silent"}


def blocked(treatment: str, level: str = "temporary", *, until: datetime | None = None) -> Sequence[str]:
    """Return the daemon's answer that blocks a caller with this treatment."""
    seconds = int(until.timestamp()) if until else 0
    return (
        f"SET VARIABLE SIAGA_TREATMENT {treatment}",
        f"SET VARIABLE SIAGA_BLOCK_LEVEL {level}",
        f'SET VARIABLE SIAGA_BLOCK_UNTIL "{seconds or ""}"',
        *([f'SET VARIABLE SIAGA_TIMEZONE "{zone_at(seconds * 1_000, JAKARTA)}"'] if until else []),
        "SET VARIABLE SIAGA_VERDICT BLOCK",
    )


def announced(
    level: str, until: datetime | None = None, *, contact: bool = False
) -> list[tuple[Language, str]]:
    """Return the prompts of an announcement, in both languages."""
    now = datetime.now(JAKARTA)
    return [
        (language, name)
        for language in LANGUAGES
        for name in told(language, level, until, now, contact=contact)
    ]


@dataclass(slots=True)
class Story:
    """One call: its SIP statuses and sound, the digits that the caller was asked for, the PBX's events."""

    leg: Leg
    uid: str
    seen: Observer
    asked: list[str] = field(default_factory=list)

    @property
    def heard(self) -> bytes:
        """Everything the caller heard, µ-law."""
        return bytes(self.leg.sound.heard)

    def values(self, variable: str) -> list[str]:
        """Return the values that a channel variable was set to, in order."""
        return [
            e["Value"]
            for e in self.seen.events
            if e.name == "VarSet" and e["Uniqueid"] == self.uid and e["Variable"] == variable
        ]

    def hears_in_order(self, *prompts: tuple[str, str]) -> bool:
        """Return whether these prompts, as (language, name), were heard one after another."""
        return hears_in_order(self.heard, *prompts)

    async def until(self, name: str, **headers: str) -> Event:
        """Wait for an event on the caller's own channel."""
        wanted = {"Uniqueid": self.uid, **headers}
        return await self.seen.wait_for(
            lambda e: e.name == name and all(e[key] == value for key, value in wanted.items()),
            timeout=PATIENCE_SECONDS,
        )

    async def hear(self, language: str, name: str, since: int = 0) -> int:
        """Listen until this prompt was played; return the place after it."""
        return await self.leg.sound.until(lambda heard: after(heard, prompt(language, name), since))

    async def be_asked(self, language: str, since: int = 0) -> int:
        """Listen until a digit was asked for, and record it; return the place before the digit."""
        place = await self.hear(language, "challenge", since)
        self.asked.append(await self.leg.sound.until(lambda heard: digit(heard, language, place)))
        return place

    async def be_rejected(self) -> None:
        """Listen until the PBX ends the call."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.leg.over.wait()

    async def queue(self, since: int = 0) -> None:
        """Hear the menu, press 1, and wait until the queue has the call."""
        await self.hear("id", "menu", since)
        self.leg.sound.press("1")
        await self.until("QueueCallerJoin")


@dataclass(frozen=True, slots=True)
class Marking:
    """One mark: the mark and call in its event, and the beeps that operator and caller heard, in seconds."""

    mark: str
    call: str
    operator_heard: list[float]
    caller_heard: list[float]


@dataclass(slots=True)
class Centre:
    """A PBX with our sample centre, an empty queue, and the phone of its one operator."""

    pbx: Asterisk
    seen: Observer
    operator: Phone
    phones: list[Phone] = field(default_factory=list)
    stories: dict[str, Story] = field(default_factory=dict)
    served: list[str] = field(default_factory=list)
    marks: dict[str, list[Marking]] = field(default_factory=dict)
    spoken: dict[str, list[tuple[bool, ...]]] = field(default_factory=dict)
    """For each mark, whether the operator and whether the caller heard it spoken."""
    entries: dict[str, Entry] = field(default_factory=dict)

    async def call(self, name: str) -> Story:
        """Place a call from the number that this story has in CAST."""
        since = self.seen.mark()
        number = NUMBERS[name]
        phone = await Phone.open(number, ("127.0.0.1", ports.free()), ("127.0.0.1", self.pbx.sip_port))
        self.phones.append(phone)
        leg = phone.call("112")
        channel = await self.seen.caller_channel(number, since=since)
        story = self.stories[name] = Story(leg, channel["Uniqueid"], self.seen)
        return story

    async def add(self, member: str) -> None:
        """Add this member to the queue."""
        await self.seen.action({"Action": "QueueAdd", "Queue": "siaga112", "Interface": member})

    async def remove(self, member: str) -> None:
        """Remove this member from the queue."""
        await self.seen.action({"Action": "QueueRemove", "Queue": "siaga112", "Interface": member})


@asynccontextmanager
async def centre(version: Version) -> AsyncIterator[Centre]:
    """Run the centre for as long as the block lasts; its `entries` are there afterwards."""
    host, name = OPERATOR
    port = ports.free()
    pjsip = ENDPOINT.format(name=name, context="phones", aors=f"aors = {name}", address=host)
    pjsip += AOR.format(name=name, host=host, port=port)
    callers = {NUMBERS[name]: commands for name, (commands, _) in CAST.items()}
    async with (
        Asterisk.start(find(version), operators=(), dialplan=PHONES, more={"pjsip.conf": pjsip}) as pbx,
        await pbx.observe() as seen,
        await pbx.observe_as_siaga() as tape,
        agi_stub(pbx.agi_port, callers=callers),
    ):
        operator = await Phone.open(name, (host, port), ("127.0.0.1", pbx.sip_port))
        stage = Centre(pbx, seen, operator)
        try:
            yield stage
        finally:
            for phone in (operator, *stage.phones):
                phone.close()
        # The PBX answers only after it has sent this user all its events: see manager.c, do_message.
        await tape.action({"Action": "Ping"})
        header = capture.Header(pbx.version, OUR_CENTRE.dialplan, ClassifierRules(), "treatments", ())
        data = capture.write_header(header) + b"".join(event.raw for event in tape.events)
        stage.entries = {str(entry.finding.call.id): entry for entry in replayed(data)[1]}


# ── what the callers do ──────────────────────────────────────────────────────────────────────────


async def listen(story: Story) -> None:
    """Listen until the call ends."""
    await story.be_rejected()


async def wait_in_queue(story: Story) -> None:
    """Go through the menu into the queue."""
    await story.queue()


async def press_right(story: Story) -> None:
    """Press the digit as soon as it is spoken in Indonesian."""
    place = await story.be_asked("id")
    story.leg.sound.press(story.asked[-1])
    await story.queue(place)


async def press_right_late(story: Story) -> None:
    """Miss the first digit; wait for the English words and press the second."""
    place = await story.be_asked("id")
    story.leg.sound.press(other_than(story.asked[-1]))
    place = await story.be_asked("en", place)
    story.leg.sound.press(story.asked[-1])
    await story.queue(place)


async def press_wrong(story: Story) -> None:
    """Press a wrong digit, then a key that is no digit."""
    place = await story.be_asked("id")
    story.leg.sound.press(other_than(story.asked[-1]))
    await story.be_asked("id", place)
    story.leg.sound.press("#")
    await story.be_rejected()


async def keep_silent(story: Story) -> None:
    """Hear the digits in both languages, twice, and press nothing."""
    place = 0
    for language in ("id", "en", "id", "en"):
        place = await story.be_asked(language, place)
    await story.be_rejected()


async def leave(story: Story) -> None:
    """Hang up as soon as the call reaches the menu."""
    await story.until("Newexten", Context="siaga112-ivr", Application="BackGround")
    await story.leg.hang_up()


def other_than(key: str) -> str:
    """Return a wrong digit."""
    return str((int(key) + 5) % 10)


Deed = Callable[[Story], Awaitable[None]]
CAST: Final[dict[str, tuple[Sequence[str], Deed]]] = {
    "rejected": (blocked("reject"), listen),
    "temporary": (blocked("announce", until=UNTIL), listen),
    "permanent": (blocked("announce", "permanent"), listen),
    "no date": (blocked("announce"), listen),
    "right": (blocked("challenge"), press_right),
    "right late": (blocked("challenge"), press_right_late),
    "wrong": (blocked("challenge"), press_wrong),
    "silent": (blocked("challenge"), keep_silent),
    "deprioritised": (blocked("deprioritise"), wait_in_queue),
    "ordinary": ((), wait_in_queue),
    "told in part": (blocked("announce", until=UNTIL), listen),
    "no digits": (blocked("challenge"), leave),
    "no sounds": (blocked("challenge"), leave),
    "no RAND": (blocked("challenge"), leave),
    "marked at a phone": ((), wait_in_queue),
    "marked at a Local member": ((), wait_in_queue),
}
NUMBERS: Final = {name: f"08121000{place:04}" for place, name in enumerate(CAST, start=1)}
AT_ONCE: Final = (
    *("rejected", "temporary", "permanent", "no date"),
    *("right", "right late", "wrong", "silent", "deprioritised"),
)
LAST: Final = ("right", "right late", "deprioritised")
BROKEN: Final = ("no digits", "no sounds", "no RAND")
MEMBERS: Final = {"marked at a phone": "PJSIP/101", "marked at a Local member": "Local/101@phones/n"}


async def play(stage: Centre, name: str) -> None:
    """Play one caller's part."""
    story = await stage.call(name)
    await CAST[name][1](story)


async def serve(stage: Centre) -> None:
    """Have an ordinary caller come last; then one operator takes all the waiting calls."""
    await play(stage, "ordinary")
    waiting = {stage.stories[name].uid: name for name in (*LAST, "ordinary")}
    await stage.add("Local/answer_then_hangup@operators/n")
    await asyncio.gather(*(stage.stories[name].until("AgentConnect") for name in waiting.values()))
    stage.served = [
        waiting[e["Uniqueid"]]
        for e in stage.seen.events
        if e.name == "AgentConnect" and e["Uniqueid"] in waiting
    ]
    await asyncio.gather(*(stage.stories[name].be_rejected() for name in waiting.values()))
    await stage.remove("Local/answer_then_hangup@operators/n")


async def break_things(stage: Centre) -> None:
    """Call without number prompts but with a contact prompt, without any prompts, and without func_rand."""
    folders = [stage.pbx.folder / f"data/sounds/{language}/siaga112" for language in ("id", "en")]
    for folder in folders:
        folder.unlink()
        source = SHIPPED / "sounds" / folder.parent.name / "siaga112"
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("number-*"))
        shutil.copy(source / "no-operator.wav", folder / "contact.wav")
    await asyncio.gather(play(stage, "told in part"), play(stage, "no digits"))
    for folder in folders:
        shutil.rmtree(folder)
    await play(stage, "no sounds")
    for folder in folders:
        folder.symlink_to(SHIPPED / "sounds" / folder.parent.name / "siaga112")
    await stage.pbx.console("module unload func_rand.so")
    await play(stage, "no RAND")


async def mark(stage: Centre, name: str) -> None:
    """Have the operator give a call each mark, confirmed by beeps and then by voice; record what is heard."""
    await stage.add(MEMBERS[name])
    await play(stage, name)
    story = stage.stories[name]
    operator = await stage.operator.ringing()
    await operator.answer()
    await story.until("BridgeEnter")
    marks = stage.marks[name] = []
    for keys in MARKS:
        since = stage.seen.mark()
        ours, theirs = operator.sound, story.leg.sound
        before = len(ours.heard), len(theirs.heard)
        ours.press(keys)
        event = await stage.seen.wait_for(lambda e: e.name == "UserEvent", since=since)
        # The next second on each line has the beeps and what comes after them.
        for sound in (ours, theirs):
            await sound.for_another(1)
        marks.append(
            Marking(
                event["Mark"],
                event["Call"],
                beeps(bytes(ours.heard[before[0] :])),
                beeps(bytes(theirs.heard[before[1] :])),
            )
        )
    await stage.seen.set_global("SIAGA_CONFIRM", "voice")
    spoken = stage.spoken[name] = []
    for keys, what in MARKS.items():
        ours, theirs = operator.sound, story.leg.sound
        before = len(ours.heard), len(theirs.heard)
        ours.press(keys)
        for sound in (ours, theirs):
            await sound.for_another(3)
        said = prompt("en", f"marked-{what}"), prompt("id", f"marked-{what}")
        spoken.append(
            tuple(
                any(one in bytes(sound.heard[since:]) for one in said)
                for sound, since in zip((ours, theirs), before, strict=True)
            )
        )
    await stage.seen.set_global("SIAGA_CONFIRM", "")
    await operator.hang_up()
    await story.be_rejected()
    await stage.remove(MEMBERS[name])


async def play_all(version: Version) -> Centre:
    """Play every call on one PBX; return the centre with the results."""
    async with centre(version) as stage:
        await asyncio.gather(*(play(stage, name) for name in AT_ONCE))
        await serve(stage)
        for name in MEMBERS:
            await mark(stage, name)
        await break_things(stage)
    return stage
