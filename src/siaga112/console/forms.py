"""The console's forms. Each is one decision, made as a command makes it."""

import contextlib
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from siaga112.adapters import passwords
from siaga112.app.access import change_rights, digest, new_token
from siaga112.app.deeds import details
from siaga112.app.records import now
from siaga112.console.access import console, person
from siaga112.console.api import block_span, erase, in_short
from siaga112.console.identity import (
    MayNotError,
    NobodyError,
    TooOftenError,
    Visitor,
    same,
)
from siaga112.console.rendering import home, page
from siaga112.console.site import Console, MarkLater, NotANumberError
from siaga112.core import durations
from siaga112.core.access import Permission, Person, Role, Token, named
from siaga112.core.changes import Change
from siaga112.core.mode import SITE
from siaga112.core.model import AuditEntry, Caller, CallId, Mark, Mode
from siaga112.core.text import one_line
from siaga112.errors import SiagaError, UsageError, saying
from siaga112.service.supervisor import AskFirstError
from siaga112.words import Language, say

router: Final = APIRouter(default_response_class=HTMLResponse)

Csrf = Annotated[str, Form(max_length=100)]
Line = Annotated[str, Form(max_length=500)]
Short = Annotated[str, Form(max_length=120)]
Password = Annotated[str, Form(max_length=1_000)]
Ticked = Annotated[bool, Form()]
Lines = Annotated[str, Form(max_length=20_000)]
Seen = Annotated[str, Form(max_length=120, pattern=r"^[0-9 ]*$")]
"""When each began that the page shows for a decision: milliseconds, separated by spaces."""

MOST_NUMBERS: Final = 500
MOST_NAMED: Final = 5
"""Numbers named in the answer to a bulk block, and bad lines named in its error."""

_CELLS: Final = re.compile("[\t;,]")


def _trusted(request: Request, visitor: Visitor, csrf: str) -> None:
    """Check that a form was filled in on our own page.

    Raises:
        MayNotError: if it was not.

    """
    if _foreign(request) or not same(csrf, visitor.csrf):
        raise MayNotError(say("the form is not of this session: go back, reload the page, and try again"))


def _foreign(request: Request) -> bool:
    """Return whether the browser says that another site's page sent this."""
    return request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A form that may need confirmation: its action, its fields, and where "no" leads back to."""

    action: str
    back: str
    fields: Mapping[str, str]
    shorten: bool = False


async def _done(  # noqa: PLR0917 - what all forms have
    request: Request,
    visitor: Visitor,
    csrf: str,
    work: Coroutine[Any, Any, str],
    back: str = "",
    asked: Asked | None = None,
) -> Response:
    """Make a decision and show the result on the form's page; or ask for confirmation."""
    with contextlib.closing(work):
        _trusted(request, visitor, csrf)
        site = console(request)
        t = site.t(visitor)
        try:
            said, kind = await work, "good"
        except AskFirstError as error:
            if asked is None:
                raise
            reasons = [one.told(t) for one in error.cautions]
            shown = {"asked": asked, "reasons": reasons, "here": asked.back}
            return page(request, "ask.html.j2", visitor, HTTPStatus.CONFLICT, **shown)
        except SiagaError as error:
            said, kind = error.told(t), "bad"
    back = back or (asked.back if asked else "")
    site.flashes[visitor.session] = kind, "; ".join([said, *site.late(visitor)])
    return RedirectResponse(_local(back) or home(visitor), 303)


def _local(path: str) -> str:
    """Return a local address; nothing else may be redirected to."""
    ours = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if ours else ""


def _why(reason: str) -> str:
    reason = one_line(reason)
    if not reason:
        raise UsageError(say("say why, for the record"))
    return reason


# ── in and out ───────────────────────────────────────────────────────────────────────────────────


