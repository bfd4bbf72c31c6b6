"""Who answered, to whom callers were handed over, what was reported: as the command prints it."""

from collections import Counter

import pytest

from siaga112.core.model import Entry, Mark, Outcome
from tests.cli.shell import Shell

pytestmark = pytest.mark.redis

DAYS = "report --from 2019-02-11 --to 2019-02-28"


async def test_the_command_counts_what_the_ledger_has(desk: Shell, handled_rows: list[Entry]) -> None:
    """The report's counts by operator, agency, kind and district are those of the ledger."""
    told = (await desk(*DAYS.split(), "--format", "json")).json
    answered = [one.finding for one in handled_rows if one.finding.outcome is Outcome.ANSWERED]
    operators = Counter(one.operator for one in answered)
    assert {row["operator"]: row["answered"] for row in told["by_operator"]} == operators
    assert sum(row["answered"] for row in told["by_operator_and_shift"]) == told["total"]["answered"]
    assert {row["shift"] for row in told["by_operator_and_shift"]} == {"pagi", "siang", "malam"}
    handed = [one for finding in answered for one in finding.handovers]
    agencies = Counter(one.agency or "other" for one in handed)
    assert {row["agency"]: row["handed_over"] for row in told["by_agency"]} == agencies
    assert sum(row["reached"] for row in told["by_agency"]) == sum(one.reached is not None for one in handed)
    reports = [one for one in answered if one.mark is Mark.GENUINE]
    for cut, name in (("genuine_by_kind", "kind"), ("genuine_by_district", "district")):
        counted = Counter(getattr(one, name) for one in reports)
        assert {row[name]: row["genuine"] for row in told[cut]} == counted


async def test_no_names_leaves_out_who_answered_and_nothing_else(desk: Shell) -> None:
    """With `--no-names` every format leaves out the operators, and nothing else."""
    formats = ("table", "csv", "json", "html")
    for format_ in formats:
        named, nameless = await desk.each(
            f"{DAYS} --format {format_}", f"{DAYS} --format {format_} --no-names"
        )
        assert "Budi" in named.done(), format_
        assert not [one for one in ("Ani", "Budi", "Citra") if one in nameless.done()], format_
        assert "Damkar" in nameless.out, format_
    names, none = await desk.each(f"{DAYS} --format json", f"{DAYS} --format json --no-names")
    told = names.json | {"by_operator": [], "by_operator_and_shift": [], "made": none.json["made"]}
    assert none.json == told
