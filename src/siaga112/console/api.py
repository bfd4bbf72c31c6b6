"""The API. Each route is one query or one decision, the same as a command's."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from siaga112.app.deeds import Done, details
from siaga112.app.desk import forget_in_files, require_rewritten
from siaga112.app.lists import start
from siaga112.console import shapes
from siaga112.console.access import console, program
from siaga112.console.events import as_sse, cloud_event
from siaga112.console.identity import MayNotError, Visitor
from siaga112.console.paging import cursor_of, place_of
from siaga112.console.reports import reporter
from siaga112.console.site import Console
from siaga112.core import durations
from siaga112.core.access import MAY, Permission
from siaga112.core.announcements import EventType
from siaga112.core.caller_id import HASH, masked, masked_in, sought
from siaga112.core.model import SECOND, CallId, Mark, Millis, Outcome, Reason
from siaga112.core.period import instant, read
from siaga112.core.text import whole
from siaga112.errors import UsageError, saying
from siaga112.report import data
from siaga112.service.ports import Announced, AuditFilter, CallFilter, CallPlace
from siaga112.terminal import rows
from siaga112.terminal.evidence import Form
from siaga112.terminal.rows import Row
from siaga112.words import Language, Tongue, say

ROOT: Final = "/api/v1"
LIMIT: Final = 50
MOST: Final = 200
HEARTBEAT_SECONDS: Final = 15.0
"""A comment is sent on an idle stream this often, so that no proxy closes it."""

_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_TITLES: Final = {
    400: "the body cannot be read",
    401: "a token is missing, or not good",
    403: "the token's role may not do that",
    404: "there is no such thing",
    409: "it cannot be done as things stand",
    422: "something in the question is wrong",
    429: "too many at once",
    503: "the records cannot be reached",
}

_ASKS: Final[dict[int | str, dict[str, Any]]] = {
    409: {
        "description": "it cannot be done as things stand, or it may hit the wrong one: ask first",
        "content": {
            "application/problem+json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/AskFirst"},
                        {"$ref": "#/components/schemas/Problem"},
                    ]
                }
            }
        },
    }
}

router: Final = APIRouter(
    prefix=ROOT,
    responses={code: {"description": title, "content": _PROBLEM} for code, title in _TITLES.items()},
)

WITHOUT_NUMBERS: Final = say("this token may not see numbers in full (siaga112 token add --numbers)")

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at once.")]
Cursor = Annotated[str, Query(max_length=200, description="`next` of the page before.")]
Reveal = Annotated[bool, Query(description="Numbers in full; that they were looked at is noted.")]
Since = Annotated[str, Query(max_length=40, description='How far back ("24h"), or from when.')]
Until = Annotated[str, Query(max_length=40, description="Until when; else now.")]
NumberInPath = Annotated[str, Path(min_length=1, max_length=64, description="A number in any spelling.")]
CallInPath = Annotated[str, Path(min_length=1, max_length=150)]


def answered(content: Any, status: int = 200) -> JSONResponse:
    """Respond with JSON as it is: tests check it against the shapes, not each response."""
    return JSONResponse(content, status)


def _masked(row: Row, *, whole: bool) -> Row:
    """Return a row with its numbers masked unless the visitor may see them."""
    if whole:
        return row
    return {key: _hidden_number(key, value) for key, value in row.items()}


def _hidden_number(key: str, value: object) -> object:
    """Mask a number; the subject of an audit entry may also be a call or the site.

    Many a PBX writes the number into the name of a recording, in a spelling of its own: the name is withheld.
    """
    if key == "recording":
        return None
    if key not in _NUMBERS or not isinstance(value, str):
        return value
    return masked(value) if key != "subject" or value.startswith(("+", HASH)) else value


_NUMBERS: Final = ("caller", "raw_caller", "subject")


async def _reveals(site: Console, visitor: Visitor, what: str, *, reveal: bool) -> bool:
    """Return whether numbers are shown in full, and note it in the audit trail.

    Raises:
        MayNotError: if the token may not see full numbers.

    """
    if not reveal:
        return False
    if not visitor.numbers:
        raise MayNotError(WITHOUT_NUMBERS)
    await site.looked(visitor, "site", what)
    return True


# ── who asks, and what goes on ───────────────────────────────────────────────────────────────────


@router.get("/me", response_model=shapes.Me, tags=["site"])
async def me(visitor: Annotated[Visitor, program(Permission.WALL)]) -> Response:
    """Return who asks, and what that role may do."""
    may = sorted(MAY[visitor.role])
    role, via = visitor.role, visitor.via
    return answered({"name": visitor.name, "role": role, "via": via, "numbers": visitor.numbers, "may": may})


@router.get("/now", response_model=shapes.NowRow, tags=["site"])
async def now_(request: Request, visitor: Annotated[Visitor, program(Permission.WALL)]) -> Response:
    """Return the live line: calls by stage, queues, operators, open work. Numbers are masked.

    A role that does not see the shift gets neither single calls nor operators.
    """
    site = console(request)
    live, zone, people = site.live, site.settings.zone, visitor.may(Permission.SHIFT)
    with live.watched():
        await live.look()
    snapshot = live.snapshot
    going = snapshot.calls if snapshot and people else ()
    return answered(
        {
            "at": rows.instant(snapshot.at, zone) if snapshot else None,
            "mode": live.mode,
            "connected": bool(snapshot and snapshot.connected),
            "surge": (snapshot.surge or None) if snapshot else None,
            "stages": {str(stage): count for stage, count in snapshot.stages.items()} if snapshot else {},
            "queues": [
                {"queue": queue, "waiting": count, "since": rows.instant(first, zone)}
                for queue, (count, first) in (snapshot.queues if snapshot else {}).items()
            ],
            "calls": [
                {
                    "call": one.call,
                    "caller": masked(one.caller) if one.caller else None,
                    "started": rows.instant(one.started, zone),
                    "stage": one.stage,
                    "since": rows.instant(one.since, zone),
                    "queue": one.queue or None,
                    "operator": one.operator or None,
                }
                for one in going
            ],
            "operators": [
                {
                    "name": one.name,
                    "state": one.state,
                    "reason": one.reason or None,
                    "since": rows.instant(one.since or None, zone),
                }
                for one in (snapshot.logged_in if snapshot and people else ())
            ],
            "callbacks": live.waiting.callbacks,
            "proposals": live.waiting.proposals,
            "appeals": live.waiting.appeals,
            "blocked": sum(live.waiting.blocks.values()),
        }
    )


@router.get("/mode", response_model=shapes.ModeRow, tags=["site"])
async def mode(request: Request, visitor: Annotated[Visitor, program(Permission.WALL)]) -> Response:
    """Return the mode in force, and who switched to it."""
    site = console(request)
    held = await site.desk(visitor).mode()
    switch = await site.store.switched()
    told = switch if switch and switch.mode is held else None
    since = rows.instant(told.at, site.settings.zone) if told else None
    by, reason = (told.by, told.reason or None) if told else (None, None)
    return answered({"mode": held, "since": since, "by": by, "reason": reason})


@router.put("/mode", response_model=shapes.Said, tags=["site"])
async def set_mode(
    request: Request, new: shapes.NewMode, visitor: Annotated[Visitor, program(Permission.MODE)]
) -> Response:
    """Switch the mode of the whole site; off needs a reason."""
    site = console(request)
    return _said(site, visitor, await site.deeds(visitor).switch(new.mode, new.reason))


def _said(site: Console, visitor: Visitor, said: str) -> Response:
    """Respond with a sentence; a decision on a call names the caller, whom not every token may see."""
    return answered({"said": said if visitor.numbers else masked_in(said), "late": site.late(visitor)})


# ── calls ────────────────────────────────────────────────────────────────────────────────────────


@router.get("/calls", response_model=shapes.Calls, tags=["calls"])
async def calls(  # noqa: PLR0917 - one parameter a filter
    request: Request,
    visitor: Annotated[Visitor, program(Permission.SHIFT)],
    since: Since = "24h",
    until: Until = "",
    outcome: Outcome | None = None,
    reason: Reason | None = None,
    mark: Mark | Literal["unmarked"] | None = None,
    operator: Annotated[str, Query(max_length=80)] = "",
    queue: Annotated[str, Query(max_length=80)] = "",
    caller: Annotated[str, Query(max_length=64, description="A number in any spelling.")] = "",
    limit: Limit = LIMIT,
    cursor: Cursor = "",
    reveal: Reveal = False,
) -> Response:
    """List calls, newest first. A role without the whole ledger sees this shift's.

    With `caller`, the audit trail notes the access.
    """
    site = console(request)
    zone, clock = site.settings.zone, site.desk(visitor).clock()
    which = CallFilter(
        site.since_for(visitor, start(since, clock, zone)),
        start(until, clock, zone) if until else clock + 1,
        outcome,
        reason,
        "" if mark == "unmarked" else mark,
        operator or None,
        queue or None,
        site.number(caller) if caller else None,
    )
    place = place_of(cursor)
    if which.caller:
        await site.looked(visitor, which.caller, "calls")
    page = await site.store.page(which, limit, CallPlace(*place) if place else None)
    full = await _reveals(site, visitor, "numbers of calls", reveal=reveal)
    items = [_masked(rows.summary(one, zone), whole=full) for one in page.calls]
    after = cursor_of(*page.after) if page.after else None
    return answered({"items": items, "next": after, "looked_back_to": rows.instant(page.looked, zone)})


@router.get("/calls/{call}", response_model=shapes.ExplainedCall, tags=["calls"])
async def call_(
    request: Request,
    call: CallInPath,
    visitor: Annotated[Visitor, program(Permission.SHIFT)],
    reveal: Reveal = False,
) -> Response:
    """Return a call with the facts seen, and those that decided its outcome."""
    site = console(request)
    entry = await site.call(call)
    site.require_at_hand(visitor, entry.finding.call)
    full = await _reveals(site, visitor, f"number of call {call[:60]}", reveal=reveal)
    return answered(_masked(rows.explained(entry, site.settings.zone), whole=full))


@router.post("/calls/{call}/void", response_model=shapes.Said, tags=["calls"])
async def void(
    request: Request,
    call: CallInPath,
    why: shapes.Reasoned,
    visitor: Annotated[Visitor, program(Permission.DECIDE)],
) -> Response:
    """Void one strike, and the blocks that rested on it."""
    site = console(request)
    return _said(site, visitor, await site.deeds(visitor).void(CallId(call), why.reason))


@router.post("/marks", response_model=shapes.Said, tags=["calls"])
async def mark_(
    request: Request, new: shapes.NewMark, visitor: Annotated[Visitor, program(Permission.MARK)]
) -> Response:
    """Set the operator's mark of an answered call; a correction voids the strike and its blocks.

    A role without the whole ledger marks this shift's calls, and those of the hour before it.
    """
    site = console(request)
    told = details(site.settings, new.mark, new.kind, new.district, new.agency)
    call = CallId(new.call)
    if "." not in new.call:
        call = await site.desk(visitor).last_answered(site.number(new.call))
    if entry := await site.store.entry(call):
        site.require_at_hand(visitor, entry.finding.call)
    return _said(site, visitor, await site.deeds(visitor).mark(call, new.mark, new.note, told))


# ── callers ──────────────────────────────────────────────────────────────────────────────────────


@router.get("/callers/{number}", response_model=shapes.CallerStory, tags=["callers"])
async def caller_(
    request: Request,
    number: NumberInPath,
    visitor: Annotated[Visitor, program(Permission.SHIFT)],
    reveal: Reveal = False,
) -> Response:
    """Return a caller's story. The audit trail notes the access."""
    site = console(request)
    caller = site.number(number)
    full = await _reveals(site, visitor, "number of a caller", reveal=reveal)
    await site.looked(visitor, caller, "card")
    story, lines = await site.lists(visitor).why(caller)
    if not full:
        story, lines = _hidden(story, caller), _hidden(lines, caller)
    return answered({"story": story, "lines": lines})