@router.post("/login")
async def login(
    request: Request, name: Annotated[str, Form(max_length=200)] = "", password: Password = ""
) -> Response:
    """Log a person in."""
    site = console(request)
    if _foreign(request):
        raise MayNotError(say("log in from our own page"))
    address = request.client.host if request.client else ""
    t = site.t(None)
    try:
        held = await site.gate.login(name, password, address)
    except NobodyError:
        wrong = t("Wrong name or password.")
        return page(request, "login.html.j2", None, 401, wrong=wrong)
    except TooOftenError as error:
        seconds = f"{max(1.0, error.seconds):.0f}"
        wrong = t("Too many tries. Wait {seconds} s, and try again.", seconds=seconds)
        answer = page(request, "login.html.j2", None, 429, wrong=wrong)
        answer.headers["Retry-After"] = seconds
        return answer
    came = RedirectResponse("/", 303)
    secure = site.gate.secure
    came.set_cookie(site.gate.cookie, held, httponly=True, secure=secure, samesite="strict", path="/")
    return came


@router.post("/logout")
async def logout(
    request: Request, visitor: Annotated[Visitor, person(Permission.WALL)], csrf: Csrf = ""
) -> Response:
    """End the session."""
    _trusted(request, visitor, csrf)
    gate = console(request).gate
    await gate.logout(visitor)
    gone = RedirectResponse("/login", 303)
    gone.delete_cookie(gate.cookie, path="/", secure=gate.secure, httponly=True, samesite="strict")
    return gone


@router.post("/lang")
async def lang(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.WALL)],
    lang: Annotated[Language, Form()],
    csrf: Csrf = "",
    back: Short = "",
) -> Response:
    """Change this person's language."""
    _trusted(request, visitor, csrf)
    site = console(request)
    line = AuditEntry(now(), visitor.name, "language", visitor.name, lang.value, via=visitor.via)
    spoken = lang.value
    await site.store.records.change_person(visitor.name, lambda held, _: replace(held, lang=spoken), line)
    site.gate.forget()
    return RedirectResponse(_local(back) or home(visitor), 303)


# ── the site ─────────────────────────────────────────────────────────────────────────────────────


@router.post("/mode")
async def mode(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.MODE)],
    mode: Annotated[Mode, Form()],
    reason: Line = "",
    csrf: Csrf = "",
) -> Response:
    """Switch the mode of the whole site."""

    async def act() -> str:
        site = console(request)
        if mode is Mode.OFF and not one_line(reason):
            raise UsageError(say("mode off needs a reason, for whoever finds the line without screening"))
        return await site.deeds(visitor).switch(mode, one_line(reason))

    return await _done(request, visitor, csrf, act(), "/wall")


@router.post("/find")
async def find(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.SHIFT)],
    number: Short = "",
    csrf: Csrf = "",
) -> Response:
    """Find a caller by number, or a call by its id."""
    _trusted(request, visitor, csrf)
    site, sought = console(request), number.strip()
    if "." in sought:
        return RedirectResponse(f"/calls/{(await site.call(sought)).finding.call.id}", 303)
    return RedirectResponse(f"/caller/{site.hiding.hide(site.number(sought))}", 303)


# ── calls ────────────────────────────────────────────────────────────────────────────────────────


@router.post("/calls/{call}/mark")
async def mark(  # noqa: PLR0917 - one parameter a field
    request: Request,
    call: str,
    visitor: Annotated[Visitor, person(Permission.MARK)],
    mark: Annotated[Mark, Form()],
    kind: Short = "",
    district: Short = "",
    agency: Short = "",
    note: Line = "",
    csrf: Csrf = "",
    back: Short = "",
) -> Response:
    """Mark an answered call; one in progress is marked when it ends."""

    async def act() -> str:
        site, id_ = console(request), CallId(call)
        t = site.t(visitor)
        given = (kind, district, agency) if mark is Mark.GENUINE else ("", "", "")  # the whole form
        told = details(site.settings, mark, *given)
        entry = await site.store.entry(id_)
        if entry is None and _goes_on(site, id_):
            site.marks[id_] = MarkLater(visitor, mark, one_line(note), told)
            site.live.version += 1
            return t("the call will be marked when it is over")
        if entry:
            site.require_at_hand(visitor, entry.finding.call)
        return await site.deeds(visitor).mark(id_, mark, one_line(note), told)

    return await _done(request, visitor, csrf, act(), back or "/shift")


