"""Appeals at the console: made, listed with their deadline, decided and announced."""

from typing import Final

import pytest

from siaga112.app.records import now
from siaga112.core.announcements import EventType
from siaga112.core.model import DAY
from tests.console.calls import BLOCKED, GENUINE
from tests.console.centre import Centre

pytestmark = pytest.mark.redis

WHY: Final = "the phone was stolen, report 17/2026"


async def test_a_privacy_officer_notes_and_a_supervisor_decides(centre: Centre) -> None:
    """A privacy officer records an appeal with its deadline; a supervisor sees and rejects it."""
    office, desk = await centre.login("Privacy"), await centre.login("Supervisor")
    said = await office.done("/appeals", number="0812 1111 1111", reason=WHY)
    assert said.startswith(f"good: the objection of {BLOCKED} is noted; an answer is owed until ")
    appeal = (await centre.record(BLOCKED)).appeal
    assert appeal
    assert (appeal.by, appeal.due - appeal.at) == ("Privacy", 3 * DAY)
    _, text = await desk.get("/waiting")
    assert WHY in text
    to = f"/caller/{centre.site.hiding.hide(BLOCKED)}"
    assert WHY in (await desk.get(to))[1]
    said = await desk.done(f"{to}/reject", reason="seven pranks", back="/waiting")
    assert said.startswith(f"good: the objection of {BLOCKED} is rejected; {BLOCKED} stays blocked")
    assert WHY not in (await desk.get("/waiting"))[1]
    assert "objection rejected by Supervisor: seven pranks" in (await desk.get(to))[1]


async def test_unblocking_grants_the_objection(centre: Centre) -> None:
    """Unblocking a caller grants the open appeal; the appeal and the block's end are announced."""
    desk, to = await centre.login("Supervisor"), f"/caller/{centre.site.hiding.hide(BLOCKED)}"
    assert (await desk.done(f"{to}/appeal", reason=WHY)).startswith("good: ")
    said = await desk.done(f"{to}/unblock", reason="believed", mistake="1")
    assert "is no longer blocked" in said
    assert "the objection is granted" in said
    told = [one.told.type for one in await centre.site.store.records.announcements(0)]
    assert [one for one in told if one in {EventType.APPEAL_MADE, EventType.BLOCK_ENDED}] == [
        EventType.APPEAL_MADE,
        EventType.BLOCK_ENDED,
    ]


async def test_two_supervisors_decide_the_same_objection_and_the_second_is_told(centre: Centre) -> None:
    """The second supervisor to decide an appeal sees who decided first."""
    first, second = await centre.login("Supervisor"), await centre.login("Supervisor")
    to = f"/caller/{centre.site.hiding.hide(BLOCKED)}"
    await first.done(f"{to}/appeal", reason=WHY)
    assert (await first.done(f"{to}/reject", reason="seen")).startswith("good: ")
    said = await second.done(f"{to}/reject", reason="seen too")
    assert said == f"bad: Supervisor has already decided the objection of {BLOCKED}"


async def test_what_cannot_be_objected_to_is_said_in_one_line(centre: Centre) -> None:
    """An appeal against nothing, a second open one and one without a reason are refused."""
    desk = await centre.login("Supervisor")
    said = await desk.done("/appeals", number=GENUINE, reason=WHY)
    assert said == f"bad: {GENUINE} has no strike or block to object to"
    assert (await desk.done("/appeals", number=BLOCKED, reason=WHY)).startswith("good: ")
    assert "is already open" in await desk.done("/appeals", number=BLOCKED, reason=WHY)
    assert (await desk.done("/appeals", number=BLOCKED, reason=" ")).startswith("bad: ")


async def test_the_api_lists_objections_by_deadline_and_counts_them(centre: Centre) -> None:
    """The API pages through appeals by deadline, masks numbers unless asked otherwise, and counts them."""
    for number in (BLOCKED, "081222222222"):
        status, _ = await centre.ask("POST", "appeals", json={"caller": number, "reason": WHY})
        assert status == 200
    status, page = await centre.ask("GET", "appeals?limit=1&reveal=true")
    assert status == 200
    assert [row["caller"] for row in page["items"]] == [BLOCKED]
    _, after = await centre.ask("GET", f"appeals?limit=1&cursor={page['next']}")
    assert after["items"][0]["caller"].count("*") > 0
    _, live = await centre.ask("GET", "now")
    assert live["appeals"] == 2
    due = (await centre.site.store.appealed_count())[1]
    assert due
    assert due > now()
