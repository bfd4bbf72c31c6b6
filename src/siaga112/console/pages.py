"""The pages. Each asks the records one question and needs one permission."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from markupsafe import Markup

from siaga112.adapters import pdf
from siaga112.app.holdings import in_files, kept
from siaga112.app.lists import start
from siaga112.console import wall
from siaga112.console.access import console, person
from siaga112.console.identity import Visitor
from siaga112.console.paging import cursor_of, place_of
from siaga112.console.rendering import home, page
from siaga112.console.reports import reporter
from siaga112.console.site import Console, NotFoundError
from siaga112.core import durations
from siaga112.core.access import Permission, Role
from siaga112.core.holdings import Kind
from siaga112.core.model import DAY, HOUR, SECOND, Fact, Mark, Millis, Mode, Outcome, Reason
from siaga112.core.period import Period, read
from siaga112.doctor import diagnose
from siaga112.doctor.examination import examine
from siaga112.doctor.lines import Health
from siaga112.errors import SiagaError, UsageError, saying
from siaga112.report import data, lines
from siaga112.report import page as report_page
from siaga112.report.figures import Report
from siaga112.report.words import Words
from siaga112.service.ports import AuditFilter, CallFilter, CallPlace
from siaga112.settings.explained import explain
from siaga112.settings.loading import source_of
from siaga112.terminal import labels, rows, sheets, story
from siaga112.terminal.evidence import Form
from siaga112.words import Language, Tongue, say

PAGE: Final = 50
FEW: Final = 20
FREE: Final = 5
"""Call-backs that nobody has taken, shown to an operator."""

HEARTBEAT_SECONDS: Final = 15.0
EXPORTED: Final = 100_000
"""Calls in one CSV download; `siaga112 export` has no limit."""

UNSERVED_LONG: Final[Millis] = HOUR
"""A call-back that has waited longer than this is shown to supervisors."""

router: Final = APIRouter(default_response_class=HTMLResponse)

Cursor = Annotated[str, Query(max_length=200)]


# ── in and out ───────────────────────────────────────────────────────────────────────────────────


@router.get("/")
async def root(request: Request) -> Response:
    """Redirect to the visitor's start page."""
    visitor = await console(request).gate.visitor(request)
    return RedirectResponse(home(visitor) if visitor else "/login", 303)


@router.get("/login")
async def login(request: Request) -> Response:
    """Ask for name and password."""
    if visitor := await console(request).gate.visitor(request):
        return RedirectResponse(home(visitor), 303)
    return page(request, "login.html.j2", None, wrong="")


@router.get("/healthz")
async def healthz() -> Response:
    """Answer as long as the event loop runs."""
    return JSONResponse({"ok": True})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Return 200 if the records can be read, else 503."""
    up = not console(request).live.problem
    return JSONResponse({"records": up}, 200 if up else 503)


async def error(request: Request, status: int, said: str) -> HTMLResponse:
    """Render the error page."""
    visitor = getattr(request.state, "visitor", None)
    with contextlib.suppress(SiagaError):  # the records may be down: that is the error shown
        visitor = visitor or await console(request).gate.visitor(request)
    return page(request, "error.html.j2", visitor, status, code=status, said=said)


# ── now ──────────────────────────────────────────────────────────────────────────────────────────


@router.get("/wall")
async def wall_(request: Request, visitor: Annotated[Visitor, person(Permission.WALL)]) -> HTMLResponse:
    """Show what goes on now."""
    site = console(request)
    await _fresh(site)
    parts = request.app.state.wall.parts(site, visitor)
    return page(request, "wall.html.j2", visitor, parts=parts, modes=[*Mode])


async def _fresh(site: Console) -> None:
    """Refresh the live data, so that the first page is not from the last visit."""
    if not site.live.watching or site.live.today is None:
        with site.live.watched():
            await site.live.look()
        site.live.version += 1


@router.get("/live")
async def live(request: Request, visitor: Annotated[Visitor, person(Permission.WALL)]) -> StreamingResponse:
    """Stream the parts of the wall, and the operator's own call, whenever they change."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    own = request.query_params.get("own") == "1" and visitor.may(Permission.SHIFT)
    told = _told(request, request.app.state.wall, visitor, own=own)
    return StreamingResponse(told, media_type="text/event-stream", headers=headers)


