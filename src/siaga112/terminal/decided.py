"""The result of a decision in one line: what is in force for the caller now, whatever was asked for."""

from datetime import datetime
from zoneinfo import ZoneInfo

from siaga112.core.decisions import outlasts
from siaga112.core.model import SECOND, Entry, Level, Mark, Millis, Mode
from siaga112.core.policy import count
from siaga112.core.record import AllowEntry, Appeal, Block, CallerRecord, Hold, Proposal
from siaga112.core.regulation import PolicyRules
from siaga112.terminal import labels, rows, times
from siaga112.words import Tongue, say, tongue


class Now:
    """A caller as read after the decision, with the mode and the time of reading."""

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
        """Return an instant with the site's zone."""
        zone = times.zone([datetime.fromtimestamp(at / SECOND, self._zone)])
        return f"{rows.clock(at, self._zone, self.t)} {zone}"

    def until(self, block: Block) -> str:
        """Return how long a block lasts."""
        if block.until is None:
            return self.t("until further notice")
        return self.t("until {until}", until=self.clock(block.until))

    def named(self, block: Block) -> str:
        """Return how long a block lasts, and what it is."""
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
        """A remark that the mode does not enforce blocks; '' if it does."""
        if self._mode is Mode.ENFORCE:
            return ""
        return self.t("; mode {mode}: calls still get through", mode=labels.word(self._mode, self.t))

    @property
    def stays(self) -> str:
        """The block that is in force anyway, or that there is none."""
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
        """Return the proposals that were decided at that instant."""
        return [held for held in self.record.proposals if held.decided and held.decided.at == at]


def imposed(now: Now, added: Block) -> str:
    """Return the result of `block` or `confirm`."""
    t, who, held = now.t, now.record.caller, now.block
    shortened = any(block.lifted and block.lifted.at == added.since for block in now.record.blocks)
    settled = t("; what was proposed is settled by it") if now.decided(added.since) else ""
    if held is None or now.record.allow:  # somebody else decided meanwhile, or the block is over already
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
    """Return the result of `unblock`; `held` is the block it ended; `objected`: an objection was open."""
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
    """Return the result of `dismiss`: a block that a person imposed stays."""
    return now.stays + now.t("; the misuses so far are forgiven")


def allowed(now: Now, earlier: AllowEntry | None) -> str:
    """Return the result of `allow`; `earlier` is the entry that it replaced."""
    t = now.t
    said = t("{who} is on the allow list", who=now.record.caller)
    if earlier:
        said += t(" (in place of the entry by {by}: {reason})", by=earlier.by, reason=earlier.reason)
    if now.block:
        said += t("; its block {named} gives way to the list", named=now.named(now.block))
    entry = now.record.allow
    return said + (t("; what was proposed is dismissed") if entry and now.decided(entry.at) else "")


def disallowed(now: Now) -> str:
    """Return the result of `disallow`: a block that the list outranked is in force again."""
    t = now.t
    said = t("{who} is off the allow list", who=now.record.caller)
    if now.block:
        said += t("; it is blocked again {named}", named=now.named(now.block)) + now.mode
    return said + (t("; a block is proposed") if now.record.proposed else "")


def objected(now: Now, made: Appeal) -> str:
    """Return the result of `appeal`: the deadline, and whether the block is suspended until then."""
    t, who = now.t, now.record.caller
    due = now.clock(made.due)
    said = t("the objection of {who} is noted; an answer is owed until {due}", who=who, due=due)
    if made.suspends and any(map(now.record.suspended, now.record.blocks)):
        said += t("; until then its block is suspended")
    return said


def rejected(now: Now) -> str:
    """Return the result of `appeals --reject`: the block stands."""
    said = now.t("the objection of {who} is rejected", who=now.record.caller)
    return f"{said}; {now.stays}"


def held(now: Now) -> str:
    """Return the result of `hold`."""
    return now.t(
        "{who} is kept as evidence: neither age nor forget removes the records", who=now.record.caller
    )


def released(now: Now, ended: Hold) -> str:
    """Return the result of `hold --release`; `ended` is the hold that it ended."""
    said = say("{who} is no longer kept as evidence (since {since} by {by}: {reason})")
    since = now.clock(ended.at)
    told = now.t(said, who=now.record.caller, since=since, by=ended.by, reason=ended.reason)
    return told + now.t("; what is too old is erased within six hours")


def voided(call: str, before: CallerRecord, now: Now) -> str:
    """Return the result of `void`: what happened to the blocks and proposals that rested on the strike."""
    said = [now.t("the strike of call {call} is taken back", call=call), *_followed(before, now)]
    return "; ".join(said)


def marked(
    entry: Entry,
    before: CallerRecord | None,
    now: Now | None,
    of: tuple[Mode, PolicyRules],
    t: Tongue | None = None,
) -> str:
    """Return the result of `mark`: the strike, and the blocks and proposals that follow from it."""
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
            "a strike that does not count at present: older than the window, forgiven, one of a burst, or at "
            "the same time as another call of the number"
        )
    call, record = finding.call, now.record if now else None
    why = (
        (finding.mark is not Mark.PRANK, say("no strike")),
        (
            record is None or not call.identified,
            say("no strike: the dialplan confirmed no number"),
        ),
        (
            record is not None and record.allow is not None,
            say("no strike: the caller is on the allow list"),
        ),
        (mode is Mode.OFF, say("no strike: the mode is off")),
        (not call.complete, say("no strike: the call was only seen in part")),
        (not call.timed, say("no strike: the PBX's clock and our own were too far apart then")),
        (not call.alone, say("no strike: another call of the number was up then")),
        (True, say("no strike: the policy does not count it")),
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
                "{count} block based on it is withdrawn",
                "{count} blocks based on it are withdrawn",
                len(ended),
            )
        )
    waiting, proposed = before.proposed, record.proposed
    if waiting and waiting != proposed:
        said.append(t("the proposal based on it is withdrawn") if proposed is None else "")
    if proposed and proposed != waiting:
        level = labels.of(Level.PERMANENT if proposed.span is None else Level.TEMPORARY, t)
        said.append(t("a {level} block is proposed for {who}", level=level, who=record.caller))
    if now.block and now.block != held:
        until = now.until(now.block)
        said.append(t("{who} is now blocked {until}", who=record.caller, until=until) + now.mode)
    elif ended:
        said.append(now.stays)
    return list(filter(None, said))
