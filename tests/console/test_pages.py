"""What people see at the console, and what they decide there."""

import html
import json
import re
from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr

from siaga112.adapters import pdf
from siaga112.app.records import now
from siaga112.console.identity import Visitor
from siaga112.core.access import Role
from siaga112.core.caller_id import masked
from siaga112.core.fold import subject, take
from siaga112.core.model import HOUR, SECOND, Caller, Entry, Mark, Mode, Outcome, Via
from siaga112.service.ports import AuditFilter
from siaga112.words import Language
from tests.console.calls import BLOCKED, GENUINE, MISSED, NEW, PROPOSED, entry, left, propose
from tests.console.centre import Centre
from tests.lab import pdf as read
from tests.samples import RULES, answered
from tests.waiting import within

pytestmark = pytest.mark.redis

PAGES: Final = {
    "Supervisor": [
        "/wall",
        "/shift",
        "/callbacks",
        "/waiting",
        "/calls",
        "/calls?outcome=ivr_prank&mark=&since=24h",
        "/blocks",
        "/blocks?of=allowed",
        "/report",
        "/handover",
        "/holds",
        "/audit",
        "/audit?looks=true",
        "/api",
    ],
    "Operator": ["/shift", "/callbacks", "/calls"],
    "Privacy": ["/subject", "/audit", "/holds", "/privacy"],
    "Admin": ["/people", "/settings", "/doctor"],
}


async def acts(centre: Centre, action: str) -> list[tuple[str, str, str, Via]]:
    """Return the audited actions of a kind: by whom, about whom, why, and through which interface."""
    which = AuditFilter(0, now() + 1, action, looks=True)
    found = await centre.site.store.records.audit_page(which, 100)
    return [(line.by, line.subject, line.reason, line.via) for _, line in found]


@pytest.mark.parametrize("who", PAGES)
async def test_every_page_shows_itself_in_both_languages(centre: Centre, who: str) -> None:
    """Every page opens in both languages and shows no number in full."""
    browser = await centre.login(who)
    for lang in ("id", "en"):
        await browser.post("/lang", {"lang": lang})
        for path in PAGES[who]:
            status, text = await browser.get(path)
            assert status == 200, (path, re.sub("<[^>]+>", " ", text)[-400:])
            assert f'<html lang="{lang}">' in text
            for caller in (BLOCKED, PROPOSED, MISSED, GENUINE):
                assert caller not in text, path
                assert caller[1:] not in text, path


async def test_a_blocked_callers_card_tells_the_story_the_verdict_first(centre: Centre) -> None:
    """A caller's card shows the verdict first and the number only if asked; each look is audited."""
    browser = await centre.login("Supervisor")
    status, to = await browser.post("/find", {"number": "0812 1111 1111"})
    assert status == 303
    _, text = await browser.get(to)
    assert "ALLOW, because the mode is observe (enforce would say BLOCK)" in text
    assert "temporary block until" in text
    assert text.index("enforce would say BLOCK") < text.index("temporary block until")
    assert (masked(BLOCKED) in text, BLOCKED in text) == (True, False)
    _, text = await browser.get(f"{to}?whole=true")
    assert BLOCKED in text
    looked = [(by, subject, via) for by, subject, _, via in await acts(centre, "look")]
    assert looked == [("Supervisor", BLOCKED, Via.CONSOLE)] * 2


@pytest.mark.parametrize(
    ("decision", "fields", "said"),
    [
        ("unblock", {"reason": "stolen phone"}, "good: +6281211111111 is no longer blocked"),
        ("block", {"reason": "threats", "length": "permanent"}, "is blocked until further notice"),
        ("allow", {"reason": "a school"}, "good: +6281211111111 is on the allow list"),
        ("confirm", {"reason": "agreed"}, "bad: no block is proposed for +6281211111111"),
        ("unblock", {"reason": "  "}, "bad: say why, for the record"),
        ("block", {"reason": "threats", "length": "soon"}, "bad: not a duration"),
    ],
)
async def test_a_decision_is_done_as_a_command_does_it_and_says_what_came_of_it(
    centre: Centre, decision: str, fields: dict[str, str], said: str
) -> None:
    """A decision says in a sentence what came of it and, if it was done, is audited as the person's."""
    browser, hidden = await centre.login("Supervisor"), centre.site.hiding.hide(BLOCKED)
    told = await browser.done(f"/caller/{hidden}/{decision}", **fields)
    assert said in told
    done = await acts(centre, decision)
    reason = fields["reason"]
    assert done == ([("Supervisor", BLOCKED, reason, Via.CONSOLE)] if told.startswith("good") else [])