def _hidden(value: Any, caller: str) -> Any:
    """Mask a number wherever it occurs in a row."""
    match value:
        case dict():
            return {key: _hidden(held, caller) for key, held in value.items()}
        case list():
            return [_hidden(held, caller) for held in value]
        case str():
            return value.replace(caller, masked(caller))
        case _:
            return value


_PAPER: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/callers/{number}/sheet", response_class=HTMLResponse, responses=_PAPER, tags=["callers"])
async def sheet(
    request: Request,
    number: NumberInPath,
    visitor: Annotated[Visitor, program(Permission.DECIDE)],
    format_: Annotated[Form, Query(alias="format", description="As HTML, or as PDF.")] = Form.HTML,
    lang: Annotated[Language | None, Query(description="In which language; without it, the site's.")] = None,
) -> Response:
    """Return the evidence sheet for the citizen, one A4 page. The audit trail notes the access."""
    site = console(request)
    caller = site.number(number)
    if not visitor.numbers:
        raise MayNotError(WITHOUT_NUMBERS)
    async with site.printer:
        made = await site.lists(visitor).sheet(caller, format_, lang)
    kind = "application/pdf" if format_ is Form.PDF else "text/html; charset=utf-8"
    name = f'attachment; filename="evidence-sheet.{format_}"'
    return Response(made, media_type=kind, headers={"Content-Disposition": name})


