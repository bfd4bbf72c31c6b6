"""Queries on the records, as rows with stable names: the same for commands, console and API."""

from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from siaga112.adapters import pdf
from siaga112.core import durations
from siaga112.core.holdings import Kind
from siaga112.core.model import FIRST_INSTANT, SECOND, Caller, CallId, Entry, Millis, Mode, Outcome
from siaga112.core.period import instant
from siaga112.errors import SiagaError, UsageError, saying
from siaga112.service.supervisor import CallerFile, Supervisor
from siaga112.settings.schema import Settings
from siaga112.terminal import evidence as paper
from siaga112.terminal import rows
from siaga112.terminal.rows import Row
from siaga112.terminal.story import Story, as_row, tell
from siaga112.words import Language, Tongue, say, tongue

NOT_A_NUMBER: Final = say(
    '"{number}" is not the number of a caller (hidden, service, too short, not valid or in never_block)'
)


def start(text: str, now: Millis, zone: ZoneInfo) -> Millis:
    """Parse how far back ("24h"), or a start time.

    Raises:
        UsageError: says how to write it.

    """
    try:
        return max(FIRST_INSTANT, now - durations.parse(text))
    except ValueError:
        pass
    try:
        return int(instant(text, zone).timestamp() * SECOND)
    except ValueError as error:
        raise UsageError(say('--since: {why}; or write a duration ("24h")'), why=saying(error)) from None


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
        *,
        outcome: Outcome | None = None,
        caller: Caller | None = None,
        call: str = "",
        explain: bool = False,
    ) -> list[Row]:
        """List calls, oldest first; `explain`: with their facts.

        Raises:
            SiagaError: if `call` names a call that is not in the ledger.

        """
        store, now = self.supervisor.store, self.supervisor.clock()
        if not (explain or call or caller):
            begin = start(since, now, self.zone)
            summaries = store.summaries(begin, now + 1)
            found = [
                rows.summary(one, self.zone) async for one in summaries if outcome in {None, one.outcome}
            ]
            return self._linked(found)
        row = rows.explained if explain else rows.call
        entries = [
            one for one in await self._entries(since, caller, call) if outcome in {None, one.finding.outcome}
        ]
        return self._linked([row(entry, self.zone) for entry in entries])

    async def _entries(self, since: str, caller: Caller | None, call: str) -> list[Entry]:
        store, now = self.supervisor.store, self.supervisor.clock()
        if call:
            if entry := await store.entry(CallId(call)):
                return [entry]
            raise SiagaError(say('no call "{call}" in the ledger'), call=call)
        begin = start(since, now, self.zone)
        if caller is None:
            return [entry async for entry in store.entries(begin, now + 1)]
        return [one for one in await store.entries_of(caller) if begin <= one.finding.call.started <= now]

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