async def _told(request: Request, written: wall.Wall, visitor: Visitor, *, own: bool) -> AsyncIterator[bytes]:
    site, sent = console(request), dict[str, str]()
    clock = asyncio.get_running_loop().time
    spoken = clock()
    with site.live.watched():
        async for _ in site.live.changes(HEARTBEAT_SECONDS):
            if not await site.gate.still(request, visitor):
                return
            parts = {"mine": await wall.mine(site, visitor)} if own else written.parts(site, visitor)
            new = {name: text for name, text in parts.items() if sent.get(name) != text}
            sent |= new
            if new:
                spoken = clock()
                yield b"".join(_event(name, text) for name, text in new.items())
            elif clock() - spoken >= HEARTBEAT_SECONDS:
                spoken = clock()
                yield b": still here\n\n"


@lru_cache(maxsize=64)  # the same part goes to everybody on the wall
def _event(name: str, text: str) -> bytes:
    body = "".join(f"data: {line}\n" for line in text.splitlines() if line.strip())
    return f"event: {name}\n{body}\n".encode()


@router.get("/shift")
async def shift(request: Request, visitor: Annotated[Visitor, person(Permission.SHIFT)]) -> HTMLResponse:
    """Show an operator the current caller, the last call's mark and the call-backs due."""
    site = console(request)
    await _fresh(site)
    name, until = wall.operator_name(site, visitor), site.desk(visitor).clock() + 1
    calls = await site.store.page(CallFilter(site.shift_began(), until, operator=name), FEW)
    own = await site.store.records.missed_page(PAGE, by=visitor.name)
    free = await site.store.records.missed_page(FREE, by="")
    return page(
        request,
        "shift.html.j2",
        visitor,
        mine=await wall.mine(site, visitor),
        calls=calls.calls,
        own=[rows.missed(one, site.settings.zone) | {"record": one} for one in own],
        free=[rows.missed(one, site.settings.zone) | {"record": one} for one in free],
        began=site.shift_began(),
    )


@router.get("/callbacks")
async def callbacks(
    request: Request, visitor: Annotated[Visitor, person(Permission.CALLBACK)], cursor: Cursor = ""
) -> HTMLResponse:
    """List the callers who wait for a call-back, most urgent first."""
    site = console(request)
    found = await site.store.records.missed_page(PAGE, place_of(cursor))
    listed = [rows.missed(one, site.settings.zone) | {"record": one} for one in found]
    after = cursor_of(*rows.need(found[-1])) if len(found) == PAGE else None
    return page(request, "callbacks.html.j2", visitor, listed=listed, after=after)


# ── what waits, calls and callers ────────────────────────────────────────────────────────────────


@router.get("/waiting")
async def waiting(request: Request, visitor: Annotated[Visitor, person(Permission.CALLS)]) -> HTMLResponse:
    """List what a supervisor has to decide."""
    site = console(request)
    clock = site.desk(visitor).clock()
    proposed = await site.store.records.proposed_page(FEW)
    unmarked = await site.store.page(CallFilter(clock - DAY, clock + 1, mark=""), FEW)
    missed = await site.store.records.missed_page(FEW)
    late = [one for one in missed if clock - one.missed[0].at > UNSERVED_LONG]
    return page(
        request,
        "waiting.html.j2",
        visitor,
        proposed=proposed,
        unmarked=unmarked,
        appealed=await site.store.records.appealed_page(FEW),
        now=clock,
        late=[rows.missed(one, site.settings.zone) | {"record": one} for one in late],
        waiting=site.live.waiting,
        rules=site.settings.policy_rules(),
    )