@router.get("/callers/{number}/subject", tags=["callers"])
async def subject(
    request: Request, number: NumberInPath, visitor: Annotated[Visitor, program(Permission.SUBJECT)]
) -> dict[str, Any]:
    """Return everything stored about a caller (UU 27/2022: access). The audit trail notes it."""
    site = console(request)
    return await site.lists(visitor).subject(site.number(number))


@router.delete("/callers/{number}", response_model=shapes.Said, tags=["callers"])
async def forget(
    request: Request,
    number: NumberInPath,
    reason: Annotated[str, Query(min_length=1, max_length=500), shapes.WHY],
    visitor: Annotated[Visitor, program(Permission.FORGET)],
) -> Response:
    """Erase everything stored about a caller; the calls stay in the ledger without the caller."""
    site = console(request)
    return _said(site, visitor, await erase(site, visitor, number, reason))


async def erase(site: Console, visitor: Visitor, number: str, reason: str) -> str:
    """Erase everything stored about a caller, in the records and in our files.

    Raises:
        SiagaError: if the records have forgotten the caller, and one of our files has not.

    """
    caller = site.number(number)
    spelled = sought(number, site.settings.number_plan())
    held = await site.desk(visitor).forget(caller, reason, spelled)
    require_rewritten(site.settings, await forget_in_files(site.settings, spelled))
    return site.t(visitor).many(
        "erased; {count} call stays in the ledger without the caller",
        "erased; {count} calls stay in the ledger without the caller",
        len(held.entries),
    )


