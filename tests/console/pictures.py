"""The pictures of docs/panduan.md: a small centre's console, in Indonesian, drawn by a real Chromium.

python -m tests.console.pictures        writes docs/images/konsol-….png
"""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from PIL import Image

from siaga112.app import upkeep
from siaga112.app.access import digest
from siaga112.app.records import now
from siaga112.core.access import Person, Role, Token
from siaga112.core.fold import subject, take
from siaga112.core.model import (
    SECOND,
    AuditEntry,
    Caller,
    CallId,
    CallInProgress,
    Mark,
    OperatorNow,
    OperatorState,
    Stage,
)
from siaga112.core.record import CallerRecord
from siaga112.core.snapshot import Snapshot
from siaga112.service.updating import update
from tests.console.browser import Tab, browser
from tests.console.calls import BLOCKED, GENUINE, MINUTE, MISSED, NEW, PROPOSED, entry, left
from tests.console.centre import BUDI, HASH, PASSWORD, PEOPLE, Centre, running
from tests.lab.redis_servers import RedisServer, plain
from tests.samples import RULES, answered, prank

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
WIDTH: Final = 1000
LEAST_HEIGHT: Final = 240
MOST_HEIGHT: Final = 1100
"""A page is cut off below this."""

COLOURS: Final = 48
MOST_BYTES: Final = 60_000
RATNA: Final = "Ratna"
"""The supervisor of the pictures."""

SITI: Final = "Siti"
QUEUE: Final = "112"
ADMIN: Final = PEOPLE[Role.ADMIN]
PRIVACY: Final = PEOPLE[Role.PRIVACY]
NUMBERS: Final = (GENUINE, None, NEW, *(Caller(f"+62812{digit * 8}") for digit in "6789"), None)
"""The callers of the answered calls; None is a hidden number."""

MORNING: Final = 10
"""The hour in the pictures, late enough for some calls. The time zone is chosen so that it is that hour."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A page as one person sees it. `most`: its maximum height; `seen`: the width of the browser."""

    who: str
    path: str
    most: int = MOST_HEIGHT
    seen: int = WIDTH


PICTURES: Final = {
    "konsol-masuk": Picture("", "/login"),
    "konsol-papan": Picture(RATNA, "/wall", seen=1280),
    "konsol-shift": Picture(BUDI, "/shift"),
    "konsol-panggilan-balik": Picture(BUDI, "/callbacks"),
    "konsol-menunggu": Picture(RATNA, "/waiting"),
    "konsol-penelepon": Picture(RATNA, "/caller/{blocked}"),
    "konsol-lembar-bukti": Picture(RATNA, "/caller/{blocked}/sheet"),
    "konsol-panggilan": Picture(RATNA, "/calls", most=800),
    "konsol-rincian": Picture(RATNA, "/calls/{call}"),
    "konsol-blokir": Picture(RATNA, "/blocks"),
    "konsol-laporan": Picture(RATNA, "/report?from={today}&to={today}"),
    "konsol-serah-terima": Picture(RATNA, "/handover", most=860),
    "konsol-data": Picture(PRIVACY, "/subject"),
    "konsol-audit": Picture(RATNA, "/audit", most=760),
    "konsol-pengguna": Picture(ADMIN, "/people"),
}


_NAMES: Final = {name: role for role, name in PEOPLE.items()}


def _reasoned(held: CallerRecord) -> CallerRecord:
    """Return the record with a reason on its proposals as the policy writes it."""
    reason = f"misused again after block 1 ({RULES.title})"
    return replace(held, proposals=tuple(replace(one, reason=reason) for one in held.proposals))


@asynccontextmanager
async def filled(folder: Path, redis: RedisServer) -> AsyncIterator[Centre]:
    """Run a centre at ten in the morning, with a day of calls and some decisions."""
    behind = (datetime.now(UTC).hour - MORNING + 12) % 24 - 12
    more = {
        "site": "serang",
        "timezone": f"Etc/GMT{behind:+d}",
        "citizen": {"office": "Layanan Panggilan Darurat 112 Kota Serang", "contact": "loket Diskominfo"},
        "console": {"lang": "id"},
    }
    async with running(folder, redis, **more) as centre:
        await _calls(centre)
        await _decided(centre)
        yield centre


async def _calls(centre: Centre) -> None:
    """Add the calls of the past hours, from a few numbers and with all kinds of marks."""
    marks = (Mark.GENUINE, Mark.INFORMATION, Mark.GENUINE, Mark.PRANK, Mark.GENUINE, Mark.SILENT, None)
    began = now() - 300 * MINUTE
    told = []
    for number in range(40):
        at = began + number * 6 * MINUTE
        call = answered(100 + number, at, NUMBERS[number % len(NUMBERS)])
        told.append(entry(call, marks[number % len(marks)], (BUDI, SITI, "Agus")[number % 3]))
    told += [entry(prank(200 + number, began + number * 25 * MINUTE, None)) for number in range(9)]
    told += [left(300, began + 30 * MINUTE, MISSED), left(301, now() - 4 * MINUTE, NEW)]
    records = centre.site.store.records
    await records.transaction(
        [subject(one) for one in told], lambda work: [take(work, one, RULES) for one in told]
    )
    await records.announce_ends(now())
    await upkeep.rebuild(centre.site.settings)
    centre.site.store.late.clear()


