"""What a decision comes to: lines that say what is in force for a caller then, whatever was asked for."""

from zoneinfo import ZoneInfo

from siaga112.core.decisions import outlasts
from siaga112.core.model import Entry, Level, Mark, Millis, Mode
from siaga112.core.policy import count
from siaga112.core.record import AllowEntry, Appeal, Block, CallerRecord, Hold, Proposal
from siaga112.core.regulation import PolicyRules
from siaga112.terminal import labels, rows
from siaga112.words import Tongue, say, tongue


class Now:
    """A caller as read after the decision, in the mode and at the time of the reading."""

    def __init__(
        self, record: CallerRecord, mode: Mode, at: Millis, zone: ZoneInfo, t: Tongue | None = None
    ) -> None:
        self.record = record
        self.at = at
        self.block = record.block_at(at)
        self.t = t or tongue()
        self._mode = mode
        self._zone = zone

    def clock(self, at: Millis) -> str:
        """Say when that is, here."""
        return str(rows.instant(at, self._zone))

    def until(self, block: Block) -> str:
        """Say how long a block lasts."""
        until = rows.instant(block.until, self._zone)
        return self.t("until {until}", until=until) if until else self.t("until further notice")

    def named(self, block: Block) -> str:
        """Say how long a block lasts, and what it is."""
        return self.t(
            "{until} ({level}, {origin} by {by}: {reason})",
            until=self.until(block),
            level=labels.of(block.level, self.t),
            origin=labels.of(block.origin, self.t),
            by=block.by,
            reason=labels.because(block.reason, self.t),
        )

    @property
    def mode(self) -> str:
        """Add that a block is kept, not enforced."""
        if self._mode is Mode.ENFORCE:
            return ""
        return self.t("; mode {mode}: calls still get through", mode=labels.word(self._mode, self.t))

    @property
    def stays(self) -> str:
        """Say which block is in force all the same, or that none is."""
        who = self.record.caller
        if self.block is None:
            return self.t("{who} is not blocked", who=who)
        named = self.named(self.block)
        if self.record.allow:
            return self.t(
                "{who} is on the allow list, which its block {named} gives way to", who=who, named=named
            )
        return self.t("{who} stays blocked {named}", who=who, named=named) + self.mode

    def decided(self, at: Millis) -> list[Proposal]:
        """Give the proposals that were decided then."""
        return [held for held in self.record.proposals if held.decided and held.decided.at == at]


def imposed(now: Now, added: Block) -> str:
    """Say what `block` and `confirm` came to."""
    t, who, held = now.t, now.record.caller, now.block
    shortened = any(block.lifted and block.lifted.at == added.since for block in now.record.blocks)
    settled = t("; what was proposed is settled by it") if now.decided(added.since) else ""
    if held is None or now.record.allow:  # somebody came between, or the block is over already
        return f"{now.stays}{settled}"
    if held == added:
        was = t(" (was longer)") if shortened else ""
        return t("{who} is blocked {until}", who=who, until=now.until(held)) + was + settled + now.mode
    beside = (
        t("the new block ends sooner and shortens nothing (--shorten would)")
        if outlasts(held, added)
        else t("the new block is kept beside it")
    )
    return t("{who} stays blocked {named}", who=who, named=now.named(held)) + f"; {beside}{settled}{now.mode}"


def lifted(now: Now, held: Block | None, *, objected: bool = False) -> str:
    """Say what `unblock` came to: `held` is the block that it ended; `objected`: an objection waited."""
    t, who = now.t, now.record.caller
    granted = objected and now.record.appeal is None
    if held is None and granted:
        said = t("the objection of {who} is granted, and the misuses so far are forgiven", who=who)
    elif held is None:
        said = t(
            "{who} was not blocked; what was proposed is dismissed, and the misuses so far are forgiven",
            who=who,
        )
    else:
        others = sum(block.lifted == held.lifted for block in now.record.blocks) - 1
        more = t.many("; {count} more block lifted with it", "; {count} more blocks lifted with it", others)
        dismissed = any(proposal.decided == held.lifted for proposal in now.record.proposals)
        said = t(
            "{who} is no longer blocked (was: {level}, {reason})",
            who=who,
            level=labels.of(held.level, t),
            reason=labels.because(held.reason, t),
        )
        said += more if others else ""
        said += t("; what was proposed is dismissed") if dismissed else ""
        said += t("; the objection is granted") if granted else ""
    return said if now.block is None else said + t("; by now {stays}", stays=now.stays)


def dismissed(now: Now) -> str:
    """Say what `dismiss` came to: a block that somebody imposed by hand stays."""
    return now.stays + now.t("; the misuses so far are forgiven")


def allowed(now: Now, earlier: AllowEntry | None) -> str:
    """Say what `allow` came to; `earlier` is the place on the list that it replaced."""
    t = now.t
    said = t("{who} is on the allow list", who=now.record.caller)
    if earlier:
        said += t(" (in place of the entry by {by}: {reason})", by=earlier.by, reason=earlier.reason)
    if now.block:
        said += t("; its block {named} gives way to the list", named=now.named(now.block))
    entry = now.record.allow
    return said + (t("; what was proposed is dismissed") if entry and now.decided(entry.at) else "")