class _Asked:
    """The filter form of the ledger."""

    def __init__(  # noqa: PLR0917 - one parameter a field
        self,
        since: Annotated[str, Query(max_length=40)] = "24h",
        until: Annotated[str, Query(max_length=40)] = "",
        outcome: Outcome | Literal[""] = "",
        reason: Reason | Literal[""] = "",
        mark: Mark | Literal["", "unmarked"] = "",
        operator: Annotated[str, Query(max_length=80)] = "",
        queue: Annotated[str, Query(max_length=80)] = "",
        of: Annotated[str, Query(max_length=120)] = "",
    ) -> None:
        self.since, self.until, self.outcome, self.reason, self.mark = since, until, outcome, reason, mark
        self.operator, self.queue, self.of = operator, queue, of

    def filter(self, site: Console, visitor: Visitor) -> CallFilter:
        """Read it.

        Raises:
            UsageError: if a time is none.

        """
        clock, zone = site.desk(visitor).clock(), site.settings.zone
        mark: Mark | Literal[""] | None = None
        if self.mark:
            mark = "" if self.mark == "unmarked" else Mark(self.mark)
        return CallFilter(
            site.since_for(visitor, start(self.since, clock, zone)),
            start(self.until, clock, zone) if self.until else clock + 1,
            Outcome(self.outcome) if self.outcome else None,
            Reason(self.reason) if self.reason else None,
            mark,
            self.operator or None,
            self.queue or None,
            site.found(self.of) if self.of else None,
        )

    def query(self, but: str = "") -> str:
        """Return the form as a URL query, without one field."""
        given = {name: value for name, value in vars(self).items() if value and name != but}
        return "&".join(f"{name}={quote(str(value))}" for name, value in given.items())


Asked = Annotated[_Asked, Depends()]


@router.get("/calls")
async def calls(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.SHIFT)],
    asked: Asked,
    cursor: Cursor = "",
) -> HTMLResponse:
    """List calls, newest first. The audit trail notes it, if they are one caller's."""
    site = console(request)
    place = place_of(cursor)
    which = asked.filter(site, visitor)
    if which.caller:
        await site.looked(visitor, which.caller, "calls")
    found = await site.store.page(which, PAGE, CallPlace(*place) if place else None)
    after = cursor_of(*found.after) if found.after else None
    return page(
        request,
        "calls.html.j2",
        visitor,
        found=found,
        after=after,
        asked=asked,
        outcomes=[*Outcome],
        reasons=[*Reason],
        marks=[*Mark],
        operators=sorted(set(site.settings.names().operators.values())),
        queues=site.settings.pbx.queues,
        of=which.caller,
    )


@router.get("/calls.csv")
async def calls_csv(
    request: Request, visitor: Annotated[Visitor, person(Permission.EXPORT)], asked: Asked
) -> Response:
    """Download the list as CSV. The audit trail notes it."""
    site = console(request)
    which = asked.filter(site, visitor)
    # The caller is the subject: erasing a caller clears subjects, not details.
    what = f"export of calls, {asked.query(but='of')[:200]}"
    await site.looked(visitor, which.caller or "site", what)

    async def written() -> AsyncIterator[str]:
        place, count = None, 0
        while count < EXPORTED:
            found = await site.slow.page(which, 1_000, place)
            listed = [rows.summary(one, site.settings.zone) for one in found.calls]
            yield sheets.lines(listed, rows.SUMMARY_NAMES, head=place is None)
            count, place = count + len(found.calls), found.after
            if place is None:
                return

    return StreamingResponse(written(), media_type="text/csv", headers=_as_file("calls.csv"))


