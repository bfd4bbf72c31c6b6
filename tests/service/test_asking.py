"""What a person must confirm before a block, by the same rule for every interface."""

from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from siaga112.app.deeds import Deeds
from siaga112.core.caller_id import NumberPlan, canonical, ends_of, neighbours, numbers_in
from siaga112.core.model import DAY, SECOND, Caller, Mark, Millis, Mode, ProposalCause
from siaga112.core.record import CallerRecord
from siaga112.service import asking
from siaga112.service.asking import AT_ONCE, Cause, Services
from siaga112.service.supervisor import AskFirstError, RefusedError, Supervisor
from siaga112.settings.schema import Settings
from siaga112.words import Language, tongue
from tests.console.calls import entry as marked
from tests.samples import CALLER, NOW, OTHER, answered, entry, prank
from tests.service.test_supervisor import Office

SERANG: Final = NumberPlan("ID", "254")
NEAR: Final = Caller("+62254200113")


@dataclass
class Asked(Office):
    """A desk that knows services' numbers."""

    services: Services = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set the desk's service numbers."""
        super().__post_init__()
        desk = self.supervisor
        self.supervisor = Supervisor(
            desk.store, desk.rules, Mode.ENFORCE, desk.clock, "ratna", services=lambda: self.services
        )
        self.deeds = Deeds(self.supervisor, ZoneInfo("UTC"), tongue())

    async def reported(self, at: Millis) -> None:
        """Record a genuine report of the caller, from a call at this time."""
        await self.record(marked(answered(1, at), Mark.GENUINE))

    async def asked(self, *callers: Caller) -> list[Cause]:
        """Try to block these callers; return the causes that must be confirmed first."""
        with pytest.raises(AskFirstError) as raised:
            await self.deeds.block(callers, DAY, "threats")
        for caller in callers:
            assert (await self.supervisor.record(caller)).blocks == (), "nothing is done before the answer"
        return [one.cause for one in raised.value.cautions]


async def test_who_lately_reported_something_genuine_is_asked_about() -> None:
    """A block soon after a genuine report needs a confirmation; the audit trail then names the report."""
    office = Asked()
    await office.reported(office.now - 3 * DAY - 60 * SECOND)
    assert await office.asked(CALLER) == [Cause.GENUINE]
    (done,) = await office.deeds.block([CALLER], DAY, "threats", yes=True)
    assert done.done
    assert (await office.trail())[-1] == (
        *("ratna", "block", CALLER), "temporary, although it reported something genuine 3 days ago",
    )  # fmt: skip


@pytest.mark.parametrize("late", [0, 1])
async def test_a_genuine_report_speaks_for_a_caller_as_long_as_the_policy_protects(late: Millis) -> None:
    """A genuine report needs a confirmation up to the last millisecond of `protect`."""
    office = Asked()
    await office.reported(NOW)
    at = (await office.supervisor.record(CALLER)).reports[0].at
    office.now = at + office.rules.protect - 1 + late
    if late:
        (done,) = await office.deeds.block([CALLER], DAY, "threats")
        assert done.done
    else:
        assert await office.asked(CALLER) == [Cause.GENUINE]


async def test_a_number_beside_a_service_number_is_asked_about() -> None:
    """Blocking a number near a service's needs a confirmation that names the service; others need none."""
    office = Asked(services=dict.fromkeys(neighbours("0254200112", SERANG), "Damkar: 0254200112"))
    with pytest.raises(
        AskFirstError, match=r"\+62254200113 is in the range of a service number \(Damkar: 02"
    ):
        await office.deeds.block([NEAR], DAY, "threats")
    (done,) = await office.deeds.block([CALLER], DAY, "threats")
    assert done.done
    await office.deeds.block([NEAR], None, "threats", yes=True)
    assert (await office.trail())[-1][-1].startswith("permanent, although it is in the range of a service")


async def test_more_than_twenty_at_once_are_asked_about_once() -> None:
    """Blocking more than twenty callers at once needs a confirmation; twenty do not."""
    office = Asked()
    some = [Caller(f"+6281300000{n:03}") for n in range(AT_ONCE)]
    assert all(one.done for one in await office.deeds.block(some, DAY, "threats"))
    many = [Caller(f"+6281400000{n:03}") for n in range(AT_ONCE)]
    await office.reported(NOW)
    assert await office.asked(*many, CALLER) == [Cause.MANY, Cause.GENUINE]
    assert len(await office.deeds.block([*many, CALLER, CALLER], DAY, "threats", yes=True)) == AT_ONCE + 1
    said = [detail for *_, detail in await office.trail()][-AT_ONCE - 1 :]
    assert {one.partition("one of ")[2] for one in said} == {"21 at once"}


async def test_of_several_each_stands_for_itself() -> None:
    """Of several callers, one on the allow list is left out with the reason, and the others are blocked."""
    office = Asked()
    await office.supervisor.allow(OTHER, "clinic")
    done = await office.deeds.block([CALLER, OTHER], DAY, "threats")
    assert [(one.caller, one.done) for one in done] == [(CALLER, True), (OTHER, False)]
    assert "is on the allow list" in done[1].said
    with pytest.raises(RefusedError, match="is on the allow list"):
        await office.deeds.block([OTHER], DAY, "threats")