async def test_a_block_that_may_hit_the_wrong_one_is_asked_about_first(centre: Centre) -> None:
    """A risky block is done only after a page has asked, with the reason, the form and a way back."""
    browser, to = await centre.login("Supervisor"), f"/caller/{centre.site.hiding.hide(GENUINE)}"
    fields = {"length": "24h", "reason": "threats & more", "shorten": "1"}
    status, text = await browser.post(f"{to}/block", fields)
    assert status == 409
    assert f"{GENUINE} reported something genuine within the last 24 hours" in text
    assert f'href="{to}"' in text
    assert (await centre.record(GENUINE)).blocks == ()
    sent = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text))
    kept = {name: html.unescape(value) for name, value in sent.items() if name != "csrf"}
    assert kept == fields | {"back": to}, "the last of them leads back from another language"
    assert "is blocked until" in await browser.done(f"{to}/block", length="24h", reason="threats", yes="1")
    (line,) = [one for one in await centre.site.store.audit_entries(0, now() + 1) if one.action == "block"]
    assert line.detail == "temporary, although it reported something genuine within the last 24 hours"


async def test_several_numbers_are_blocked_as_they_are_pasted_from_a_sheet(centre: Centre) -> None:
    """The first cell of each pasted line is blocked, or none at all if one of them is unreadable."""
    browser = await centre.login("Supervisor")
    pasted = f"'0812-3333-3333\t3 pranks\r\n\r\n81355555555;Budi\n{NEW},x\n"
    told = await browser.done("/blocks", numbers=pasted, length="24h", reason="threats")
    assert told.startswith("good: 3 numbers blocked\n")
    for caller in (MISSED, NEW, "+6281355555555"):
        assert f"{caller} is blocked until" in told
    told = await browser.done("/blocks", numbers=f"nomor\n{GENUINE}\n112", length="24h", reason="x", yes="1")
    assert told.startswith("bad: line 1: ")
    assert "\nline 3: " in told
    assert (await centre.record(GENUINE)).blocks == ()
    assert "bad: no number: write one per line" in await browser.done(
        "/blocks", numbers=" \n", length="24h", reason="x"
    )


async def test_more_than_twenty_numbers_are_asked_about_with_all_of_them_in_the_form(centre: Centre) -> None:
    """More than twenty numbers are asked about first, in a form that has all of them."""
    browser = await centre.login("Supervisor")
    numbers = "\n".join(f"08130000{n:04}" for n in range(21))
    fields = {"numbers": numbers, "length": "24h", "reason": "threats"}
    status, text = await browser.post("/blocks", fields)
    assert (status, "these are 21 numbers at once" in text) == (409, True)
    found = re.search(r'<textarea name="numbers" hidden>\n(.*?)</textarea>', text, re.DOTALL)
    assert found
    assert found[1].split() == numbers.split()
    assert "good: 21 numbers blocked" in await browser.done("/blocks", **fields, yes="1")


async def test_a_proposal_that_does_not_tell_of_a_report_is_asked_about(centre: Centre) -> None:
    """A proposal against a caller with a recent genuine report is asked about before it is confirmed.

    The way back leads to the page before, and never to another scheme.
    """
    await propose(centre.site.store, GENUINE)
    browser, to = await centre.login("Supervisor"), f"/caller/{centre.site.hiding.hide(GENUINE)}"
    status, text = await browser.post(f"{to}/confirm", {"reason": "agreed", "back": "/waiting"})
    assert (status, "reported something genuine" in text, 'href="/waiting"' in text) == (409, True, True)
    status, text = await browser.post(f"{to}/confirm", {"reason": "agreed", "back": "javascript:alert(1)"})
    assert "javascript" not in text
    assert "is blocked" in await browser.done(f"{to}/confirm", reason="agreed", yes="1", back="/waiting")


