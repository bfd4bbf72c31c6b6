"""Marks set at a desk: what they change in the finding and in the caller's record."""

from dataclasses import replace
from typing import Final, NamedTuple

from siaga112.core import changes, decisions
from siaga112.core.model import Finding, HandedOver, Handover, Mark, Millis
from siaga112.core.record import CallerRecord, GenuineReport, Lift, Strike
from siaga112.core.regulation import PolicyRules


class ReportDetails(NamedTuple):
    """The details of a genuine report: its kind, its district, and the agency informed by radio or phone."""

    kind: str = ""
    district: str = ""
    agency: str = ""


NOTHING: Final = ReportDetails()


def detailed(finding: Finding, mark: Mark, details: ReportDetails, now: Millis) -> Finding:
    """Return a finding with a new mark and new details. A detail that is not given keeps its value."""
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
    """Return the audit trail's text for a mark."""
    more = [f"{name} {value}" for name, value in details._asdict().items() if value]
    told = ", ".join([mark.value, *more])
    return f"{was} → {told}" if was else told


def remarked(
    record: CallerRecord, finding: Finding, strike: Strike | None, taken: Lift, rules: PolicyRules
) -> CallerRecord:
    """Apply a mark to a caller's record: the report, the call-back, the strike and what rests on it."""
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