def _goes_on(site: Console, call: CallId) -> bool:
    snapshot = site.live.snapshot
    return bool(snapshot and any(one.call == call for one in snapshot.calls))


@router.post("/calls/{call}/void")
async def void(
    request: Request,
    call: str,
    visitor: Annotated[Visitor, person(Permission.DECIDE)],
    reason: Line = "",
    csrf: Csrf = "",
) -> Response:
    """Void one strike."""

    async def act() -> str:
        return await console(request).deeds(visitor).void(CallId(call), _why(reason))

    return await _done(request, visitor, csrf, act(), f"/calls/{call}")


# ── callers ──────────────────────────────────────────────────────────────────────────────────────


@router.post("/callbacks/{reference}")
async def attempt(  # noqa: PLR0917 - one parameter a field
    request: Request,
    reference: str,
    visitor: Annotated[Visitor, person(Permission.CALLBACK)],
    did: Annotated[str, Form(pattern="^(take|tried|reached)$")],
    note: Line = "",
    csrf: Csrf = "",
    back: Short = "",
) -> Response:
    """Record the result of a call-back."""

    async def act() -> str:
        site = console(request)
        caller, deeds = site.found(reference), site.deeds(visitor)
        return str(await getattr(deeds, did)(caller, one_line(note)))

    return await _done(request, visitor, csrf, act(), back or "/callbacks")


@router.post("/caller/{reference}/block")
async def block(  # noqa: PLR0917 - one parameter a field
    request: Request,
    reference: str,
    visitor: Annotated[Visitor, person(Permission.DECIDE)],
    length: Short = "",
    reason: Line = "",
    shorten: Ticked = False,
    yes: Ticked = False,
    csrf: Csrf = "",
) -> Response:
    """Block a caller."""
    asked = Asked(request.url.path, f"/caller/{reference}", {"length": length, "reason": reason}, shorten)

    async def act() -> str:
        site = console(request)
        return await _blocked(site, visitor, [site.found(reference)], asked, yes=yes)

    return await _done(request, visitor, csrf, act(), asked=asked)


@router.post("/blocks")
async def block_all(  # noqa: PLR0917 - one parameter a field
    request: Request,
    visitor: Annotated[Visitor, person(Permission.DECIDE)],
    numbers: Lines = "",
    length: Short = "",
    reason: Line = "",
    shorten: Ticked = False,
    yes: Ticked = False,
    csrf: Csrf = "",
) -> Response:
    """Block several callers, one per line, as pasted from a sheet."""
    fields = {"numbers": numbers, "length": length, "reason": reason}
    asked = Asked(request.url.path, "/blocks", fields, shorten)

    async def act() -> str:
        site = console(request)
        return await _blocked(site, visitor, _pasted(site, visitor, numbers), asked, yes=yes)

    return await _done(request, visitor, csrf, act(), asked=asked)


async def _blocked(site: Console, visitor: Visitor, callers: list[Caller], asked: Asked, *, yes: bool) -> str:
    length, reason = asked.fields["length"], _why(asked.fields["reason"])
    permanent = length == "permanent"
    span = block_span("" if permanent else length.strip(), permanent=permanent, shorten=asked.shorten)
    done = await site.deeds(visitor).block(callers, span, reason, shorten=asked.shorten, yes=yes)
    short, refused = in_short(done, site.t(visitor)), [one for one in done if not one.done]
    if refused:
        raise SiagaError("\n".join([short, *(f"{one.caller}: {one.said}" for one in refused)]))
    return "\n".join([short, *(one.said for one in done)]) if len(done) > 1 else short