async def test_a_report_that_comes_between_the_question_and_the_block_is_asked_about_too() -> None:
    """Whether a block needs a confirmation depends on the caller's record at the moment of writing it."""
    office = Asked()
    await office.supervisor.ask_first([CALLER])
    await office.reported(NOW)
    with pytest.raises(AskFirstError):
        await office.supervisor.block(CALLER, DAY, "threats")
    assert (await office.supervisor.record(CALLER)).blocks == ()


async def test_what_a_proposal_says_already_is_not_asked_again() -> None:
    """A proposal that already names a genuine report can be confirmed at once, unless a report is newer."""
    office = Asked()
    await office.reported(NOW - DAY)
    await office.record(*(entry(prank(10 + n, NOW - 3_600_000 + n * 60_000)) for n in range(6)))
    proposed = (await office.supervisor.record(CALLER)).proposed
    assert proposed
    assert proposed.cause is ProposalCause.PROTECTED
    assert (await office.supervisor.confirm(CALLER, "agreed")).by == "ratna"

    other = Asked()
    await other.reported(NOW - DAY)
    await other.record(*(entry(prank(10 + n, NOW - 3_600_000 + n * 60_000)) for n in range(6)))
    await other.record(marked(answered(2, NOW), Mark.GENUINE))
    with pytest.raises(AskFirstError, match="reported something genuine within the last 24 hours"):
        await other.supervisor.confirm(CALLER, "agreed")
    await other.supervisor.confirm(CALLER, "agreed", yes=True)
    assert (await other.trail())[-1][-1].endswith(
        "although it reported something genuine within the last 24 hours"
    )


def test_the_question_is_asked_in_both_languages() -> None:
    """All causes for a confirmation are one line, here in Indonesian."""
    settings = Settings.model_validate({"agencies": {"0254200112": "Damkar"}, "pbx": {"area_code": "254"}})
    assert settings.service_numbers()[NEAR] == "Damkar: 0254200112"
    found = asking.cautions(CallerRecord(NEAR), NOW, settings.policy_rules(), settings.service_numbers())
    assert asking.together([*found, *asking.many(25)], tongue(Language.ID)) == (
        "+62254200113 termasuk rentang nomor layanan (Damkar: 0254200112); ini 25 nomor sekaligus"
    )


# ── what a service number's range is ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("named", "inside", "outside"),
    [
        ("0254200112", "+62254200199", "+62254200212"),
        ("200112", "+62254200100", "+62254200200"),
        ("+62 254-200112", "+62254200112", "+62254201112"),
        ("081234567890", "+6281234567801", "+6281234567790"),
    ],
)
def test_a_range_is_all_that_shares_all_but_the_last_two_digits(
    named: str, inside: str, outside: str
) -> None:
    """A service number's range is all numbers that differ only in the last two digits, in any spelling."""
    found = neighbours(named, SERANG)
    assert Caller(inside) in found
    assert Caller(outside) not in found


@pytest.mark.parametrize("named", ["112", "113", "PJSIP/101", "", "Damkar", "5001"])
def test_a_short_number_or_an_extension_has_no_range(named: str) -> None:
    """A short number, an extension or a name has no range, as none of them can be a caller."""
    assert neighbours(named, SERANG) == ()


def test_with_a_caller_key_the_range_is_of_hashes() -> None:
    """With a caller key, a service number's range consists of hashes."""
    plan = NumberPlan("ID", "254", key=b"sixteen letters!")
    assert canonical(NEAR, plan) in neighbours("0254200112", plan)
    assert all(one.startswith("h:") for one in neighbours("0254200112", plan))


def test_a_range_of_never_block_names_its_ends_and_a_prefix_nobody() -> None:
    """An entry of `never_block` names the ends of a range or a single number; a prefix names none."""
    assert ends_of("+62254200000-+62254200099") == ("+62254200000", "+62254200099")
    assert ends_of("0254 200112") == ("0254200112",)
    assert ends_of("0804*") == ()


def test_all_that_the_configuration_names_has_a_range() -> None:
    """Agencies, the centre's numbers, `never_block` and the contact for appeals have a range."""
    settings = Settings.model_validate(
        {
            "agencies": {"0254200112": "Damkar", "113": "Damkar"},
            "pbx": {"numbers": ["112", "02547000112"], "area_code": "254"},
            "policy": {"never_block": ["02546000100-02546000155", "0804*"]},
            "citizen": {"contact": "Balai Kota, 0254 8888-000, diskominfo@serang.go.id"},
        }
    )
    found = settings.service_numbers()
    of = {number: found.get(Caller(number)) for number in (
        "+62254200113", "+622547000199", "+622546000199", "+622548888099", "+6281211111111",
    )}  # fmt: skip
    assert of == {
        "+62254200113": "Damkar: 0254200112",
        "+622547000199": "[pbx] numbers: 02547000112",
        "+622546000199": "never_block: 02546000155",
        "+622548888099": "[citizen] contact: +622548888000",
        "+6281211111111": None,
    }
    assert numbers_in("no number, room 12", SERANG) == ()


@pytest.mark.parametrize("number", ["08001234567", "0804123456", "08091234567", "112", "0254112"])
def test_numbers_of_special_kinds_can_not_be_blocked_at_all(number: str) -> None:
    """Toll-free, shared-cost, premium and short numbers are never callers, so they cannot be blocked."""
    assert canonical(number, SERANG) is None