@router.put("/callers/{number}/hold", response_model=shapes.Said, tags=["callers"])
async def hold(
    request: Request,
    number: NumberInPath,
    why: shapes.Reasoned,
    visitor: Annotated[Visitor, program(Permission.HOLD)],
) -> Response:
    """Keep a caller's records as evidence of an open case: neither age nor erasure removes them."""
    site = console(request)
    return _said(site, visitor, await site.deeds(visitor).hold(site.number(number), why.reason))


@router.delete("/callers/{number}/hold", response_model=shapes.Said, tags=["callers"])
async def release(
    request: Request,
    number: NumberInPath,
    reason: Annotated[str, Query(min_length=1, max_length=500), shapes.WHY],
    visitor: Annotated[Visitor, program(Permission.HOLD)],
) -> Response:
    """Release the evidence: what is past its retention is dropped within six hours."""
    site = console(request)
    return _said(site, visitor, await site.deeds(visitor).release(site.number(number), reason))


@router.get("/holds", response_model=shapes.Holds, tags=["lists"])
async def holds(
    request: Request,
    visitor: Annotated[Visitor, program(Permission.HOLD)],
    limit: Limit = LIMIT,
    cursor: Cursor = "",
    reveal: Reveal = False,
) -> Response:
    """List the callers kept as evidence, newest hold first."""
    site = console(request)
    found = await site.store.records.holds_page(limit, place_of(cursor))
    listed = [rows.hold(record, site.settings.zone) for record in found]
    last = found[-1] if len(found) == limit else None
    after = cursor_of(last.hold.at, last.caller) if last and last.hold else None
    return await _listed(site, visitor, "numbers of who is kept as evidence", listed, after, reveal=reveal)