def disallowed(now: Now) -> str:
    """Say what `disallow` came to: what gave way to the list holds again."""
    t = now.t
    said = t("{who} is off the allow list", who=now.record.caller)
    if now.block:
        said += t("; it is blocked again {named}", named=now.named(now.block)) + now.mode
    return said + (t("; a block is proposed") if now.record.proposed else "")


def objected(now: Now, made: Appeal) -> str:
    """Say what `appeal` came to: until when an answer is owed, and whether the block waits for it."""
    t, who = now.t, now.record.caller
    due = now.clock(made.due)
    said = t("the objection of {who} is noted; an answer is owed until {due}", who=who, due=due)
    if made.suspends and any(map(now.record.suspended, now.record.blocks)):
        said += t("; until then its block keeps nobody out")
    return said


def rejected(now: Now) -> str:
    """Say what `appeals --reject` came to: what is held stands."""
    said = now.t("the objection of {who} is rejected", who=now.record.caller)
    return f"{said}; {now.stays}"


def held(now: Now) -> str:
    """Say what `hold` came to."""
    return now.t(
        "{who} is kept as evidence: neither age nor forget takes what is held", who=now.record.caller
    )


def released(now: Now, ended: Hold) -> str:
    """Say what `hold --release` came to; `ended` is the hold that it ended."""
    said = say("{who} is kept as evidence no longer (since {since} by {by}: {reason})")
    since = now.clock(ended.at)
    told = now.t(said, who=now.record.caller, since=since, by=ended.by, reason=ended.reason)
    return told + now.t("; what is too old goes within six hours")


def voided(call: str, before: CallerRecord, now: Now) -> str:
    """Say what `void` came to: the blocks and proposals that rested on the strike."""
    said = [now.t("the strike of call {call} is taken back", call=call), *_followed(before, now)]
    return "; ".join(said)


def marked(
    entry: Entry,
    before: CallerRecord | None,
    now: Now | None,
    of: tuple[Mode, PolicyRules],
    t: Tongue | None = None,
) -> str:
    """Say what `mark` came to: the strike, and what of blocks and proposals followed from it."""
    (mode, rules), t, finding = of, t or tongue(), entry.finding
    mark = labels.of(finding.mark, t) if finding.mark else ""
    said = [
        t("call {call} is marked {mark}", call=finding.call.id, mark=mark),
        _strike(entry, now, mode, rules, t),
    ]
    if before and now:
        said += _followed(before, now)
    return "; ".join(said)


def _strike(entry: Entry, now: Now | None, mode: Mode, rules: PolicyRules, t: Tongue) -> str:
    finding = entry.finding
    if entry.strike and now:
        counted = count(now.record, now.at, rules).strikes
        if any(strike.call == finding.call.id for strike in counted):
            return t("it counts as a misuse")
        return t(
            "a strike that does not count now: older than the window, forgiven, one of a burst, or beside "
            "another call of the number"
        )
    call, record = finding.call, now.record if now else None
    why = (
        (finding.mark is not Mark.PRANK, say("no strike")),
        (
            record is None or not call.identified,
            say("no strike, for there is no number that the dialplan confirmed"),
        ),
        (
            record is not None and record.allow is not None,
            say("no strike, for the caller is on the allow list"),
        ),
        (mode is Mode.OFF, say("no strike, for the mode is off")),
        (not call.complete, say("no strike, for the call was not seen whole")),
        (not call.timed, say("no strike, for the PBX's clock and our own were too far apart then")),
        (not call.alone, say("no strike, for another call of the number was up then")),
        (True, say("no strike, for the policy does not count it")),
    )
    return t(next(text for holds, text in why if holds))


def _followed(before: CallerRecord, now: Now) -> list[str]:
    t, record, said = now.t, now.record, []
    held = before.block_at(now.at)
    open_ = {(block.since, block.until, block.by) for block in before.blocks if block.lifted is None}
    ended = [b for b in record.blocks if b.lifted and (b.since, b.until, b.by) in open_]
    if ended:
        said.append(
            t.many(
                "{count} block that rested on it taken back",
                "{count} blocks that rested on it taken back",
                len(ended),
            )
        )
    waiting, proposed = before.proposed, record.proposed
    if waiting and waiting != proposed:
        said.append(t("the proposal that rested on it is withdrawn") if proposed is None else "")
    if proposed and proposed != waiting:
        level = labels.of(Level.PERMANENT if proposed.span is None else Level.TEMPORARY, t)
        said.append(t("a {level} block is proposed for {who}", level=level, who=record.caller))
    if now.block and now.block != held:
        until = now.until(now.block)
        said.append(t("{who} is now blocked {until}", who=record.caller, until=until) + now.mode)
    elif ended:
        said.append(now.stays)
    return list(filter(None, said))
