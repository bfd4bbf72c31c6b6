"""A mark that is set at a desk: what it says of the call, and what it changes of the caller's record."""

from dataclasses import replace
from typing import Final, NamedTuple

from siaga112.core import changes, decisions
from siaga112.core.model import Finding, HandedOver, Handover, Mark, Millis
from siaga112.core.record import CallerRecord, GenuineReport, Lift, Strike
from siaga112.core.regulation import PolicyRules


class ReportDetails(NamedTuple):
    """What an operator says of a genuine report: what, where, and who was told by radio or telephone."""

    kind: str = ""
    district: str = ""
    agency: str = ""


NOTHING: Final = ReportDetails()


def detailed(finding: Finding, mark: Mark, details: ReportDetails, now: Millis) -> Finding:
    """Give a finding with another mark, and with the details; what is not told stays as it was."""
    if mark is not Mark.GENUINE:
        kept = tuple(one for one in finding.handovers if one.how is not HandedOver.TOLD)
        return replace(finding, mark=mark, kind=None, district=None, handovers=kept)
    handovers = finding.handovers
    if details.agency and all(one.agency != details.agency for one in handovers):
        handovers = (*handovers, Handover(now, HandedOver.TOLD, details.agency, details.agency, 0))
    return replace(
        finding,
        mark=mark,
        kind=details.kind or finding.kind,
        district=details.district or finding.district,
        handovers=handovers,
    )


def said(was: Mark | None, mark: Mark, details: ReportDetails) -> str:
    """Spell a mark for the audit trail."""
    more = [f"{name} {value}" for name, value in details._asdict().items() if value]
    told = ", ".join([mark.value, *more])
    return f"{was} → {told}" if was else told


def remarked(
    record: CallerRecord, finding: Finding, strike: Strike | None, taken: Lift, rules: PolicyRules
) -> CallerRecord:
    """Change a caller's record by a mark: the report, the call-back, the strike with what rests on it."""
    call, mark = finding.call.id, finding.mark
    if mark is Mark.GENUINE:
        record = decisions.add_report(record, GenuineReport(call, finding.call.ended))
    else:
        record = decisions.withdraw_report(record, call)
    record = decisions.served_after_all(record, call)
    if mark is Mark.SILENT:
        record = decisions.miss(record, changes.silent(finding, taken.at))
    if strike:
        return decisions.restore_strike(record, strike, rules, now=taken.at)
    if any(held.call == call for held in record.strikes):
        record = decisions.take_back_strike(record, call, taken)
    return record