@router.get("/privacy", response_model=shapes.HeldKinds, tags=["figures"])
async def privacy(request: Request, visitor: Annotated[Visitor, program(Permission.SUBJECT)]) -> Response:
    """Return what is stored by kind: how much, how old, until when, by which setting. It names nobody."""
    site = console(request)
    return answered({"items": await site.lists(visitor, site.slow).privacy()})


# ── the lists ────────────────────────────────────────────────────────────────────────────────────


@router.get("/blocks", response_model=shapes.Blocks, tags=["lists"])
async def blocks(
    request: Request,
    visitor: Annotated[Visitor, program(Permission.CALLS)],
    limit: Limit = LIMIT,
    cursor: Cursor = "",
    reveal: Reveal = False,
) -> Response:
    """List the blocked callers, newest block first."""
    site = console(request)
    now, zone = site.desk(visitor).clock(), site.settings.zone
    found = await site.store.records.blocked_page(now, limit, place_of(cursor))
    held = [(record, record.block_at(now)) for record in found]
    listed = [(record, rows.blocked(record, block, zone)) for record, block in held if block]
    ends = [cursor_of(block.since, record.caller) for record, block in held[-1:] if block]
    after = ends[0] if ends and len(found) == limit else None
    what = "numbers of who is blocked"
    return await _listed(site, visitor, what, [row for _, row in listed], after, reveal=reveal)


async def _listed(
    site: Console, visitor: Visitor, what: str, found: Sequence[Row], after: str | None, *, reveal: bool
) -> Response:
    full = await _reveals(site, visitor, what, reveal=reveal)
    return answered({"items": [_masked(row, whole=full) for row in found], "next": after})


@router.post("/blocks", response_model=shapes.Blocked, tags=["lists"], responses=_ASKS)
async def block(
    request: Request, new: shapes.NewBlock, visitor: Annotated[Visitor, program(Permission.DECIDE)]
) -> Response:
    """Block callers; this settles their open proposals. It may ask for confirmation (409)."""
    site = console(request)
    span = block_span(new.for_ or "", permanent=new.permanent, shorten=new.shorten)
    if (new.caller is None) is not bool(new.numbers):
        raise UsageError(say("give either caller or numbers"))
    callers = [site.number(one) for one in new.numbers or [new.caller or ""]]
    done = await site.deeds(visitor).block(callers, span, new.reason, shorten=new.shorten, yes=new.yes)
    results = [{"caller": one.caller, "done": one.done, "said": one.said} for one in done]
    return answered({"said": in_short(done, site.t(visitor)), "late": site.late(visitor), "results": results})


def in_short(done: Sequence[Done], t: Tongue) -> str:
    """Return the result of several decisions in one sentence; of one, its own sentence."""
    if len(done) == 1:
        return done[0].said
    blocked = sum(one.done for one in done)
    said = t.many("{count} number blocked", "{count} numbers blocked", blocked)
    return said + (t("; {count} refused", count=len(done) - blocked) if blocked < len(done) else "")


def block_span(text: str, *, permanent: bool, shorten: bool) -> Millis | None:
    """Parse the length of a block; None for permanent.

    Raises:
        UsageError: if it is missing, or given twice.

    """
    if bool(text) is permanent:
        raise UsageError(say("say how long: either for a time, or permanent"))
    if shorten and permanent:
        raise UsageError(say("a permanent block cannot shorten another"))
    try:
        return durations.parse(text) if text else None
    except ValueError as error:
        raise UsageError(saying(error)) from None