def _pasted(site: Console, visitor: Visitor, text: str) -> list[Caller]:
    """Parse one number per line; of a line of a sheet, the first cell.

    Raises:
        UsageError: naming the first lines without a valid number, or if there is no number at all.

    """
    found, wrong, t = list[Caller](), list[str](), site.t(visitor)
    for nth, line in enumerate(text.splitlines(), 1):
        cell = next(filter(None, (part.strip().strip("'\"").strip() for part in _CELLS.split(line))), "")
        try:
            found += [site.number(cell)] if cell else []
        except NotANumberError as error:
            wrong.append(t("line {nth}: {why}", nth=nth, why=error.told(t)))
    if wrong:
        raise UsageError("\n".join([*wrong[:MOST_NAMED], *(["…"] if wrong[MOST_NAMED:] else [])]))
    if not found:
        raise UsageError(say("no number: write one per line"))
    if len(found) > MOST_NUMBERS:
        raise UsageError(say("more than {most} numbers at once"), most=MOST_NUMBERS)
    return found


@router.post("/caller/{reference}/unblock")
async def unblock(  # noqa: PLR0917 - one parameter a field
    request: Request,
    reference: str,
    visitor: Annotated[Visitor, person(Permission.DECIDE)],
    reason: Line = "",
    mistake: Ticked = False,
    seen: Seen = "",
    csrf: Csrf = "",
    back: Short = "",
) -> Response:
    """Lift all blocks on a caller; this grants an open objection."""

    async def act() -> str:
        site, shown = console(request), [*map(int, seen.split())]
        caller, deeds = site.found(reference), site.deeds(visitor)
        return await deeds.unblock(caller, _why(reason), mistake=mistake, seen=shown)

    return await _done(request, visitor, csrf, act(), back or f"/caller/{reference}")


@router.post("/caller/{reference}/appeal")
async def appeal(  # noqa: PLR0917 - one parameter a field
    request: Request,
    reference: str,
    visitor: Annotated[Visitor, person(Permission.APPEAL)],
    reason: Line = "",
    csrf: Csrf = "",
    back: Short = "",
) -> Response:
    """Record a caller's objection."""

    async def act() -> str:
        site = console(request)
        return await site.deeds(visitor).appeal(site.found(reference), _why(reason))

    return await _done(request, visitor, csrf, act(), back or f"/caller/{reference}")


@router.post("/appeals")
async def appeal_of(  # noqa: PLR0917 - one parameter a field
    request: Request,
    visitor: Annotated[Visitor, person(Permission.APPEAL)],
    number: Short = "",
    reason: Line = "",
    csrf: Csrf = "",
    back: Short = "",
) -> Response:
    """Record the objection of the person with that number."""

    async def act() -> str:
        site = console(request)
        return await site.deeds(visitor).appeal(site.number(number.strip()), _why(reason))

    return await _done(request, visitor, csrf, act(), back or "/subject")


@router.post("/caller/{reference}/hold")
async def hold(  # noqa: PLR0917 - one parameter a field
    request: Request,
    reference: str,
    visitor: Annotated[Visitor, person(Permission.HOLD)],
    did: Annotated[str, Form(pattern="^(hold|release)$")] = "hold",
    reason: Line = "",
    csrf: Csrf = "",
    back: Short = "",
) -> Response:
    """Keep a caller's records as evidence, or release them."""

    async def act() -> str:
        site = console(request)
        caller, deeds = site.found(reference), site.deeds(visitor)
        return await (deeds.hold if did == "hold" else deeds.release)(caller, _why(reason))

    return await _done(request, visitor, csrf, act(), back or f"/caller/{reference}")


@router.post("/holds")
async def hold_of(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.HOLD)],
    number: Short = "",
    reason: Line = "",
    csrf: Csrf = "",
) -> Response:
    """Keep the records of the person with that number as evidence."""

    async def act() -> str:
        site = console(request)
        return await site.deeds(visitor).hold(site.number(number.strip()), _why(reason))

    return await _done(request, visitor, csrf, act(), "/holds")