async def test_two_supervisors_decide_the_same_proposal_and_the_second_is_told_who_was_first(
    centre: Centre,
) -> None:
    """The second supervisor to decide a proposal sees who decided first, and changes nothing."""
    first, second = await centre.login("Supervisor"), await centre.login("Supervisor")
    to = f"/caller/{centre.site.hiding.hide(PROPOSED)}"
    assert "is blocked until" in await first.done(f"{to}/confirm", reason="agreed", back="/waiting")
    told = await second.done(f"{to}/dismiss", reason="a child", back="/waiting")
    assert "no block is proposed for +6281222222222 any more: Supervisor has confirmed it" in told
    assert (await centre.record(PROPOSED)).block_at(now())


@pytest.mark.parametrize("page", ["/waiting", "the card"])
async def test_a_stale_page_decides_nothing_that_it_does_not_show(centre: Centre, page: str) -> None:
    """A page that shows a proposal which another supervisor has dismissed does not confirm the next one."""
    first, second = await centre.login("Supervisor"), await centre.login("Supervisor")
    to = f"/caller/{centre.site.hiding.hide(PROPOSED)}"

    async def shown() -> str:
        _, text = await second.get(to if page == "the card" else page)
        found = re.search(f'action="{to}/confirm".*?name="seen" value="([^"]+)"', text, re.DOTALL)
        assert found
        return found[1]

    seen = await shown()
    assert "good: " in await first.done(f"{to}/dismiss", reason="a child", seen=seen)
    await propose(centre.site.store, PROPOSED)
    for decision in ("confirm", "dismiss", "unblock"):
        told = await second.done(f"{to}/{decision}", reason="agreed", seen=seen)
        assert told.startswith(f"bad: {PROPOSED} has another proposal, objection or block than you saw")
    assert (await centre.record(PROPOSED)).proposed
    assert "is blocked until" in await second.done(f"{to}/confirm", reason="agreed", seen=await shown())


async def test_a_question_before_a_decision_keeps_what_was_seen(centre: Centre) -> None:
    """Whoever is asked first decides only what the page before the question showed."""
    await propose(centre.site.store, GENUINE)
    browser, to = await centre.login("Supervisor"), f"/caller/{centre.site.hiding.hide(GENUINE)}"
    proposal = (await centre.record(GENUINE)).proposed
    assert proposal
    _, text = await browser.post(f"{to}/confirm", {"reason": "agreed", "seen": f"{proposal.at}"})
    assert f'name="seen" value="{proposal.at}"' in text
    status, _ = await browser.post(f"{to}/confirm", {"reason": "agreed", "seen": "yesterday"})
    assert status == 422


async def test_a_stale_page_grants_and_rejects_no_other_objection(centre: Centre) -> None:
    """A page that shows an objection which is decided by now neither grants nor rejects the next one."""
    browser, to = await centre.login("Supervisor"), f"/caller/{centre.site.hiding.hide(BLOCKED)}"
    await browser.done(f"{to}/appeal", reason="not me")
    _, text = await browser.get("/waiting")
    found = re.search(f'action="{to}/reject".*?name="seen" value="([^"]+)"', text, re.DOTALL)
    assert found
    assert "good: " in await browser.done(f"{to}/reject", reason="seven pranks", seen=found[1])
    await browser.done(f"{to}/appeal", reason="stolen, report 17")
    for decision in ("reject", "unblock"):
        told = await browser.done(f"{to}/{decision}", reason="agreed", seen=found[1])
        assert told.startswith(f"bad: {BLOCKED} has another proposal, objection or block than you saw")
    assert (await centre.record(BLOCKED)).appeal


async def test_a_call_back_is_taken_tried_and_closed(centre: Centre) -> None:
    """Whoever takes a call-back, and nobody else, sees the number as a link; reaching the caller ends it."""
    browser, to = await centre.login("Budi"), f"/callbacks/{centre.site.hiding.hide(MISSED)}"
    assert "you have taken the call-back to" in await browser.done(to, did="take")
    _, text = await browser.get("/callbacks")
    assert f'href="tel:{MISSED}"' in text
    assert f'href="tel:{MISSED}"' not in (await (await centre.login("Operator")).get("/callbacks"))[1]
    assert "was called 1 time without success" in await browser.done(to, did="tried", note="busy")
    assert "is off the list (1 call)" in await browser.done(to, did="reached", note="all is well")
    assert (await centre.record(MISSED)).missed == ()