@router.delete("/blocks/{number}", response_model=shapes.Said, tags=["lists"])
async def unblock(  # noqa: PLR0917 - one parameter a field
    request: Request,
    number: NumberInPath,
    reason: Annotated[str, Query(min_length=1, max_length=500), shapes.WHY],
    visitor: Annotated[Visitor, program(Permission.DECIDE)],
    mistake: Annotated[bool, Query(description="It should never have been.")] = False,
    seen: Annotated[tuple[shapes.Instant, ...], Query(max_length=10, description=shapes.SEEN)] = (),
) -> Response:
    """Lift all blocks on a caller, and dismiss open proposals."""
    site = console(request)
    caller, shown = site.number(number), _instants(seen)
    said = await site.deeds(visitor).unblock(caller, reason, mistake=mistake, seen=shown)
    return _said(site, visitor, said)


def _instants(times: Sequence[str]) -> list[Millis]:
    try:
        return [round(instant(one, UTC).timestamp() * SECOND) for one in times]
    except ValueError as error:
        raise UsageError(saying(error)) from None


@router.get("/proposals", response_model=shapes.Proposals, tags=["lists"])
async def proposals(
    request: Request,
    visitor: Annotated[Visitor, program(Permission.CALLS)],
    limit: Limit = LIMIT,
    cursor: Cursor = "",
    reveal: Reveal = False,
) -> Response:
    """List the proposed blocks that wait for a supervisor."""
    site = console(request)
    place = place_of(cursor)
    found = await site.store.records.proposed_page(limit, place[1] if place else "")
    listed = [rows.proposal(record, site.settings.zone) for record in found]
    after = cursor_of(0, found[-1].caller) if len(found) == limit else None
    return await _listed(site, visitor, "numbers of proposals", listed, after, reveal=reveal)


@router.post("/proposals/{number}/confirm", response_model=shapes.Said, tags=["lists"], responses=_ASKS)
async def confirm(
    request: Request,
    number: NumberInPath,
    why: shapes.Confirmed,
    visitor: Annotated[Visitor, program(Permission.DECIDE)],
) -> Response:
    """Impose the proposed block; asks for confirmation of what the proposal does not say."""
    site = console(request)
    caller, shown = site.number(number), _instants(why.seen)
    said = await site.deeds(visitor).confirm(caller, why.reason, yes=why.yes, seen=shown)
    return _said(site, visitor, said)


@router.post("/proposals/{number}/dismiss", response_model=shapes.Said, tags=["lists"])
async def dismiss(
    request: Request,
    number: NumberInPath,
    why: shapes.Decided,
    visitor: Annotated[Visitor, program(Permission.DECIDE)],
) -> Response:
    """Dismiss the proposed block; strikes so far are forgiven."""
    site = console(request)
    caller, shown = site.number(number), _instants(why.seen)
    return _said(site, visitor, await site.deeds(visitor).dismiss(caller, why.reason, seen=shown))


@router.get("/appeals", response_model=shapes.Appeals, tags=["lists"])
async def appeals(
    request: Request,
    visitor: Annotated[Visitor, program(Permission.CALLS)],
    limit: Limit = LIMIT,
    cursor: Cursor = "",
    reveal: Reveal = False,
) -> Response:
    """List the objections that wait for a decision, most urgent first."""
    site = console(request)
    found = await site.store.records.appealed_page(limit, place_of(cursor))
    listed = [rows.appeal(record, site.settings.zone) for record in found]
    last = found[-1] if len(found) == limit else None
    after = cursor_of(last.appeal.due, last.caller) if last and last.appeal else None
    return await _listed(site, visitor, "numbers of objections", listed, after, reveal=reveal)


@router.post("/appeals", response_model=shapes.Said, tags=["lists"])
async def appeal(
    request: Request, new: shapes.NewAppeal, visitor: Annotated[Visitor, program(Permission.APPEAL)]
) -> Response:
    """Record a caller's objection to a block or a strike; it must be decided by a deadline."""
    site = console(request)
    return _said(site, visitor, await site.deeds(visitor).appeal(site.number(new.caller), new.reason))


@router.post("/appeals/{number}/reject", response_model=shapes.Said, tags=["lists"])
async def reject(
    request: Request,
    number: NumberInPath,
    why: shapes.Decided,
    visitor: Annotated[Visitor, program(Permission.DECIDE)],
) -> Response:
    """Reject a caller's objection; `DELETE /blocks/{number}` grants it."""
    site = console(request)
    caller, shown = site.number(number), _instants(why.seen)
    return _said(site, visitor, await site.deeds(visitor).reject(caller, why.reason, seen=shown))