@router.post("/caller/{reference}/{decision}")
async def decide(  # noqa: PLR0917 - one parameter a field
    request: Request,
    reference: str,
    decision: str,
    visitor: Annotated[Visitor, person(Permission.DECIDE)],
    reason: Line = "",
    yes: Ticked = False,
    seen: Seen = "",
    csrf: Csrf = "",
    back: Short = "",
) -> Response:
    """Confirm or dismiss a proposal, reject an objection, or change the allow list."""

    async def act() -> str:
        site, shown = console(request), [*map(int, seen.split())]
        caller, deeds = site.found(reference), site.deeds(visitor)
        match decision:
            case "confirm":
                return await deeds.confirm(caller, _why(reason), yes=yes, seen=shown)
            case "dismiss":
                return await deeds.dismiss(caller, _why(reason), seen=shown)
            case "reject":
                return await deeds.reject(caller, _why(reason), seen=shown)
            case "allow":
                return await deeds.allow(caller, _why(reason))
            case "disallow":
                return await deeds.disallow(caller)
            case _:
                raise UsageError(say("there is no such decision"))

    back = _local(back) or f"/caller/{reference}"
    asked = Asked(request.url.path, back, {"reason": reason, "seen": seen, "back": back})
    return await _done(request, visitor, csrf, act(), back, asked)


# ── the shift ────────────────────────────────────────────────────────────────────────────────────


@router.post("/handover")
async def handover(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.DECIDE)],
    did: Annotated[str, Form(pattern="^(note|take over)$")],
    note: Line = "",
    csrf: Csrf = "",
) -> Response:
    """Leave a note for the next shift, or take over."""

    async def act() -> str:
        text = one_line(note) if did == "take over" else _why(note)
        action = "shift note" if did == "note" else "takes over the shift"
        site = console(request)
        line = AuditEntry(now(), visitor.name, action, SITE, "", text, visitor.via)
        await site.store.write([Change(audit_entry=line)])
        t = site.t(visitor)
        return t("the note is saved") if did == "note" else t("{who} has taken over", who=visitor.name)

    return await _done(request, visitor, csrf, act(), "/handover")


# ── a person's data ──────────────────────────────────────────────────────────────────────────────


@router.post("/subject")
async def subject(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.SUBJECT)],
    number: Short = "",
    csrf: Csrf = "",
) -> Response:
    """Return everything stored about a caller."""
    _trusted(request, visitor, csrf)
    site = console(request)
    return RedirectResponse(f"/subject/{site.hiding.hide(site.number(number.strip()))}.json", 303)


@router.post("/forget")
async def forget(  # noqa: PLR0917 - one parameter a field
    request: Request,
    visitor: Annotated[Visitor, person(Permission.FORGET)],
    number: Short = "",
    again: Short = "",
    reason: Line = "",
    csrf: Csrf = "",
) -> Response:
    """Erase everything stored about a caller; the number must be typed twice, since it cannot be undone."""

    async def act() -> str:
        if number.strip() != again.strip():
            raise UsageError(say("the two numbers differ: nothing was erased"))
        return await erase(console(request), visitor, number.strip(), _why(reason))

    return await _done(request, visitor, csrf, act(), "/subject")


# ── users, tokens, webhooks ──────────────────────────────────────────────────────────────────────


@router.post("/people/add")
async def add_person(  # noqa: PLR0917 - one parameter a field
    request: Request,
    visitor: Annotated[Visitor, person(Permission.PEOPLE)],
    role: Annotated[Role, Form()],
    name: Short = "",
    password: Password = "",
    csrf: Csrf = "",
) -> Response:
    """Add a user."""

    async def act() -> str:
        site = console(request)
        t = site.t(visitor)
        called = _named(name)
        if await site.store.records.person(called):
            raise SiagaError(say("user {who} already exists"), who=called)
        made = Person(called, role, _hashed(password), None, now(), visitor.name)
        line = AuditEntry(now(), visitor.name, "user added", called, role.value, via=visitor.via)
        await site.store.records.keep_person(made, line)
        return t("{who} is now a user", who=called)

    return await _done(request, visitor, csrf, act(), "/people")