async def test_my_shift_has_ones_own_call_backs_however_many_are_more_urgent(centre: Centre) -> None:
    """An operator sees the call-backs that he has taken, and some that nobody has, behind all others."""
    budi, at = await centre.login("Budi"), now() - 30 * 60 * SECOND
    assert "good: " in await budi.done(f"/callbacks/{centre.site.hiding.hide(MISSED)}", did="take")
    others = [Caller(f"+62812000000{nth:02}") for nth in range(25)]
    await keep(centre, *(left(100 + nth, at + nth, one) for nth, one in enumerate(others)))
    other = centre.site.deeds(Visitor("Siti", Role.OPERATOR, Via.CONSOLE, Language.EN))
    for one in others[:21]:
        await other.take(one, "")
    _, text = await budi.get("/shift")
    assert f'href="tel:{MISSED}"' in text
    assert masked(others[21]) in text
    assert masked(others[0]) not in text


async def test_an_operator_marks_the_last_call_with_what_and_where(centre: Centre) -> None:
    """An operator marks the last call with kind, district and agency, if all are configured."""
    browser = await centre.login("Budi")
    _, text = await browser.get("/shift")
    found = re.search(r'action="/calls/([\d.]+)/mark"', text)
    assert found
    call = found[1]
    told = await browser.done(f"/calls/{call}/mark", mark="genuine", kind="fire", district="Atlantis")
    assert told.startswith("bad: ")
    details = {"kind": "fire", "district": "Cipocok", "agency": "Damkar"}
    told = await browser.done(f"/calls/{call}/mark", mark="genuine", **details)
    assert told.startswith(f"good: call {call} is marked genuine")
    entry = await centre.site.call(call)
    assert (entry.finding.mark, entry.finding.district) == (Mark.GENUINE, "Cipocok")
    assert entry.finding.handovers[-1].agency == "Damkar"


async def test_a_strike_is_taken_back_and_the_block_that_rested_on_it_ends(centre: Centre) -> None:
    """A supervisor takes a strike back at its call's page, and the block that rests on it ends."""
    browser = await centre.login("Supervisor")
    call = (await centre.record(BLOCKED)).strikes[0].call
    _, text = await browser.get(f"/calls/{call}")
    assert "Take the strike back" in text
    told = await browser.done(f"/calls/{call}/void", reason="forged number")
    assert f"good: the strike of call {call} is taken back" in told
    record = await centre.record(BLOCKED)
    assert record.block_at(now()) is None
    assert call in record.withdrawn
    assert "bad: " in await browser.done(f"/calls/{call}/void", reason="again")


async def test_the_mode_is_switched_from_the_wall_and_off_needs_a_reason(centre: Centre) -> None:
    """The mode is set on the wall, which then shows who set it and why; `off` needs a reason."""
    browser = await centre.login("Supervisor")
    assert "bad: mode off needs a reason" in await browser.done("/mode", mode="off")
    assert "good: mode is now enforce" in await browser.done("/mode", mode="enforce", reason="as decided")
    switched = await centre.site.store.switched()
    assert switched
    assert (switched.mode, switched.by, switched.via) == (Mode.ENFORCE, "Supervisor", Via.CONSOLE)
    _, text = await browser.get("/wall")
    assert "<strong>enforce</strong>" in text
    assert "Supervisor: as decided" in text


async def test_the_walls_figures_are_the_ledgers(centre: Centre) -> None:
    """The wall's outcomes of today equal a count of the ledger."""
    browser = await centre.login("Viewer")
    await browser.get("/wall")
    today = centre.site.live.today
    assert today
    _, found = await centre.ask("GET", "calls?limit=200")
    begun = [row for row in found["items"] if row["started"][:10] == found["items"][0]["started"][:10]]
    assert {o: today.outcomes[o] for o in Outcome if today.outcomes[o]} == {
        o: count for o in Outcome if (count := sum(row["outcome"] == o for row in begun))
    }


