"""Queries on the records, as rows with stable names: the same for commands, console and API."""

from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from zoneinfo import ZoneInfo

from siaga112.adapters import pdf
from siaga112.core import durations
from siaga112.core.holdings import Kind
from siaga112.core.model import (
    FIRST_INSTANT,
    SECOND,
    Caller,
    CallId,
    CallSummary,
    Entry,
    Millis,
    Mode,
    Outcome,
)
from siaga112.core.period import instant
from siaga112.errors import SiagaError, UsageError, saying
from siaga112.service.ports import CallFilter
from siaga112.service.supervisor import CallerFile, Supervisor
from siaga112.settings.schema import Settings
from siaga112.terminal import evidence as paper
from siaga112.terminal import rows
from siaga112.terminal.rows import Row
from siaga112.terminal.story import Story, as_row, tell
from siaga112.words import Language, Tongue, say, tongue

if TYPE_CHECKING:
    from siaga112.app.store import SiteStore

PAGE: Final = 500
"""Calls read at once."""

NOT_A_NUMBER: Final = say(
    '"{number}" is not the number of a caller (hidden, service, too short, not valid or in never_block)'
)


def start(text: str, now: Millis, zone: ZoneInfo, option: str = "--since") -> Millis:
    """Parse how far back ("24h"), or a start time.

    Raises:
        UsageError: names the option, and says how to write it.

    """
    try:
        return max(FIRST_INSTANT, now - durations.parse(text))
    except ValueError:
        pass
    try:
        return int(instant(text, zone).timestamp() * SECOND)
    except ValueError as error:
        said = say('{option}: {why}; or write a duration ("24h")')
        raise UsageError(said, option=option, why=saying(error)) from None


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of a site, in one person's language."""

    supervisor: Supervisor
    settings: Settings
    t: Tongue
    letterhead: paper.Letterhead

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return self.settings.zone

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
        """List calls, oldest first.

        `since`, `until`: "" is all of the past, and now. `last`: only so many, the newest. `explain`: with
        their facts.

        Raises:
            SiagaError: if `call` names a call that is not in the ledger.

        """
        row = rows.explained if explain else rows.call
        if call:
            return self._linked([row(await self._entry(CallId(call)), self.zone)])
        which = self._which(since, until, outcome, caller)
        if last is not None:
            newest = await self._newest(which, last)
            if not explain:
                return self._linked([rows.summary(one, self.zone) for one in newest])
            return self._linked([row(await self._entry(one.id), self.zone) for one in newest])
        store = self.supervisor.store
        if not (explain or caller):
            summaries = store.summaries(which.since, which.until)
            found = [
                rows.summary(one, self.zone) async for one in summaries if outcome in {None, one.outcome}
            ]
            return self._linked(found)
        if caller:
            theirs = await store.entries_of(caller)
            entries = [one for one in theirs if which.since <= one.finding.call.started < which.until]
        else:
            entries = [one async for one in store.entries(which.since, which.until)]
        return self._linked(
            [row(one, self.zone) for one in entries if outcome in {None, one.finding.outcome}]
        )

    def _which(self, since: str, until: str, outcome: Outcome | None, caller: Caller | None) -> CallFilter:
        now = self.supervisor.clock()
        begin = start(since, now, self.zone) if since else FIRST_INSTANT
        end = start(until, now, self.zone, "--until") if until else now + 1
        return CallFilter(begin, end, outcome, caller=caller)

    async def _entry(self, call: CallId) -> Entry:
        if entry := await self.supervisor.store.entry(call):
            return entry
        raise SiagaError(say('no call "{call}" in the ledger'), call=call)

    async def _newest(self, which: CallFilter, count: int) -> list[CallSummary]:
        """Return the newest calls, oldest first."""
        store, place = cast("SiteStore", self.supervisor.store), None
        found: list[CallSummary] = []
        while len(found) < count:
            page = await store.page(which, min(count - len(found), PAGE), place)
            found += page.calls
            place = page.after
            if place is None:
                break
        return found[::-1]

    def _linked(self, found: Sequence[Row]) -> list[Row]:
        url = self.settings.pbx.recording_url
        return [rows.with_link(row, url) for row in found] if url else [*found]

    async def blocks(self) -> list[Row]:
        """List the callers who are blocked now."""
        now = self.supervisor.clock()
        found = [(record, record.block_at(now)) for record in await self.supervisor.store.blocked(now)]
        return [rows.blocked(record, block, self.zone) for record, block in found if block]

    async def proposals(self) -> list[Row]:
        """List the callers with an open proposal."""
        return [rows.proposal(record, self.zone) for record in await self.supervisor.store.proposed()]

    async def allowed(self) -> list[Row]:
        """List the callers on the allow list."""
        return [rows.allowed(record, self.zone) for record in await self.supervisor.store.allowed()]

    async def appeals(self) -> list[Row]:
        """List open appeals, the most urgent first."""
        return [rows.appeal(record, self.zone) for record in await self.supervisor.store.appealed()]

    async def holds(self) -> list[Row]:
        """List the callers kept as evidence, the oldest hold first."""
        return [rows.hold(record, self.zone) for record in await self.supervisor.store.holds()]

    async def privacy(self) -> list[Row]:
        """List the kinds of personal data: how much there is, how old, until when, under which setting."""
        # These load structlog and SQLite, which no other list needs.
        from siaga112.app.holdings import in_files, kept  # noqa: PLC0415 - see above

        found = {**await self.supervisor.store.holdings(), **await to_thread(in_files, self.settings)}
        ages = kept(self.settings)
        return [rows.holding(kind, found.get(kind), ages[kind], self.zone) for kind in Kind]

    async def callbacks(self) -> list[Row]:
        """List the callers who wait for a call-back, the most urgent first."""
        records = await self.supervisor.store.missed()
        return [rows.missed(record, self.zone) for record in sorted(records, key=rows.need)]

    async def audit(self, since: str) -> list[Row]:
        """List what people did, from the audit trail."""
        now = self.supervisor.clock()
        lines = await self.supervisor.audit(start(since, now, self.zone), now + 1)
        return [rows.audit_entry(line, self.zone) for line in lines]

    async def mode(self) -> Mode:
        """Return the mode in force."""
        return await self.supervisor.mode()

    async def story(self, caller: Caller) -> Story:
        """Return a caller's story."""
        return await self._told(await self.supervisor.held(caller))

    async def _told(self, held: CallerFile) -> Story:
        desk = self.supervisor
        verdict = await desk.verdict(held.record.caller)
        return Story(held, verdict, await desk.mode(), desk.rules, desk.clock())

    async def why(self, caller: Caller) -> tuple[Row, list[str]]:
        """Return a caller's story as one object, and as lines of text."""
        story = await self.story(caller)
        return as_row(story, self.zone), tell(story, self.zone, self.t)

    async def evidence(self, caller: Caller, lang: Language | None) -> paper.Sheet:
        """Write a caller's evidence sheet, in the site's language by default; the audit trail records it."""
        await self.supervisor.looked(caller, "evidence sheet")
        return paper.sheet(await self.story(caller), self.letterhead, self.supervisor.by, self.zone, lang)

    async def sheet(self, caller: Caller, form: paper.Form, lang: Language | None) -> bytes:
        """Return a caller's evidence sheet as a file; the audit trail records that.

        Raises:
            SiagaError: if it is to be a PDF and WeasyPrint is missing or fails.

        """
        text = paper.page(await self.evidence(caller, lang))
        return await pdf.made(text) if form is paper.Form.PDF else text.encode()

    async def subject(self, caller: Caller) -> Row:
        """Return everything that is stored about a caller; the audit trail records that."""
        held = await self.supervisor.subject(caller)
        row = as_row(await self._told(held), self.zone)
        row["calls"] = [
            rows.call(entry, self.zone)
            | {"facts": [rows.fact(seen, self.zone) for seen in entry.finding.call.facts]}
            for entry in held.entries
        ]
        row["audit"] = [rows.audit_entry(line, self.zone) for line in held.audit_entries]
        return row


def lists(supervisor: Supervisor, settings: Settings, t: Tongue | None = None) -> Lists:
    """Return the lists of a site, in the configured language unless another is given."""
    lang, citizen = settings.console.lang, settings.citizen
    letterhead = paper.Letterhead(settings.site, citizen.office, citizen.contact, lang)
    return Lists(supervisor, settings, t or tongue(lang), letterhead)