@router.get("/allowed", response_model=shapes.Alloweds, tags=["lists"])
async def allowed(
    request: Request,
    visitor: Annotated[Visitor, program(Permission.CALLS)],
    limit: Limit = LIMIT,
    cursor: Cursor = "",
    reveal: Reveal = False,
) -> Response:
    """List the allow list, newest first."""
    site = console(request)
    found = await site.store.records.allowed_page(limit, place_of(cursor))
    listed = [rows.allowed(record, site.settings.zone) for record in found]
    last = found[-1] if len(found) == limit else None
    after = cursor_of(last.allow.at, last.caller) if last and last.allow else None
    return await _listed(site, visitor, "numbers of who is allowed", listed, after, reveal=reveal)


@router.put("/allowed/{number}", response_model=shapes.Said, tags=["lists"])
async def allow(
    request: Request,
    number: NumberInPath,
    why: shapes.Reasoned,
    visitor: Annotated[Visitor, program(Permission.DECIDE)],
) -> Response:
    """Put a caller on the allow list, which overrides every block."""
    site = console(request)
    return _said(site, visitor, await site.deeds(visitor).allow(site.number(number), why.reason))


@router.delete("/allowed/{number}", response_model=shapes.Said, tags=["lists"])
async def disallow(
    request: Request, number: NumberInPath, visitor: Annotated[Visitor, program(Permission.DECIDE)]
) -> Response:
    """Remove a caller from the allow list."""
    site = console(request)
    return _said(site, visitor, await site.deeds(visitor).disallow(site.number(number)))


@router.get("/callbacks", response_model=shapes.Callbacks, tags=["lists"])
async def callbacks(
    request: Request,
    visitor: Annotated[Visitor, program(Permission.CALLBACK)],
    limit: Limit = LIMIT,
    cursor: Cursor = "",
    reveal: Reveal = False,
) -> Response:
    """List the callers who wait for a call-back, most urgent first."""
    site = console(request)
    found = await site.store.records.missed_page(limit, place_of(cursor))
    listed = [rows.missed(record, site.settings.zone) for record in found]
    after = cursor_of(*rows.need(found[-1])) if len(found) == limit else None
    return await _listed(site, visitor, "numbers to call back", listed, after, reveal=reveal)


@router.post("/callbacks/{number}", response_model=shapes.Said, tags=["lists"])
async def attempt(
    request: Request,
    number: NumberInPath,
    attempted: shapes.Attempted,
    visitor: Annotated[Visitor, program(Permission.CALLBACK)],
) -> Response:
    """Record the result of a call-back."""
    site = console(request)
    did = getattr(site.deeds(visitor), attempted.did)
    return _said(site, visitor, await did(site.number(number), attempted.note))


# ── figures, and what people did ─────────────────────────────────────────────────────────────────


@router.get("/report", tags=["figures"])
async def report(
    request: Request,
    visitor: Annotated[Visitor, program(Permission.REPORT)],
    since: Annotated[str, Query(alias="from", max_length=40)] = "",
    until: Annotated[str, Query(alias="to", max_length=40)] = "",
    names: Annotated[bool, Query(description="Which operators answered.")] = True,
) -> dict[str, Any]:
    """Return the figures of a period; by default, yesterday's. Numbers are masked."""
    site = console(request)
    clock = site.desk(visitor).clock()
    try:
        period = read(since, until, clock, site.settings.zone)
    except ValueError as error:
        raise UsageError(saying(error)) from None
    made = await reporter(site).report(period, clock)
    if not names:
        made.handling.forget_operators()
    found: dict[str, Any] = json.loads(data.as_json(made, 10, reveal=False))
    return found


