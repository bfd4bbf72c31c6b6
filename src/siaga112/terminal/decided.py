"""What a decision comes to: lines that say what is in force for a caller then, whatever was asked for."""

from zoneinfo import ZoneInfo

from siaga112.core.decisions import outlasts
from siaga112.core.model import Entry, Finding, Level, Mark, Millis, Mode, Spared
from siaga112.core.policy import counted_strikes, spared_by, strike_for
from siaga112.core.record import AllowEntry, Block, CallerRecord, Proposal
from siaga112.core.regulation import PolicyRules
from siaga112.terminal import rows


class Now:
    """A caller as read after the decision, in the mode and at the time of the reading."""

    def __init__(self, record: CallerRecord, mode: Mode, at: Millis, zone: ZoneInfo) -> None:
        self.record = record
        self.at = at
        self.block = record.block_at(at)
        self._mode = mode
        self._zone = zone

    def until(self, block: Block) -> str:
        """Say how long a block lasts."""
        return f"until {rows.instant(block.until, self._zone) or 'further notice'}"

    def named(self, block: Block) -> str:
        """Say how long a block lasts, and what it is."""
        return f"{self.until(block)} ({block.level}, {block.origin} by {block.by}: {block.reason})"

    @property
    def mode(self) -> str:
        """Add that a block is kept, not enforced."""
        return "" if self._mode is Mode.ENFORCE else f"; mode {self._mode}: calls still get through"

    @property
    def stays(self) -> str:
        """Say which block is in force all the same, or that none is."""
        who = self.record.caller
        if self.block is None:
            return f"{who} is not blocked"
        if self.record.allow:
            return f"{who} is on the allow list, which its block {self.named(self.block)} gives way to"
        return f"{who} stays blocked {self.named(self.block)}{self.mode}"

    def decided(self, at: Millis) -> list[Proposal]:
        """Give the proposals that were decided then."""
        return [held for held in self.record.proposals if held.decided and held.decided.at == at]


def imposed(now: Now, added: Block) -> str:
    """Say what `block` and `confirm` came to."""
    who, held = now.record.caller, now.block
    shortened = any(block.lifted and block.lifted.at == added.since for block in now.record.blocks)
    settled = "; what was proposed is settled by it" if now.decided(added.since) else ""
    if held is None or now.record.allow:  # somebody came between, or the block is over already
        return f"{now.stays}{settled}"
    if held == added:
        was = " (was longer)" if shortened else ""
        return f"{who} is blocked {now.until(held)}{was}{settled}{now.mode}"
    beside = (
        "the new block ends sooner and shortens nothing (--shorten would)"
        if outlasts(held, added)
        else "the new block is kept beside it"
    )
    return f"{who} stays blocked {now.named(held)}; {beside}{settled}{now.mode}"


def lifted(now: Now, held: Block | None) -> str:
    """Say what `unblock` came to; `held` is the block that it ended."""
    who = now.record.caller
    if held is None:
        said = f"{who} was not blocked; what was proposed is dismissed, and the misuses so far are forgiven"
    else:
        others = sum(block.lifted == held.lifted for block in now.record.blocks) - 1
        more = f"; {others} more {'block' if others == 1 else 'blocks'} lifted with it" if others else ""
        dismissed = any(proposal.decided == held.lifted for proposal in now.record.proposals)
        more += "; what was proposed is dismissed" if dismissed else ""
        said = f"{who} is no longer blocked (was: {held.level}, {held.reason}){more}"
    return said if now.block is None else f"{said}; by now {now.stays}"


def dismissed(now: Now) -> str:
    """Say what `dismiss` came to: a block that somebody imposed by hand stays."""
    return f"{now.stays}; the misuses so far are forgiven"


def allowed(now: Now, earlier: AllowEntry | None) -> str:
    """Say what `allow` came to; `earlier` is the place on the list that it replaced."""
    said = f"{now.record.caller} is on the allow list"
    said += f" (in place of the entry by {earlier.by}: {earlier.reason})" if earlier else ""
    if now.block:
        said += f"; its block {now.named(now.block)} gives way to the list"
    entry = now.record.allow
    return said + ("; what was proposed is dismissed" if entry and now.decided(entry.at) else "")


def disallowed(now: Now) -> str:
    """Say what `disallow` came to: what gave way to the list holds again."""
    said = f"{now.record.caller} is off the allow list"
    said += f"; it is blocked again {now.named(now.block)}{now.mode}" if now.block else ""
    return said + ("; a block is proposed" if now.record.proposed else "")


def marked(entry: Entry, before: CallerRecord | None, now: Now | None, mode: Mode, rules: PolicyRules) -> str:
    """Say what `mark` came to: the strike, and what of blocks and proposals followed from it."""
    finding = entry.finding
    said = [f"call {finding.call.id} is marked {finding.mark}", _strike(entry, now, mode, rules)]
    if before and now:
        said += _followed(before, now)
    return "; ".join(said)


def _strike(entry: Entry, now: Now | None, mode: Mode, rules: PolicyRules) -> str:
    finding = entry.finding
    if entry.strike and now:
        counted = counted_strikes(now.record, now.at, rules)
        if any(strike.call == finding.call.id for strike in counted):
            return "it counts as a misuse"
        return "a strike that does not count now: older than the window, forgiven, or one of a burst"
    call, record = finding.call, now.record if now else None
    why = (
        (finding.mark is not Mark.PRANK, ""),
        (record is None or not call.identified, ", for there is no number that the dialplan confirmed"),
        (record is not None and record.allow is not None, ", for the caller is on the allow list"),
        (mode is Mode.OFF, ", for the mode is off"),
        (not call.complete, ", for the call was not seen whole"),
        (not call.timed, ", for the PBX's clock and our own were too far apart then"),
        (_together(finding, record, rules), ", for another call of the number, up then, has cost one"),
        (True, ", for the policy does not count it"),
    )
    return "no strike" + next(text for holds, text in why if holds)


def _together(finding: Finding, record: CallerRecord | None, rules: PolicyRules) -> bool:
    strike = strike_for(finding, rules)
    return bool(record and strike and spared_by(record, strike) is Spared.OVERLAP)


def _followed(before: CallerRecord, now: Now) -> list[str]:
    record, said = now.record, []
    held = before.block_at(now.at)
    open_ = {(block.since, block.until, block.by) for block in before.blocks if block.lifted is None}
    ended = [b for b in record.blocks if b.lifted and (b.since, b.until, b.by) in open_]
    if ended:
        said.append(f"{len(ended)} {'block' if len(ended) == 1 else 'blocks'} that rested on it taken back")
    waiting, proposed = before.proposed, record.proposed
    if waiting and waiting != proposed:
        said.append("the proposal that rested on it is withdrawn" if proposed is None else "")
    if proposed and proposed != waiting:
        level = Level.PERMANENT if proposed.span is None else Level.TEMPORARY
        said.append(f"a {level} block is proposed for {record.caller}")
    if now.block and now.block != held:
        said.append(f"{record.caller} is now blocked {now.until(now.block)}{now.mode}")
    elif ended:
        said.append(now.stays)
    return list(filter(None, said))
