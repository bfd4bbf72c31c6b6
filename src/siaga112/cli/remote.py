"""The commands over the API, for users who have a token but no account on the siaga112 machine."""

import asyncio
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

from siaga112.app.deeds import Done
from siaga112.core import durations
from siaga112.core.model import SECOND, Caller, CallId, Mark, Millis, Mode, Outcome
from siaga112.errors import Said, SiagaError, UnreachableError, UsageError
from siaga112.reasons import plainly
from siaga112.service.asking import ASK_FIRST, Cause, Caution
from siaga112.service.marking import ReportDetails
from siaga112.service.supervisor import AskFirstError
from siaga112.terminal import rows
from siaga112.terminal.evidence import Form
from siaga112.terminal.rows import Row
from siaga112.words import Language, say

PATIENCE: Final = 30.0
PAGE: Final = 200
EVER: Final = "2000-01-01"
"""Before every call."""


class Api:
    """A client of the API at one address, with one token."""

    def __init__(self, address: str, token: str, lang: str = "") -> None:
        if not re.fullmatch(r"https?://[^/?#]+/?", address):
            said = say('--api "{address}": the console\'s address, like "https://siaga.serang.go.id"')
            raise UsageError(said, address=address)
        if not token:
            raise UsageError(say("--api needs a token in SIAGA112_TOKEN (siaga112 token add makes one)"))
        self._root = address.rstrip("/") + "/api/v1/"
        self._token = token
        self._lang = lang

    async def ask(self, method: str, path: str, query: Row | None = None, body: Row | None = None) -> Any:
        """Send a request; return the JSON of the answer.

        Raises:
            UnreachableError: if no console answers there.
            SiagaError: if the console refuses; it has the console's reason.

        """
        return await asyncio.to_thread(self._ask, method, path, query or {}, body)

    async def file(self, path: str, query: Row) -> bytes:
        """Return a file; raises as `ask` does."""
        return await asyncio.to_thread(self._fetched, "GET", path, query, None)

    def _ask(self, method: str, path: str, query: Row, body: Row | None) -> Any:
        text = self._fetched(method, path, query, body)
        try:
            return json.loads(text)
        except ValueError as error:
            raise self._unreached(error) from error

    def _fetched(self, method: str, path: str, query: Row, body: Row | None) -> bytes:
        wanted = {key: _spelled(value) for key, value in query.items() if value}
        url = self._root + path + (f"?{urllib.parse.urlencode(wanted, doseq=True)}" if wanted else "")
        request = urllib.request.Request(  # noqa: S310 - http or https, as checked above
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/json, */*;q=0.5",
                **({"Accept-Language": self._lang} if self._lang else {}),
                **({} if body is None else {"Content-Type": "application/json"}),
            },
        )
        try:
            with _opener.open(request, timeout=PATIENCE) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise _refused(error) from None
        except (OSError, ValueError) as error:
            raise self._unreached(error) from error

    def _unreached(self, error: Exception) -> UnreachableError:
        at, why = self._root.removesuffix("/api/v1/"), plainly(error) or Said("no answer from siaga112")
        said = say(
            "the console at {at}: {why}; is it running (siaga112 run --only console), and is this its "
            "address?"
        )
        return UnreachableError(said, at=at, why=why)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect, so that the token is sent nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener: Final = urllib.request.build_opener(_NoRedirect)


def _spelled(value: object) -> str | list[str]:
    if isinstance(value, list):
        return [str(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seen(instants: Collection[Millis]) -> Row:
    """Return the field that names what was seen; none without it, which an older console does not know."""
    times = [datetime.fromtimestamp(one / SECOND, UTC).isoformat(timespec="milliseconds") for one in instants]
    return {"seen": times} if times else {}


def _refused(error: urllib.error.HTTPError) -> SiagaError:
    """Return the error that the console reports; a question becomes `AskFirstError`, as it does locally."""
    try:
        told = json.loads(error.read())
        if told.get("type") == ASK_FIRST:
            return AskFirstError(
                [Caution(Cause(one["cause"]), one["caller"], str(one["said"])) for one in told["asks"]]
            )
        return SiagaError(str(told.get("detail") or told["title"]))
    except (ValueError, LookupError, AttributeError, TypeError, OSError):
        return SiagaError(say("the console answers {code}; is the address right?"), code=error.code)


class RemoteDeeds:
    """`app.deeds.Deeds` over the API."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def _said(self, method: str, path: str, body: Row | None = None, query: Row | None = None) -> str:
        return str((await self._api.ask(method, path, query, body))["said"])

    async def block(
        self,
        callers: Sequence[Caller],
        span: Millis | None,
        reason: str,
        *,
        shorten: bool = False,
        yes: bool = False,
    ) -> list[Done]:
        """Block callers for a span, or permanently (None)."""
        length: Row = {"permanent": True} if span is None else {"for": durations.spell(span)}
        body: Row = {"reason": reason, "shorten": shorten, "yes": yes, **length}
        body |= {"caller": callers[0]} if len(callers) == 1 else {"numbers": list(callers)}
        told = await self._api.ask("POST", "blocks", body=body)
        return [Done(Caller(one["caller"]), one["done"], one["said"]) for one in told["results"]]

    async def unblock(
        self, caller: Caller, reason: str, *, mistake: bool = False, seen: Collection[Millis] = ()
    ) -> str:
        """Lift all blocks on a caller, and dismiss any proposal."""
        query: Row = {"reason": reason, "mistake": mistake, **_seen(seen)}
        return await self._said("DELETE", f"blocks/{_in_path(caller)}", query=query)

    async def confirm(
        self, caller: Caller, reason: str, *, yes: bool = False, seen: Collection[Millis] = ()
    ) -> str:
        """Impose the proposed block."""
        body: Row = {"reason": reason, "yes": yes, **_seen(seen)}
        return await self._said("POST", f"proposals/{_in_path(caller)}/confirm", body)

    async def dismiss(self, caller: Caller, reason: str, *, seen: Collection[Millis] = ()) -> str:
        """Dismiss the proposed block."""
        body: Row = {"reason": reason, **_seen(seen)}
        return await self._said("POST", f"proposals/{_in_path(caller)}/dismiss", body)

    async def allow(self, caller: Caller, reason: str) -> str:
        """Put a caller on the allow list."""
        return await self._said("PUT", f"allowed/{_in_path(caller)}", {"reason": reason})

    async def disallow(self, caller: Caller) -> str:
        """Take a caller off the allow list."""
        return await self._said("DELETE", f"allowed/{_in_path(caller)}")

    async def appeal(self, caller: Caller, reason: str) -> str:
        """Record a caller's objection."""
        return await self._said("POST", "appeals", {"caller": caller, "reason": reason})

    async def reject(self, caller: Caller, reason: str, *, seen: Collection[Millis] = ()) -> str:
        """Reject a caller's objection."""
        body: Row = {"reason": reason, **_seen(seen)}
        return await self._said("POST", f"appeals/{_in_path(caller)}/reject", body)

    async def hold(self, caller: Caller, reason: str) -> str:
        """Keep a caller's records as evidence."""
        return await self._said("PUT", f"callers/{_in_path(caller)}/hold", {"reason": reason})

    async def release(self, caller: Caller, reason: str) -> str:
        """End the hold on a caller's records."""
        return await self._said("DELETE", f"callers/{_in_path(caller)}/hold", query={"reason": reason})

    async def void(self, call: CallId, reason: str) -> str:
        """Withdraw a strike, with the blocks that rest on it."""
        return await self._said("POST", f"calls/{_in_path(call)}/void", {"reason": reason})

    async def mark(self, call: CallId, mark: Mark, note: str, details: ReportDetails) -> str:
        """Set the operator's mark of a call; `call` may be a number: its last answered call."""
        body: Row = {"call": call, "mark": mark, "note": note, **details._asdict()}
        return await self._said("POST", "marks", body)

    async def take(self, caller: Caller, note: str) -> str:
        """Record that this person will call the caller back."""
        return await self._said("POST", f"callbacks/{_in_path(caller)}", {"did": "take", "note": note})

    async def tried(self, caller: Caller, note: str) -> str:
        """Record that this person called the caller back without an answer."""
        return await self._said("POST", f"callbacks/{_in_path(caller)}", {"did": "tried", "note": note})

    async def reached(self, caller: Caller, note: str) -> str:
        """Take a caller off the call-back list."""
        return await self._said("POST", f"callbacks/{_in_path(caller)}", {"did": "reached", "note": note})

    async def switch(self, mode: Mode, reason: str) -> str:
        """Switch the mode of the whole site."""
        return await self._said("PUT", "mode", {"mode": mode, "reason": reason})


class RemoteLists:
    """`app.lists.Lists` over the API."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def calls(
        self,
        since: str,
        until: str = "",
        *,
        outcome: Outcome | None = None,
        caller: Caller | None = None,
        call: str = "",
        last: int | None = None,
        explain: bool = False,
    ) -> list[Row]:
        """List calls, oldest first, as `Lists.calls` does."""
        if call:
            row = await self._call(call)
            return [row if explain else {name: row[name] for name in rows.SUMMARY_NAMES}]
        wanted: Row = {"since": since or EVER, "until": until, "outcome": outcome, "caller": caller}
        found = (await self._all("calls", wanted, last))[::-1]
        if not explain:
            return found
        return [await self._call(str(row["call"])) for row in found]

    async def _call(self, call: str) -> Row:
        return cast("Row", await self._api.ask("GET", f"calls/{_in_path(call)}", {"reveal": True}))

    async def _all(self, path: str, query: Row, most: int | None = None) -> list[Row]:
        """Return what all pages list, or so many rows of it."""
        found: list[Row] = []
        cursor: object = None
        while True:
            limit = PAGE if most is None else min(PAGE, most - len(found))
            page = await self._api.ask(
                "GET", path, {**query, "limit": limit, "cursor": cursor, "reveal": True}
            )
            found += page["items"]
            cursor = page["next"]
            if not cursor or len(found) == most:
                return found

    async def blocks(self) -> list[Row]:
        """List the blocked callers."""
        return await self._all("blocks", {})

    async def proposals(self) -> list[Row]:
        """List the callers whose block waits for a supervisor."""
        return await self._all("proposals", {})

    async def allowed(self) -> list[Row]:
        """List the callers who are never blocked."""
        return await self._all("allowed", {})

    async def appeals(self) -> list[Row]:
        """List the objections that wait for a decision, the most urgent first."""
        return await self._all("appeals", {})

    async def holds(self) -> list[Row]:
        """List the callers whose records are kept as evidence, the oldest hold first."""
        return (await self._all("holds", {}))[::-1]

    async def privacy(self) -> list[Row]:
        """List what is stored, by kind: how much, how old, until when, by which setting."""
        return [*(await self._api.ask("GET", "privacy"))["items"]]

    async def callbacks(self) -> list[Row]:
        """List the callers who wait for a call-back, the most urgent first."""
        return await self._all("callbacks", {})

    async def audit(self, since: str) -> list[Row]:
        """List what people did, oldest first."""
        return (await self._all("audit", {"since": since}))[::-1]

    async def mode(self) -> Mode:
        """Return the mode in force."""
        return Mode((await self._api.ask("GET", "mode"))["mode"])

    async def why(self, caller: Caller) -> tuple[Row, list[str]]:
        """Return a caller's story as one object, and as lines."""
        found = await self._api.ask("GET", f"callers/{_in_path(caller)}", {"reveal": True})
        return cast("Row", found["story"]), [str(line) for line in found["lines"]]

    async def sheet(self, caller: Caller, form: Form, lang: Language | None) -> bytes:
        """Return a caller's evidence sheet as a file; the audit trail notes the request."""
        return await self._api.file(f"callers/{_in_path(caller)}/sheet", {"format": form, "lang": lang})

    async def subject(self, caller: Caller) -> Row:
        """Return everything stored on a caller; the audit trail notes the request."""
        return cast("Row", await self._api.ask("GET", f"callers/{_in_path(caller)}/subject"))


def _in_path(text: str) -> str:
    return urllib.parse.quote(text, safe="")
