"""The report of an import: lines for people, one object for scripts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from siaga112.core.importing import Import, Kind, Refusal
from siaga112.moving_in.listed import Recognised
from siaga112.moving_in.plan import LeftOut, Plan
from siaga112.terminal import printing
from siaga112.terminal.rows import Row
from siaga112.words import Tongue, say

WHY: Final = {
    Refusal.NO_NUMBER: say("there is no number"),
    Refusal.NOT_A_NUMBER: say("no telephone number: an address, a setting, or of another list"),
    Refusal.NOT_A_CALLER: say(
        "not the number of a caller (hidden, service, too short, not valid or in never_block)"
    ),
    Refusal.SERVICE: say("in the range of a service number"),
    Refusal.NOT_IN_FORCE: say("rejects nobody there: switched off, ended, or of outgoing calls"),
    Refusal.NO_TIME: say('no time that can be read; write it like "2026-12-31"'),
    Refusal.OVER: say("has ended already"),
    Refusal.DUPLICATE: say("is already in line {first}"),
    Refusal.ALLOWED: say("on the allow list"),
    Refusal.BLOCKED: say("already blocked as long"),
    Refusal.GENUINE: say("lately reported something genuine"),
    Refusal.OBJECTED: say("an objection waits for a decision"),
    Refusal.RELEASED: say("was imported from this file before, and has been released since"),
}


@dataclass(frozen=True, slots=True)
class Account:
    """The report: the file, the plan, and how many numbers were imported (None: not applied yet)."""

    brought: Import
    recognised: Recognised
    plan: Plan
    done: int | None = None

    def as_row(self) -> Row:
        """Return the report for scripts; the omitted lines are an iterator, read while printing."""
        plan, terms = self.plan, self.plan.terms()
        lasting = self.brought.kind is Kind.BLOCK
        return {
            "file": self.brought.file,
            "sha256": self.brought.digest,
            "format": self.recognised.form,
            "as": self.brought.kind,
            "lines": plan.lines,
            "numbers": plan.count(),
            "permanent": terms["permanent"] if lasting else None,
            "temporary": terms["temporary"] if lasting else None,
            "left_out": plan.left_out.total(),
            "left_out_by": {why.value: count for why, count in sorted(plan.left_out.items())},
            "applied": self.done is not None,
            "brought_in": self.done or 0,
            "lines_left_out": (_row(one) for one in plan.lines_left_out()),
        }

    def tell(self, t: Tongue) -> Iterator[str]:
        """Yield the report as lines."""
        brought, plan = self.brought, self.plan
        said = t(self.recognised.said, where=self.recognised.where)
        yield t("{file}: {said}; SHA-256 {digest}", file=brought.file, said=said, digest=brought.digest)
        for one in plan.lines_left_out():
            why = t(WHY[one.why], first=one.first)
            yield "  " + t("line {line}: {number}: {why}", line=one.line, number=one.number or "-", why=why)
        left_out = plan.left_out.total()
        if left_out:
            yield t.many("{count} line left out", "{count} lines left out", left_out)
        yield self._outcome(t) + self._terms(t)
        if self.done is None and plan.count():
            yield t("nothing is changed yet; to import it, add --apply to the same command")

    def _outcome(self, t: Tongue) -> str:
        count = self.plan.count() if self.done is None else self.done
        if not count:
            return t("nothing to import")
        match self.brought.kind, self.done:
            case Kind.BLOCK, None:
                return t.many("would block {count} number", "would block {count} numbers", count)
            case Kind.BLOCK, _:
                return t.many("{count} number is blocked", "{count} numbers are blocked", count)
            case _, None:
                return t.many("would allow {count} number", "would allow {count} numbers", count)
            case _:
                return t.many("{count} number is allowed", "{count} numbers are allowed", count)

    def _terms(self, t: Tongue) -> str:
        terms = self.plan.terms()
        if self.brought.kind is Kind.ALLOW or not terms:
            return ""
        permanent, temporary = terms["permanent"], terms["temporary"]
        return t(" ({permanent} permanent, {temporary} temporary)", permanent=permanent, temporary=temporary)


def show(account: Account, t: Tongue, *, json: bool) -> None:
    """Print the report."""
    if json:
        printing.as_json_pieces(account.as_row())
        return
    for line in account.tell(t):
        printing.wrapped(line)


def _row(one: LeftOut) -> Row:
    return {"line": one.line, "number": one.number, "why": one.why, "first": one.first or None}