def _as_file(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


@router.get("/calls/{call}")
async def call(
    request: Request, call: str, visitor: Annotated[Visitor, person(Permission.SHIFT)]
) -> HTMLResponse:
    """Show a call: the facts seen, and those that decided its outcome."""
    site = console(request)
    entry = await site.call(call)
    site.require_at_hand(visitor, entry.finding.call)
    caller = entry.finding.call.caller
    record = await site.store.load(caller) if caller else None
    return page(
        request,
        "call.html.j2",
        visitor,
        entry=entry,
        call=entry.finding.call,
        finding=entry.finding,
        caller=caller,
        struck=bool(record and any(one.call == call for one in record.strikes)),
        kinds=site.settings.kinds,
        districts=site.settings.districts,
        agencies=wall.agencies(site),
        Mark=Mark,
        answered=entry.finding.outcome is Outcome.ANSWERED,
        recording=bool(site.settings.pbx.recording_url and entry.finding.call.recording),
        seen=lambda fact: _seen(fact, site.t(visitor)),
    )


def _seen(fact: Fact, t: Tongue) -> str:
    """Return a fact's detail for people; the PBX's own words stay as they are."""
    said = labels.seen(fact.kind, fact.detail, t)
    if said is None and fact.detail:
        return Markup("<code>{}</code>").format(fact.detail)
    return said or ""


@router.get("/calls/{call}/recording")
async def recording(
    request: Request, call: str, visitor: Annotated[Visitor, person(Permission.RECORDING)]
) -> Response:
    """Redirect to a call's recording. The audit trail notes it."""
    site = console(request)
    entry = await site.call(call)
    url = rows.with_link(rows.call(entry, site.settings.zone), site.settings.pbx.recording_url)[
        "recording_url"
    ]
    if not url:
        raise NotFoundError(
            say("there is no recording of that call, or nowhere to hear it ([pbx] recording_url)")
        )
    await site.looked(visitor, entry.finding.call.id, "recording")
    return RedirectResponse(str(url), 303)


@router.get("/caller/{reference}")
async def caller(
    request: Request,
    reference: str,
    visitor: Annotated[Visitor, person(Permission.SHIFT)],
    whole: Annotated[bool, Query()] = False,
    cursor: Cursor = "",
) -> HTMLResponse:
    """Show a caller's story, the verdict first. The audit trail notes it."""
    site = console(request)
    who = site.found(reference)
    await site.looked(visitor, who, "card, number in full" if whole else "card")
    told = await site.lists(visitor).story(who)
    since = site.since_for(visitor, 0)
    place = place_of(cursor)
    which = CallFilter(since, told.now + 1, caller=who)
    found = await site.store.page(which, FEW, CallPlace(*place) if place else None)
    zone, t = site.settings.zone, site.t(visitor)
    return page(
        request,
        "caller.html.j2",
        visitor,
        who=who,
        reference=reference,
        whole=whole,
        told=told,
        record=told.held.record,
        block=told.held.record.block_at(told.now),
        verdict=story.verdict(told, zone, t),
        chapters=story.chapters(told, zone, t)[::-1],
        standing=story.standing(told, zone, t),
        found=found,
        after=cursor_of(*found.after) if found.after else None,
    )


@router.get("/caller/{reference}/sheet")
async def sheet(
    request: Request,
    reference: str,
    visitor: Annotated[Visitor, person(Permission.DECIDE)],
    lang: Language | None = None,
) -> HTMLResponse:
    """Show the printable evidence sheet for the citizen. The audit trail notes it."""
    site = console(request)
    written = await site.lists(visitor).evidence(site.found(reference), lang)
    return page(request, "sheet.html.j2", visitor, sheet=written, reference=reference, pdf=pdf.there())


@router.get("/caller/{reference}/sheet.pdf")
async def sheet_pdf(
    request: Request,
    reference: str,
    visitor: Annotated[Visitor, person(Permission.DECIDE)],
    lang: Language | None = None,
) -> Response:
    """Return the evidence sheet as PDF, if WeasyPrint is installed. The audit trail notes it."""
    site = console(request)
    async with site.printer:
        made = await site.lists(visitor).sheet(site.found(reference), Form.PDF, lang)
    return Response(made, media_type="application/pdf", headers=_as_file("evidence-sheet.pdf"))


@router.get("/blocks")
async def blocks(
    request: Request, visitor: Annotated[Visitor, person(Permission.CALLS)], cursor: Cursor = "", of: str = ""
) -> HTMLResponse:
    """List the blocked callers, or the allow list."""
    site = console(request)
    clock, place = site.desk(visitor).clock(), place_of(cursor)
    records = site.store.records
    never = of == "allowed"
    found = await (records.allowed_page(PAGE, place) if never else records.blocked_page(clock, PAGE, place))
    listed = [(record, record.block_at(clock)) for record in found]
    after = None
    if len(found) == PAGE:
        last, block = listed[-1]
        since = last.allow.at if never and last.allow else block.since if block else 0
        after = cursor_of(since, last.caller)
    counts = site.live.waiting.blocks
    return page(
        request, "blocks.html.j2", visitor, listed=listed, after=after, never=never, counts=counts, of=of
    )


# ── figures ──────────────────────────────────────────────────────────────────────────────────────


def _period(site: Console, visitor: Visitor, since: str, until: str) -> Period:
    try:
        return read(since, until, site.desk(visitor).clock(), site.settings.zone)
    except ValueError as error:
        raise UsageError(saying(error)) from None


From = Annotated[str, Query(alias="from", max_length=40)]
To = Annotated[str, Query(alias="to", max_length=40)]


async def _made(site: Console, visitor: Visitor, since: str, until: str) -> Report:
    return await reporter(site).report(_period(site, visitor, since, until), site.desk(visitor).clock())


def _words(visitor: Visitor) -> Words:
    return Words(visitor.lang)


@router.get("/report")
async def report(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.REPORT)],
    since: From = "",
    until: To = "",
) -> HTMLResponse:
    """Show the figures of a period; by default, of this month so far."""
    site = console(request)
    if not since and not until:
        today = datetime.fromtimestamp(site.desk(visitor).clock() / SECOND, site.settings.zone).date()
        since, until = f"{today.replace(day=1)}", f"{today}"
    made, words = await _made(site, visitor, since, until), _words(visitor)
    total = made.figures.total
    return page(
        request,
        "report.html.j2",
        visitor,
        made=made,
        words=words,
        since=since,
        until=until,
        query=f"from={quote(since)}&to={quote(until)}",
        lacking=lines.lacking(made.lacks, words),
        outcomes=lines.outcomes(made),
        marks=lines.MARKS,
        levels=[
            (words(key, within=words.limit(made.answer_within)), ratio, goal)
            for key, ratio, goal in lines.levels(made)
        ],
        blocks=lines.blocks(made),
        operators=lines.operators(made.handling, words, shifts=False),
        agencies=lines.agencies(made.handling, words),
        reports=[lines.reports(of, words) for of in (made.handling.by_kind, made.handling.by_district)],
        total=total,
        months=_months(site),
    )