@router.post("/people/change")
async def change_person(  # noqa: PLR0917 - one parameter a field
    request: Request,
    visitor: Annotated[Visitor, person(Permission.PEOPLE)],
    did: Annotated[str, Form(pattern="^(role|password|disable|enable)$")],
    name: Short = "",
    role: Annotated[Role | None, Form()] = None,
    password: Password = "",
    csrf: Csrf = "",
) -> Response:
    """Change a user's role or password, or disable the user."""

    async def act() -> str:
        site = console(request)
        t = site.t(visitor)
        change, told = _change(did, role, password)
        line = AuditEntry(now(), visitor.name, "user changed", name, told, via=visitor.via)
        new = await change_rights(site.store.records, name, change, line)
        if new is None:
            raise SiagaError(say("there is no user {who}"), who=name)
        site.gate.forget()
        return t("{who} is changed, and logged out everywhere", who=new.name)

    return await _done(request, visitor, csrf, act(), "/people")


def _change(did: str, role: Role | None, password: str) -> tuple[Callable[[Person], Person], str]:
    """Return what a form does to a person, and how the audit trail says so."""
    at = now()
    match did:
        case "role":
            return lambda held: replace(held, role=role or held.role), f"role {role or ''}".strip()
        case "password":
            hashed = _hashed(password)
            return lambda held: replace(held, password=hashed), "password"
        case "disable":
            return lambda held: replace(held, disabled_at=at), "disabled"
        case _:
            return lambda held: replace(held, disabled_at=None), "enabled"


def _named(name: str) -> str:
    try:
        return named(name)
    except ValueError as error:
        raise UsageError(saying(error)) from None


def _hashed(password: str) -> str:
    try:
        return passwords.hashed(password)
    except ValueError as error:
        raise UsageError(saying(error)) from None


@router.post("/tokens/add")
async def add_token(  # noqa: PLR0917 - one parameter a field
    request: Request,
    visitor: Annotated[Visitor, person(Permission.PEOPLE)],
    role: Annotated[Role, Form()],
    name: Short = "",
    lasts: Short = "",
    numbers: Ticked = False,
    csrf: Csrf = "",
) -> Response:
    """Create a token; it is shown only once."""

    async def act() -> str:
        site = console(request)
        t = site.t(visitor)
        called = _named(name)
        if any(one.name == called for one in await site.store.records.tokens()):
            raise SiagaError(say("token {who} already exists"), who=called)
        try:
            until = now() + durations.parse(lasts.strip()) if lasts.strip() else None
        except ValueError as error:
            raise UsageError(saying(error)) from None
        held = new_token()
        made = Token(called, digest(held), role, numbers, now(), visitor.name, until)
        line = AuditEntry(now(), visitor.name, "token added", called, role.value, via=visitor.via)
        await site.store.records.keep_token(made, line)
        return t("the token of {who}, shown this once: {token}", who=called, token=held)

    return await _done(request, visitor, csrf, act(), "/people")


@router.post("/tokens/revoke")
async def revoke_token(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.PEOPLE)],
    name: Short = "",
    csrf: Csrf = "",
) -> Response:
    """Revoke a token."""

    async def act() -> str:
        site = console(request)
        t = site.t(visitor)
        held = next((one for one in await site.store.records.tokens() if one.name == name), None)
        if held is None:
            raise SiagaError(say("there is no token {who}"), who=name)
        line = AuditEntry(now(), visitor.name, "token revoked", held.name, via=visitor.via)
        await site.store.records.keep_token(replace(held, revoked_at=now()), line)
        site.gate.forget()
        return t("{who} can no longer log in", who=held.name)

    return await _done(request, visitor, csrf, act(), "/people")


@router.post("/webhooks/again")
async def again(
    request: Request,
    visitor: Annotated[Visitor, person(Permission.PEOPLE)],
    name: Short = "",
    csrf: Csrf = "",
) -> Response:
    """Resend what a webhook rejected."""

    async def act() -> str:
        site = console(request)
        count = await site.hooks.again(name)
        return site.t(visitor).many("{count} event sent again", "{count} events sent again", count)

    return await _done(request, visitor, csrf, act(), "/people")