async def test_an_operator_sees_this_shift_and_a_supervisor_the_whole_ledger(centre: Centre) -> None:
    """An operator sees only this shift's calls, whatever start is asked for; a supervisor sees all."""
    began = centre.site.shift_began()
    site = centre.site
    desk = await centre.login("Operator")
    _, text = await desk.get("/calls?since=400d")
    assert "Calls of this shift." in text
    operator = Visitor("x", Role.OPERATOR, Via.CONSOLE, Language.EN)
    supervisor = Visitor("x", Role.SUPERVISOR, Via.CONSOLE, Language.EN)
    assert site.since_for(operator, 5) == began
    assert site.since_for(supervisor, 5) == 5


async def keep(centre: Centre, *told: Entry) -> None:
    """Store ended calls."""
    await centre.site.store.records.transaction(
        [subject(one) for one in told], lambda work: [take(work, one, RULES) for one in told]
    )


async def test_an_operator_sees_and_marks_no_call_of_an_earlier_shift(centre: Centre) -> None:
    """A mark takes strikes and blocks back: an operator sets none on calls that are not of this shift.

    A call that reaches into the shift, or ended within the hour before it, can be seen and marked.
    """
    began, budi = centre.site.shift_began(), await centre.login("Budi")
    old, late, straddling = (
        entry(answered(90 + nth, began - ago, GENUINE), Mark.PRANK)
        for nth, ago in enumerate((2 * HOUR, HOUR // 2, 4 * SECOND))
    )
    await keep(centre, old, late, straddling)
    said = "that call is of an earlier shift: only a supervisor sees and marks it"
    path = f"/calls/{old.finding.call.id}"
    assert await budi.done(f"{path}/mark", mark="information") == f"bad: {said}"
    status, text = await budi.get(path)
    assert (status, said in text) == (403, True)
    held = await centre.site.store.entry(old.finding.call.id)
    assert held
    assert held.finding.mark is Mark.PRANK
    for one in (late, straddling):
        to = f"/calls/{one.finding.call.id}"
        assert (await budi.done(f"{to}/mark", mark="information")).startswith("good: ")
        assert (await budi.get(to))[0] == 200
    desk = await centre.login("Supervisor")
    assert (await desk.done(f"{path}/mark", mark="information")).startswith("good: ")


async def test_a_recording_is_led_to_and_that_is_noted(centre: Centre) -> None:
    """A call's recording redirects to the configured address, and each look is audited."""
    browser = await centre.login("Supervisor")
    _, found = await centre.ask("GET", "calls?operator=Budi&mark=unmarked")
    call = found["items"][0]["call"]
    status, to = await browser.get(f"/calls/{call}/recording")
    async with browser.session.get(f"{centre.url}/calls/{call}/recording", allow_redirects=False) as answer:
        assert answer.headers["Location"] == "https://pbx.example/2026/11/29/in-112.wav"
    assert (status, to) == (303, "")
    assert [(by, subject) for by, subject, _, _ in await acts(centre, "look")] == [("Supervisor", call)] * 2


async def test_what_is_listed_is_exported_and_that_is_noted(centre: Centre) -> None:
    """An export has the listed calls, one a row, with numbers in full, and is audited."""
    browser = await centre.login("Supervisor")
    status, text = await browser.get("/calls.csv?outcome=ivr_prank")
    lines = text.splitlines()
    assert (status, len(lines)) == (200, 1 + 10)
    assert lines[0].startswith("call,started,ended,caller,")
    assert BLOCKED in text
    assert [by for by, *_ in await acts(centre, "look")] == ["Supervisor"]


async def test_the_evidence_sheet_is_the_commands_and_that_somebody_took_it_is_noted(centre: Centre) -> None:
    """The evidence sheet, as page and PDF, shows the calls, the block and how to appeal, and is audited."""
    browser, hidden = await centre.login("Supervisor"), centre.site.hiding.hide(BLOCKED)
    _, text = await browser.get(f"/caller/{hidden}/sheet?lang=id")
    assert text.count("menutup telepon di menu suara") == len((await centre.record(BLOCKED)).blocks[0].calls)
    said = ("Lembar bukti", "diblokir sampai", "Cara mengajukan keberatan", "119 (ambulans)", BLOCKED)
    for words in said:
        assert words in text
    assert f'href="/caller/{hidden}/sheet.pdf?lang=id"' in text
    async with (
        within(60, "the sheet as a PDF"),
        browser.session.get(f"{centre.url}/caller/{hidden}/sheet.pdf?lang=id") as answer,
    ):
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        made = await answer.read()
    assert read.about(made)["Pages"] == "1"
    for words in said:
        assert words in read.text(made)
    assert [(by, subject) for by, subject, *_ in await acts(centre, "look")] == [("Supervisor", BLOCKED)] * 2


async def test_the_sheet_has_no_link_to_what_is_not_installed(
    centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without WeasyPrint the sheet has no link to a PDF, and the PDF's address says what to install."""
    monkeypatch.setattr(pdf, "there", lambda: False)
    (tmp_path / "weasyprint.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    browser, hidden = await centre.login("Supervisor"), centre.site.hiding.hide(BLOCKED)
    _, text = await browser.get(f"/caller/{hidden}/sheet")
    assert "sheet.pdf" not in text
    status, text = await browser.get(f"/caller/{hidden}/sheet.pdf")
    assert (status, "siaga112[pdf]" in text) == (422, True)


async def test_the_report_is_a_pdf_too(centre: Centre) -> None:
    """The report is available as a PDF of two or three A4 pages."""
    browser = await centre.login("Supervisor")
    async with (
        within(60, "the report as a PDF"),
        browser.session.get(f"{centre.url}/report.pdf") as answer,
    ):
        said = read.about(await answer.read())
    assert said["Page size"].endswith("(A4)")
    assert 2 <= int(said["Pages"]) <= 3


async def test_the_shift_is_handed_over_with_a_note(centre: Centre) -> None:
    """The hand-over page shows the notes and who took over the shift."""
    browser = await centre.login("Supervisor")
    assert "good: the note is saved" in await browser.done("/handover", did="note", note="watch the harbour")
    assert "good: Supervisor has taken over" in await browser.done("/handover", did="take over")
    _, text = await browser.get("/handover")
    assert "watch the harbour" in text
    assert "took over the shift" in text


async def test_privacy_gives_and_erases_what_is_held(centre: Centre) -> None:
    """A privacy officer exports a caller's data, and erases it after typing the number twice."""
    browser = await centre.login("Privacy")
    status, to = await browser.post("/subject", {"number": GENUINE})
    assert status == 303
    _, text = await browser.get(to)
    assert len(json.loads(text)["calls"]) == 2
    fields = {"number": GENUINE, "reason": "asked by letter"}
    assert "bad: the two numbers differ" in await browser.done("/forget", again=BLOCKED, **fields)
    assert "good: erased; 2 calls stay" in await browser.done("/forget", again=GENUINE, **fields)
    _, text = await browser.get(to)
    assert json.loads(text)["calls"] == []


@pytest.mark.parametrize("trouble", ["a file", "Redis"])
async def test_what_erasing_left_in_files_is_said_as_the_command_says_it(
    centre: Centre, trouble: str
) -> None:
    """While one of our files has the number, nobody writes to a citizen that all is erased."""
    site = centre.site
    if trouble == "a file":
        (site.settings.state_dir / "outbox.db").write_text("no database")
        wanted = "erased, but not in the files of"
    else:  # the private one, which is not there to write its file
        private = site.settings.redis.model_copy(update={"url": SecretStr("embedded")})
        site.settings = site.settings.model_copy(update={"redis": private})
        wanted = "erased, but Redis has not rewritten its file: the number is in it"
    fields = {"number": GENUINE, "again": GENUINE, "reason": "asked by letter"}
    told = await (await centre.login("Privacy")).done("/forget", **fields)
    assert told.startswith(f"bad: {wanted}")
    token = await centre.give_token(Role.PRIVACY)
    status, told = await centre.ask("DELETE", f"callers/{GENUINE}", params={"reason": "letter"}, token=token)
    assert (status, told["detail"].startswith(wanted)) == (422, True)


async def test_what_is_kept_as_evidence_is_listed_and_erased_by_nobody(centre: Centre) -> None:
    """A caller on hold is listed and cannot be erased; another person than who began it may release it."""
    ratna, privacy = await centre.login("Supervisor"), await centre.login("Privacy")
    card = f"/caller/{centre.site.hiding.hide(BLOCKED)}"
    told = await ratna.done(f"{card}/hold", did="hold", reason="police report 17")
    assert "good: +6281211111111 is kept as evidence" in told
    _, text = await ratna.get(card)
    assert "Kept as evidence by Supervisor since" in text
    assert "good: " in await privacy.done("/holds", number="0812 5555 5555", reason="case 18")
    assert "bad: +6281211111111 is already kept as evidence, by Supervisor" in await privacy.done(
        "/holds", number=BLOCKED, reason="case 19"
    )
    _, text = await privacy.get("/holds")
    assert text.index("case 18") < text.index("police report 17")
    assert (masked(BLOCKED) in text, BLOCKED in text) == (True, False)
    fields = {"number": BLOCKED, "again": BLOCKED, "reason": "asked by letter"}
    assert "bad: +6281211111111 is kept as evidence by Supervisor since" in await privacy.done(
        "/forget", **fields
    )
    assert (await centre.record(BLOCKED)).strikes
    told = await privacy.done(f"{card}/hold", did="release", reason="case closed", back="/holds")
    assert "good: +6281211111111 is no longer kept as evidence" in told
    assert "bad: say why" in await privacy.done("/holds", number=BLOCKED, reason=" ")
    assert [(by, why) for by, _, why, _ in await acts(centre, "release")] == [("Privacy", "case closed")]
    assert "good: erased" in await privacy.done("/forget", **fields)
    subjects = {subject for _, subject, _, _ in await acts(centre, "hold")}
    assert len(subjects) == 2
    assert "a caller" in subjects


async def test_a_time_within_a_sentence_is_a_time(centre: Centre) -> None:
    """A time within a sentence is rendered as markup, and text that people wrote is escaped."""
    ratna = await centre.login("Supervisor")
    card = f"/caller/{centre.site.hiding.hide(BLOCKED)}"
    await ratna.done(f"{card}/appeal", reason="not <b>me</b>")
    await ratna.done(f"{card}/hold", did="hold", reason="case <i>17</i>")
    for path in (card, "/waiting", "/holds"):
        _, text = await ratna.get(path)
        assert "&lt;time" not in text, path
        assert "&lt;" in text, path
        assert not re.search("<b>me|<i>17", text)


async def test_what_is_held_is_shown_by_kind_with_its_setting(centre: Centre) -> None:
    """The privacy page shows each kind of data with its count and its setting, or how it ends."""
    privacy = await centre.login("Privacy")
    await privacy.post("/lang", {"lang": "en"})
    _, text = await privacy.get("/privacy")
    shown = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", text))
    assert re.search(r"calls [0-9]+ .* by its age \[privacy\] keep_calls = .400d. in full", shown)
    assert "places on the allow list 0 – – when somebody decides so –" in shown
    assert "events for programs" in shown


async def test_an_export_of_one_callers_calls_is_noted_as_a_look_at_the_caller(centre: Centre) -> None:
    """An export of one caller's calls is audited as a look at the caller, with no number in its details.

    Erasing the caller then removes the number from that line too.
    """
    browser, hidden = await centre.login("Supervisor"), centre.site.hiding.hide(BLOCKED)
    await browser.get(f"/calls.csv?of={hidden}&since=24h")
    which = AuditFilter(0, now() + 1, "look", looks=True)
    ((_, line),) = await centre.site.store.records.audit_page(which, 9)
    assert (line.subject, line.detail) == (BLOCKED, "export of calls, since=24h")


async def test_one_callers_calls_are_a_look_at_the_caller(centre: Centre) -> None:
    """The list of one caller's calls is audited as the caller's card is; other lists are not."""
    browser = await centre.login("Supervisor")
    await browser.get("/calls")
    assert await acts(centre, "look") == []
    await browser.get(f"/calls?of={centre.site.hiding.hide(BLOCKED)}")
    assert [(by, subject) for by, subject, *_ in await acts(centre, "look")] == [("Supervisor", BLOCKED)]


async def test_an_admin_lets_people_and_programs_in_and_out(centre: Centre) -> None:
    """An admin adds and removes users and tokens, sees a token once, and cannot disable the last admin."""
    browser = await centre.login("Admin")
    told = await browser.done("/people/add", name="Dewi", role="viewer", password="short")
    assert "bad: a password has 12" in told
    assert "good: Dewi is now a user" in await browser.done(
        "/people/add", name="Dewi", role="viewer", password="correct horse battery"
    )
    assert "bad: user dewi already exists" in await browser.done(
        "/people/add", name="dewi", role="viewer", password="correct horse battery"
    )
    assert (await (await centre.login("Dewi")).get("/wall"))[0] == 200
    assert "good" in await browser.done("/people/change", did="disable", name="Dewi")
    assert "bad: no admin would be left" in await browser.done("/people/change", did="disable", name="Admin")
    told = await browser.done("/tokens/add", name="cad", role="operator", lasts="365d")
    found = re.search(r"s112_[\w-]{43}", told)
    assert found
    assert (await centre.ask("GET", "me", token=found[0]))[1]["role"] == "operator"
    assert "good" in await browser.done("/tokens/revoke", name="cad")
    assert (await centre.ask("GET", "me", token=found[0]))[0] == 401
    assert found[0] not in (await browser.get("/people"))[1]


async def test_a_second_proposal_is_listed_with_its_evidence(centre: Centre) -> None:
    """Each proposal is listed with its strikes as evidence."""
    await propose(centre.site.store, NEW)
    browser = await centre.login("Supervisor")
    _, text = await browser.get("/waiting")
    assert text.count('class="card proposal"') == 2
    assert text.count("left the menu") >= 3


async def test_the_records_away_are_told_in_a_page_and_nothing_is_lost(centre: Centre) -> None:
    """While the records are away, pages and API answer 503; they work again when the records are back."""
    browser = await centre.login("Supervisor")
    records = centre.site.store.records
    database = centre.site.settings.state_dir / "siaga112.db"

    def leave() -> Path:
        records._engine.dispose()
        return database.rename(database.with_suffix(".away"))

    # In the records' own thread, and at once: closing a connection that another thread uses crashes SQLite,
    # and a query in between would keep the old file open.
    away = await records._run(leave)
    for extra in ("-wal", "-shm"):
        (database.parent / f"siaga112.db{extra}").unlink(missing_ok=True)
    centre.site.gate.forget()
    status, text = await browser.get("/calls")
    assert status == 503
    assert "Calls continue as usual" in text
    assert (await centre.ask("GET", "calls"))[0] == 503
    away.rename(database)
    await records._run(records._engine.dispose)
    assert (await browser.get("/calls"))[0] == 200


async def genuine(centre: Centre) -> str:
    """Return a call that is marked genuine."""
    _, found = await centre.ask("GET", "calls?mark=genuine")
    return str(found["items"][0]["call"])


async def test_a_mark_corrected_keeps_what_was_told_of_the_report(centre: Centre) -> None:
    """A report's kind is preselected when its mark is corrected, and ignored with another mark."""
    ratna = await centre.login("Supervisor")
    call, kind = await genuine(centre), centre.site.settings.kinds[0]
    await ratna.done(f"/calls/{call}/mark", mark="genuine", kind=kind)
    _, text = await ratna.get(f"/calls/{call}")
    assert f"<option selected>{kind}</option>" in text
    said = await ratna.done(f"/calls/{call}/mark", mark="information", kind=kind)
    assert said.startswith("good: ")


async def test_what_people_did_and_what_was_seen_is_said_in_the_readers_language(centre: Centre) -> None:
    """The audit trail and a call's facts are in the reader's language."""
    ratna = await centre.login("Supervisor")
    call = await genuine(centre)
    await ratna.post("/lang", {"lang": "id", "back": "/wall"})
    await ratna.done(f"/calls/{call}/mark", mark="genuine")
    _, audit = await ratna.get("/audit")
    assert "<td>menandai</td>" in audit
    _, call = await ratna.get(f"/calls/{call}")
    assert "<td>datang</td>" in call