def _months(site: Console) -> list[tuple[date, str, str]]:
    """Return the last months, each with its first and last day."""
    today = datetime.now(site.settings.zone).date()
    found, first = [], today.replace(day=1)
    for _ in range(6):
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        found.append((first, f"{first}", f"{min(last, today)}"))
        first = (first - timedelta(days=1)).replace(day=1)
    return found


@router.get("/report.html")
async def report_html(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.REPORT)],
    since: From = "",
    until: To = "",
) -> Response:
    """Return the period's report as one self-contained HTML file."""
    site = console(request)
    made = await _made(site, visitor, since, until)
    text = report_page.page(made, _words(visitor), 10, reveal=False)
    return HTMLResponse(text, headers=_as_file(f"report-{made.period.days[0]}.html"))


@router.get("/report.pdf")
async def report_pdf(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.REPORT)],
    since: From = "",
    until: To = "",
) -> Response:
    """Return the report as PDF, if WeasyPrint is installed."""
    site = console(request)
    made = await _made(site, visitor, since, until)
    text = report_page.page(made, _words(visitor), 10, reveal=False)
    name = _as_file(f"report-{made.period.days[0]}.pdf")
    async with site.printer:
        return Response(await pdf.made(text), media_type="application/pdf", headers=name)


@router.get("/report.csv")
async def report_csv(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.REPORT)],
    since: From = "",
    until: To = "",
) -> Response:
    """Return the report as CSV rows."""
    site = console(request)
    made = await _made(site, visitor, since, until)
    file = io.StringIO()
    data.write_csv(made, file, 10, reveal=False)
    name = _as_file(f"report-{made.period.days[0]}.csv")
    return Response(file.getvalue(), media_type="text/csv", headers=name)


@router.get("/handover")
async def handover(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.DECIDE)],
    since: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """Show the hand-over to the next shift."""
    site = console(request)
    clock, zone = site.desk(visitor).clock(), site.settings.zone
    began = start(since, clock, zone) if since else site.shift_began()
    lines_ = await site.store.records.audit_page(AuditFilter(began, clock + 1), 200)
    missed = await site.store.records.missed_page(FEW)
    blocked = await site.store.records.blocked_page(clock, FEW)
    new = [(one, block) for one in blocked if (block := one.block_at(clock)) and block.since >= began]
    return page(
        request,
        "handover.html.j2",
        visitor,
        began=began,
        lines=[line for _, line in lines_],
        missed=[rows.missed(one, zone) | {"record": one} for one in missed],
        waiting=site.live.waiting,
        new=new,
    )


