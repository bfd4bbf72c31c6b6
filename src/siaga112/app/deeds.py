"""People's decisions, each with a one-sentence answer: the same for a command, the console and the API.

A `Deeds` acts through the supervisor's desk and answers in the person's language. The answer says what is now
in force, not what was asked for.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from siaga112.core.model import Caller, CallId, Mark, Millis, Mode
from siaga112.errors import Said, SiagaError
from siaga112.service.marking import ReportDetails
from siaga112.service.supervisor import RefusedError, Supervisor
from siaga112.settings.schema import Settings
from siaga112.terminal import decided, labels
from siaga112.terminal.decided import Now
from siaga112.words import Tongue, say, tongue

MEANING = {
    Mode.OFF: say("every call goes through, no strikes are given"),
    Mode.OBSERVE: say("strikes and blocks are kept, nobody is rejected"),
    Mode.ENFORCE: say("blocked callers are rejected"),
}


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a decision on one of several callers: whether it was done, and what is so, or why not."""

    caller: Caller
    done: bool
    said: str


@dataclass(frozen=True, slots=True)
class Deeds:
    """Decisions in one person's name and language.

    `seen`: when each began that the person saw and decides; the decision is refused if there is another.
    """

    supervisor: Supervisor
    zone: ZoneInfo
    t: Tongue

    async def _now(self, caller: Caller) -> Now:
        desk = self.supervisor
        return Now(await desk.record(caller), await desk.mode(), desk.clock(), self.zone, self.t)

    async def block(
        self,
        callers: Sequence[Caller],
        span: Millis | None,
        reason: str,
        *,
        shorten: bool = False,
        yes: bool = False,
    ) -> list[Done]:
        """Block callers for a span, or permanently (None).

        All are checked before any is blocked. Then each one stands alone: if one is rejected, the others are
        still blocked.

        Raises:
            AskFirstError: without `yes`, if blocking any of them needs confirmation; then nobody is blocked.
            RefusedError: if there is only one and it cannot be blocked.

        """
        callers = tuple(dict.fromkeys(callers))
        if not yes:
            await self.supervisor.ask_first(callers)
        return [
            await self._block(one, span, reason, len(callers), shorten=shorten, yes=yes) for one in callers
        ]

    async def _block(
        self, caller: Caller, span: Millis | None, reason: str, among: int, *, shorten: bool, yes: bool
    ) -> Done:
        try:
            added = await self.supervisor.block(caller, span, reason, shorten=shorten, yes=yes, among=among)
        except RefusedError as error:
            if among == 1:
                raise
            return Done(caller, False, error.told(self.t))  # noqa: FBT003 - reads well
        return Done(caller, True, decided.imposed(await self._now(caller), added))  # noqa: FBT003 - as above

    async def unblock(
        self, caller: Caller, reason: str, *, mistake: bool = False, seen: Collection[Millis] = ()
    ) -> str:
        """Lift all blocks on a caller, and dismiss an open proposal."""
        objected = (await self.supervisor.record(caller)).appeal is not None
        held = await self.supervisor.unblock(caller, reason, mistake=mistake, seen=seen)
        return decided.lifted(await self._now(caller), held, objected=objected)

    async def confirm(
        self, caller: Caller, reason: str, *, yes: bool = False, seen: Collection[Millis] = ()
    ) -> str:
        """Impose the proposed block; `yes`: the person was asked first, if that was needed, and agreed."""
        added = await self.supervisor.confirm(caller, reason, yes=yes, seen=seen)
        return decided.imposed(await self._now(caller), added)

    async def dismiss(self, caller: Caller, reason: str, *, seen: Collection[Millis] = ()) -> str:
        """Dismiss the proposed block."""
        await self.supervisor.dismiss(caller, reason, seen=seen)
        return decided.dismissed(await self._now(caller))

    async def allow(self, caller: Caller, reason: str) -> str:
        """Add a caller to the allow list."""
        earlier = await self.supervisor.allow(caller, reason)
        return decided.allowed(await self._now(caller), earlier)

    async def disallow(self, caller: Caller) -> str:
        """Remove a caller from the allow list."""
        await self.supervisor.disallow(caller)
        return decided.disallowed(await self._now(caller))

    async def appeal(self, caller: Caller, reason: str) -> str:
        """Open a caller's appeal."""
        made = await self.supervisor.appeal(caller, reason)
        return decided.objected(await self._now(caller), made)

    async def reject(self, caller: Caller, reason: str, *, seen: Collection[Millis] = ()) -> str:
        """Reject a caller's appeal."""
        await self.supervisor.reject(caller, reason, seen=seen)
        return decided.rejected(await self._now(caller))

    async def hold(self, caller: Caller, reason: str) -> str:
        """Keep a caller's records as evidence."""
        await self.supervisor.hold(caller, reason)
        return decided.held(await self._now(caller))

    async def release(self, caller: Caller, reason: str) -> str:
        """End the hold on a caller's records."""
        ended = await self.supervisor.release(caller, reason)
        return decided.released(await self._now(caller), ended)

    async def void(self, call: CallId, reason: str) -> str:
        """Withdraw one strike, with the block that rested on it."""
        before, _ = await self.supervisor.void(call, reason)
        return decided.voided(call, before, await self._now(before.caller))

    async def mark(self, call: CallId, mark: Mark, note: str, details: ReportDetails) -> str:
        """Set the operator's mark of an answered call."""
        desk = self.supervisor
        held = await desk.store.entry(call)
        caller = held.finding.call.caller if held else None
        before = await desk.record(caller) if caller else None
        entry, mode = await desk.mark(call, mark, note, details), await desk.mode()
        now = await self._now(caller) if caller else None
        return decided.marked(entry, before, now, (mode, desk.rules), self.t)

    async def take(self, caller: Caller, note: str) -> str:
        """Record that this person calls the caller back."""
        await self.supervisor.attempt(caller, tried=False, note=note)
        return self.t("you have taken the call-back to {who}", who=caller)

    async def tried(self, caller: Caller, note: str) -> str:
        """Record that this person called the caller back without success."""
        record = await self.supervisor.attempt(caller, tried=True, note=note)
        tries = record.attempt.tries if record.attempt else 0
        return self.t.many(
            "{who} was called {count} time without success",
            "{who} was called {count} times without success",
            tries,
            who=caller,
        )

    async def reached(self, caller: Caller, note: str) -> str:
        """Remove a caller from the call-back list."""
        count = await self.supervisor.called_back(caller, note)
        return self.t.many(
            "{who} is off the list ({count} call)", "{who} is off the list ({count} calls)", count, who=caller
        )

    async def switch(self, mode: Mode, reason: str) -> str:
        """Switch the mode of the whole site."""
        await self.supervisor.set_mode(mode, reason)
        said = self.t(MEANING[mode])
        return self.t("mode is now {mode}: {meaning}", mode=labels.word(mode, self.t), meaning=said)


def details(settings: Settings, mark: Mark, kind: str, district: str, agency: str) -> ReportDetails:
    """Return the details of a report. Only configured values are allowed: the city's statistics use them.

    Raises:
        SiagaError: names the unknown value and the known ones.

    """
    given = ReportDetails(kind, district, agency)
    if mark is not Mark.GENUINE and any(given):
        raise SiagaError(say("--kind, --district and --agency apply only to a genuine report"))
    agencies = [*dict.fromkeys(settings.agencies.values())]
    lists = {"kinds": settings.kinds, "districts": settings.districts, "[agencies]": agencies}
    for (option, value), (key, known) in zip(given._asdict().items(), lists.items(), strict=True):
        if value and value not in known:
            there = Said("there are: {known}", known=", ".join(known)) if known else Said("there are none")
            raise SiagaError(
                say('--{option} "{value}" is not among {key} in the configuration ({there})'),
                option=option, value=value, key=key, there=there,
            )  # fmt: skip
    return given


def deeds(supervisor: Supervisor, settings: Settings, t: Tongue | None = None) -> Deeds:
    """Return the decisions of one person, in the configured language unless another is given."""
    return Deeds(supervisor, settings.zone, t or tongue(settings.console.lang))