@router.get("/audit", response_model=shapes.Audits, tags=["figures"])
async def audit(  # noqa: PLR0917 - one parameter a filter
    request: Request,
    visitor: Annotated[Visitor, program(Permission.AUDIT)],
    since: Since = "30d",
    action: Annotated[str, Query(max_length=40)] = "",
    by: Annotated[str, Query(max_length=200)] = "",
    looks: Annotated[bool, Query(description="Those too that only say that somebody has looked.")] = True,
    limit: Limit = LIMIT,
    cursor: Cursor = "",
    reveal: Reveal = False,
) -> Response:
    """List what people did, newest first."""
    site = console(request)
    clock = site.desk(visitor).clock()
    which = AuditFilter(start(since, clock, site.settings.zone), clock + 1, action, by, looks=looks)
    place = place_of(cursor)
    found = await site.store.records.audit_page(which, limit, place[0] if place else 0)
    listed = [rows.audit_entry(line, site.settings.zone) for _, line in found]
    after = cursor_of(found[-1][0]) if len(found) == limit else None
    return await _listed(site, visitor, "numbers in the audit trail", listed, after, reveal=reveal)


# ── events ───────────────────────────────────────────────────────────────────────────────────────


_STREAM: Final = {
    "description": "CloudEvents, each as one server-sent event",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


@router.get("/events", tags=["events"], response_class=StreamingResponse, responses={200: _STREAM})
async def events(
    request: Request,
    visitor: Annotated[Visitor, program(Permission.WALL)],
    types: Annotated[str, Query(max_length=400, description="Only these: `call.ended,block.imposed`.")] = "",
    follow: Annotated[bool, Query(description="Go on; else end after what there is.")] = True,
    last: Annotated[str, Header(alias="Last-Event-ID", max_length=18)] = "",
) -> StreamingResponse:
    """Stream events as server-sent events; with `Last-Event-ID`, from there on (kept for a week).

    A role that does not see the shift gets no numbers, no names, and not the reasons that people wrote.
    """
    site = console(request)
    wanted = frozenset(_types(types))
    after = whole(last) if last else (await site.store.records.last_announced() if follow else 0)
    if after is None:
        raise UsageError(say("Last-Event-ID must be the id of an event, as you received it"))
    told = _told(request, visitor, after, wanted) if follow else _there(site, visitor, after, wanted)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(told, media_type="text/event-stream", headers=headers)


def _types(text: str) -> list[EventType]:
    known = {one.value: one for one in EventType}
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            say('types: there is no "{name}" (there are: {known})'), name=unknown[0], known=", ".join(known)
        )
    return [known[name] for name in names]


async def _there(
    site: Console, visitor: Visitor, after: int, wanted: frozenset[EventType]
) -> AsyncIterator[bytes]:
    """Yield the stored events after that one."""
    while found := await site.store.records.announcements(after):
        after = found[-1].id
        for one in found:
            if not wanted or one.told.type in wanted:
                yield _event(site, visitor, one)


def _event(site: Console, visitor: Visitor, one: Announced) -> bytes:
    people = visitor.may(Permission.SHIFT)
    numbers, config = visitor.numbers and people, site.settings
    return as_sse(cloud_event(one, config.site, config.zone, numbers=numbers, people=people))


async def _told(
    request: Request, visitor: Visitor, after: int, wanted: frozenset[EventType]
) -> AsyncIterator[bytes]:
    """Yield events after that one as they come, as long as the token is good.

    Followers that keep up share one read.
    """
    site, clock = console(request), asyncio.get_running_loop().time
    spoken = clock()
    yield b": here\n\n"
    with site.live.watched():
        async for _ in site.live.changes(HEARTBEAT_SECONDS):
            while found := await _after(site, after):
                if not await site.gate.still(request, visitor):
                    return
                after = found[-1].id
                for one in found:
                    if not wanted or one.told.type in wanted:
                        spoken = clock()
                        yield _event(site, visitor, one)
            if clock() - spoken >= HEARTBEAT_SECONDS:
                if not await site.gate.still(request, visitor):
                    return
                spoken = clock()
                yield b": still here\n\n"


async def _after(site: Console, after: int) -> Sequence[Announced]:
    live = site.live
    if live.last <= after:
        return []
    if live.lately and live.lately[0].id <= after + 1:
        return [one for one in live.lately if one.id > after]
    return await site.store.records.announcements(after)