@router.get("/audit")
async def audit(  # noqa: PLR0917 - one parameter a field
    request: Request,
    visitor: Annotated[Visitor, person(Permission.AUDIT)],
    since: Annotated[str, Query(max_length=40)] = "30d",
    action: Annotated[str, Query(max_length=40)] = "",
    by: Annotated[str, Query(max_length=200)] = "",
    looks: bool = False,  # noqa: FBT001 - a box of the form
    cursor: Cursor = "",
) -> HTMLResponse:
    """List what people did and what they looked at."""
    site = console(request)
    clock, place = site.desk(visitor).clock(), place_of(cursor)
    which = AuditFilter(start(since, clock, site.settings.zone), clock + 1, action, by, looks=looks)
    found = await site.store.records.audit_page(which, PAGE, place[0] if place else 0)
    after = cursor_of(found[-1][0]) if len(found) == PAGE else None
    return page(
        request,
        "audit.html.j2",
        visitor,
        listed=[line for _, line in found],
        after=after,
        asked={"since": since, "action": action, "by": by, "looks": looks},
        actions=[*labels.ACTIONS],
    )


# ── a person's data, users, the installation ─────────────────────────────────────────────────────


@router.get("/subject")
async def subject(request: Request, visitor: Annotated[Visitor, person(Permission.SUBJECT)]) -> HTMLResponse:
    """Ask for the number of the person whose data is requested."""
    return page(request, "subject.html.j2", visitor)


@router.get("/subject/{reference}.json")
async def subject_json(
    request: Request, reference: str, visitor: Annotated[Visitor, person(Permission.SUBJECT)]
) -> Response:
    """Return everything stored about a caller. The audit trail notes it."""
    site = console(request)
    held = await site.lists(visitor).subject(site.found(reference))
    text = json.dumps(held, ensure_ascii=False, indent=2)
    return Response(text, media_type="application/json", headers=_as_file("subject.json"))


@router.get("/holds")
async def holds(
    request: Request, visitor: Annotated[Visitor, person(Permission.HOLD)], cursor: Cursor = ""
) -> HTMLResponse:
    """List the callers kept as evidence, newest hold first."""
    site = console(request)
    found = await site.store.records.holds_page(PAGE, place_of(cursor))
    last = found[-1] if len(found) == PAGE else None
    after = cursor_of(last.hold.at, last.caller) if last and last.hold else None
    return page(request, "holds.html.j2", visitor, listed=found, after=after)


@router.get("/privacy")
async def privacy(request: Request, visitor: Annotated[Visitor, person(Permission.SUBJECT)]) -> HTMLResponse:
    """Show what is stored by kind: how much, how old, until when."""
    site = console(request)
    ages, found = kept(site.settings), await site.slow.holdings()
    found = {**found, **await asyncio.to_thread(in_files, site.settings)}
    listed = [(kind, found.get(kind), ages[kind]) for kind in Kind]
    return page(request, "privacy.html.j2", visitor, listed=listed, spell=durations.spell)


@router.get("/people")
async def people(request: Request, visitor: Annotated[Visitor, person(Permission.PEOPLE)]) -> HTMLResponse:
    """List users, tokens and webhooks."""
    site = console(request)
    records = site.store.records
    parked = await records.parked()
    return page(
        request,
        "people.html.j2",
        visitor,
        people=await records.people(),
        tokens=await records.tokens(),
        told={one.name: one for one in await records.webhooks()},
        webhooks=site.settings.events.webhooks,
        parked={name: sum(one.name == name for one in parked) for name in site.settings.events.webhooks},
        roles=[*Role],
        last=site.live.last,
    )


@router.get("/settings")
async def settings(
    request: Request, visitor: Annotated[Visitor, person(Permission.SETTINGS)]
) -> HTMLResponse:
    """Show the configuration in force, secrets masked."""
    text, doubts = explain(console(request).settings)
    return page(request, "settings.html.j2", visitor, text=text, doubts=doubts)


@router.get("/doctor")
async def doctor(request: Request, visitor: Annotated[Visitor, person(Permission.SETTINGS)]) -> HTMLResponse:
    """Run the doctor and show its findings."""
    site = console(request)
    seen = await examine(site.settings, source_of(site.config))
    return page(request, "doctor.html.j2", visitor, checked=list(diagnose(seen)), healths=_HEALTHS)


_HEALTHS: Final = {
    Health.OK: say("ok"),
    Health.WARN: say("warn"),
    Health.FAIL: say("fail"),
    Health.UNCHECKED: say("not checked"),
}


@router.get("/api")
async def api_page(request: Request, visitor: Annotated[Visitor, person(Permission.WALL)]) -> HTMLResponse:
    """Describe the API."""
    return page(request, "api.html.j2", visitor, found=request.app.state.described)