async def _decided(centre: Centre) -> None:
    """Add users and the decisions of one shift."""
    records, at = centre.site.store.records, now() - 400 * MINUTE
    line = AuditEntry(at, ADMIN, "user added", RATNA)
    for name, role in {RATNA: Role.SUPERVISOR, BUDI: Role.OPERATOR, **_NAMES}.items():
        await records.keep_person(Person(name, role, HASH, None, at, ADMIN), line)
    held = digest(centre.token)
    await records.keep_token(Token("program", held, Role.SUPERVISOR, True, at, ADMIN), line)  # noqa: FBT003
    await update(centre.site.store, PROPOSED, _reasoned, now(), RULES)
    ratna, budi = await centre.login(RATNA), await centre.login(BUDI)
    await ratna.done("/mode", mode="enforce", reason="sesudah dua bulan mengamati")
    await ratna.done("/handover", did="note", note="jalan Cipocok tergenang, banyak laporan yang sama")
    await budi.done(f"/callbacks/{centre.site.hiding.hide(MISSED)}", did="take")
    _, found = await centre.ask("GET", "calls?mark=genuine")
    centre.marked = found["items"][0]["call"]
    details = {"kind": "fire", "district": "Cipocok", "agency": "Damkar", "note": "rumah terbakar"}
    await ratna.done(f"/calls/{centre.marked}/mark", mark="genuine", **details)


async def going_on(centre: Centre) -> None:
    """Show calls in progress, as a daemon would."""
    at = now()
    calls = (
        CallInProgress(CallId("9.1"), PROPOSED, at - 9_000, Stage.QUEUE, at - 5_000, QUEUE),
        CallInProgress(CallId("9.2"), GENUINE, at - 60_000, Stage.TALKING, at - 40_000, operator=BUDI),
        CallInProgress(CallId("9.3"), None, at - 7_000, Stage.IVR, at - 6_000),
    )
    people = (
        OperatorNow("Agus", OperatorState.AVAILABLE, since=at - 95 * SECOND),
        OperatorNow(BUDI, OperatorState.BUSY, since=at - 40_000),
        OperatorNow(SITI, OperatorState.PAUSED, "makan", at - 600_000),
    )
    counts = {OperatorState.AVAILABLE: 1, OperatorState.BUSY: 1, OperatorState.PAUSED: 1}
    stages = {Stage.QUEUE: 1, Stage.TALKING: 1, Stage.IVR: 1}
    await centre.show(
        Snapshot(
            at, calls, stages, {QUEUE: (1, at - 5_000)}, counts, "", connected=True, screens=True,
            logged_in=people,
        )
    )  # fmt: skip


async def drawn(centre: Centre) -> dict[str, bytes]:
    """Return a picture of each page, as its person sees it."""
    today = datetime.now(centre.site.settings.zone).date().isoformat()
    places = {"blocked": centre.site.hiding.hide(BLOCKED), "call": centre.marked, "today": today}
    made, within = {}, ""
    async with browser(centre.url, size=(WIDTH, 600)) as tab:
        for name, picture in PICTURES.items():
            if picture.who != within:
                await tab.page.context.clear_cookies()
                await tab.login(picture.who, PASSWORD)
                within = picture.who
            await going_on(centre)
            with centre.site.live.watched():
                await centre.site.live.look()
            await tab.page.set_viewport_size({"width": picture.seen, "height": 600})
            await tab.open(picture.path.format(**places))
            made[name] = small(await _shot(tab, picture))
    return made


async def _shot(tab: Tab, picture: Picture) -> bytes:
    """Return a screenshot of the page from its top, as high as its content."""
    await tab.page.wait_for_load_state("load")
    await tab.page.evaluate("document.querySelector('body > footer').remove()")
    await tab.page.evaluate("new Promise(requestAnimationFrame)")
    bottom = await tab.page.evaluate(
        "Math.max(...[...document.querySelectorAll('main > *')].map(e => e.getBoundingClientRect().bottom))"
    )
    height = min(picture.most, max(LEAST_HEIGHT, int(bottom) + 16))
    return await tab.page.screenshot(
        full_page=True, clip={"x": 0, "y": 0, "width": picture.seen, "height": height}
    )


def small(png: bytes) -> bytes:
    """Return the picture with few colours."""
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


async def made() -> dict[str, bytes]:
    """Run a centre and draw its pages."""
    with tempfile.TemporaryDirectory() as folder, plain() as redis:
        async with filled(Path(folder), redis) as centre:
            return await drawn(centre)


def main() -> None:
    """Write the pictures."""
    IMAGES.mkdir(exist_ok=True)
    for name, png in asyncio.run(made()).items():
        (IMAGES / f"{name}.png").write_bytes(png)
        print(f"docs/images/{name}.png: {len(png)} bytes")


if __name__ == "__main__":
    main()
