"""The evidence sheet: its sentences, and its size of one A4 page, however much it has to say."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from siaga112.adapters import pdf
from siaga112.core import decisions
from siaga112.core.model import (
    DAY,
    HOUR,
    SECOND,
    CallId,
    Level,
    Mark,
    Millis,
    Mode,
    Origin,
    Outcome,
    ProposalCause,
    Reason,
    Treatment,
)
from siaga112.core.policy import add_strike
from siaga112.core.record import AllowEntry, Appeal, Block, CallerRecord, Lift, Proposal, Strike
from siaga112.core.regulation import COUNTABLE, PRESETS, PolicyRules
from siaga112.core.review import Called, Watched, review
from siaga112.core.standing import standing, verdict
from siaga112.service.supervisor import CallerFile
from siaga112.terminal import evidence
from siaga112.terminal.evidence import Letterhead, Sheet, page, sheet
from siaga112.terminal.story import Story
from siaga112.words import Language, tongue
from tests.lab import pdf as read
from tests.lab.chromium import Tab, tab
from tests.samples import CALLER, RULES, block

NOW: Final[Millis] = 1_772_521_500_000
"""Tuesday, 3 March 2026, 14:05 in Jakarta."""

ZONE: Final = ZoneInfo("Asia/Jakarta")
OFFICE: Final = Letterhead(
    "serang", "Dinas Komunikasi dan Informatika Kota Serang", "loket Diskominfo", Language.ID
)
WIDE: Final = "W" * 600


@pytest.fixture
async def chromium() -> AsyncIterator[Tab]:
    """Yield a tab of a real Chromium."""
    async with tab() as opened:
        yield opened


def strikes(count: int, *, attested: int = 0) -> tuple[Strike, ...]:
    """Return this many strikes, the last one a minute ago; the first `attested` of them are attested."""
    first = NOW - 60 * SECOND - (count - 1) * 900 * SECOND
    return tuple(
        Strike(
            CallId(f"{(first + nth * 900 * SECOND) // SECOND}.{nth}"),
            first + nth * 900 * SECOND,
            Outcome.IVR_PRANK,
            "left_menu",
            first + nth * 900 * SECOND - 12 * SECOND,
            attested=nth < attested,
        )
        for nth in range(count)
    )


def blocked(count: int, rules: PolicyRules = RULES, *, attested: int = 0) -> CallerRecord:
    """Return the record of a caller whom this many strikes have blocked."""
    record = CallerRecord(CALLER)
    for one in strikes(count, attested=attested):
        record = add_strike(record, one, rules)
    assert record.block_at(NOW)
    return record


def ruled(limit: int) -> PolicyRules:
    """Return a city's own rules, with this threshold."""
    return PolicyRules(thresholds=(limit,), window=14 * DAY)


def story(record: CallerRecord, mode: Mode = Mode.ENFORCE, rules: PolicyRules = RULES) -> Story:
    """Return the story of a record."""
    found = verdict(standing(record, NOW, rules), mode, NOW, rules)
    return Story(CallerFile(record, (), ()), found, mode, rules, NOW)


def written(
    record: CallerRecord, lang: Language = Language.EN, mode: Mode = Mode.ENFORCE, rules: PolicyRules = RULES
) -> Sheet:
    """Return a record's sheet."""
    return sheet(story(record, mode, rules), OFFICE, "Ratna", ZONE, lang)


def told(record: CallerRecord, mode: Mode = Mode.ENFORCE, rules: PolicyRules = RULES) -> str:
    """Return the sentences of a record's sheet, in English."""
    made = written(record, Language.EN, mode, rules)
    parts: Sequence[Sequence[str]] = (
        made.decided,
        made.rule,
        [made.heading],
        made.more,
        made.earlier,
        made.known,
        made.objecting,
    )
    return "\n".join(text for part in parts for text in part)


def fullest() -> CallerRecord:
    """Return a record in which every text is as long, and everything as much, as possible."""
    lift = Lift(NOW - HOUR, WIDE, WIDE, mistake=True)
    earlier = tuple(replace(block(NOW - 9 * HOUR - nth, NOW - HOUR), lifted=lift) for nth in range(100))
    found = tuple(
        replace(one, call=CallId(f"{nth}{WIDE[:140]}"), reason="left_ringing", attested=nth % 2 == 0)
        for nth, one in enumerate(strikes(200))
    )
    reason = f"400 misuses, weighing 200.5, more than 5 ({ruled(5).title}); confirmed: {WIDE}"
    calls = (*(one.call for one in found), *(CallId(f"gone-{nth}") for nth in range(200)))
    held = Block(Level.TEMPORARY, NOW - HOUR, NOW + HOUR, Origin.MANUAL, reason, WIDE, calls)
    proposal = Proposal(NOW, ProposalCause.POLICY, 11 * DAY, 2, "more")
    objection = Appeal(NOW - HOUR, WIDE, WIDE, NOW + 2 * DAY, decided=lift)
    return CallerRecord(CALLER, found, (*earlier, held), proposals=(proposal,), appeals=(objection,))


RECORDS: Final = {
    "nothing": CallerRecord(CALLER),
    "1 strike": blocked(1, ruled(0)),
    "6 strikes": blocked(6),
    "400 strikes": blocked(400, ruled(399)),
    "all there can be": fullest(),
}
LARGE: Final = Letterhead("s" * 32, WIDE[:200], WIDE[:200], Language.ID)


@pytest.mark.parametrize("lang", Language)
@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
async def test_it_is_one_page_of_a4_however_much_is_held(record: CallerRecord, lang: Language) -> None:
    """The PDF is one A4 page, with searchable text, embedded fonts, its language and its title."""
    letterhead, by = (LARGE, WIDE) if record == fullest() else (OFFICE, "Ratna")
    made = await pdf.made(page(sheet(story(record), letterhead, by, ZONE, lang)))
    said = read.about(made)
    assert (said["Pages"], said["Page size"].endswith("(A4)")) == ("1", True)
    assert said["Title"] == f"{'Lembar bukti' if lang is Language.ID else 'Evidence sheet'} {CALLER}"
    assert said["Tagged"] == "yes"
    assert read.language(made) == lang
    assert CALLER in read.text(made)
    assert read.fonts(made)
    assert all(embedded for _, embedded in read.fonts(made))


@pytest.mark.parametrize("lang", Language)
@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
async def test_a_browser_prints_it_on_one_page_too(
    chromium: Tab, tmp_path: Path, record: CallerRecord, lang: Language
) -> None:
    """A browser prints the HTML file on one A4 page, and loads nothing else for it."""
    letterhead, by = (LARGE, WIDE) if record == fullest() else (OFFICE, "Ratna")
    file = tmp_path / "sheet.html"
    file.write_text(page(sheet(story(record), letterhead, by, ZONE, lang)), "utf-8")
    chromium.requests.clear()
    await chromium.open(file.as_uri())
    assert (chromium.messages, chromium.requests) == ([], [file.as_uri()])
    said = read.about(await chromium.pdf())
    assert (said["Pages"], said["Page size"].endswith("(A4)")) == ("1", True)


def test_it_names_the_newest_calls_and_counts_the_others() -> None:
    """The sheet lists the newest calls that the block rests on, with their times, and counts all others."""
    made = written(blocked(400, ruled(399)), rules=ruled(399))
    assert made.heading == "The 400 calls that the block rests on"
    assert len(made.calls) == evidence.CALLS_SHOWN
    assert made.calls[0].began == "Tue, 3 Mar 2026 14:03 WIB"
    assert made.calls[0].ended == "the caller hung up in the voice menu, without a choice"
    assert made.calls[0].call.endswith(".399")
    assert made.more == [f"and {400 - evidence.CALLS_SHOWN} more, in the office's records"]
    assert [len(written(blocked(count)).calls) for count in (6, 7)] == [6, 6]
    gone = replace(blocked(6), strikes=())
    assert written(gone).calls == []
    assert written(gone).more == ["and 6 more, of which only the numbers are kept"]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (blocked(6), "This number is blocked until Wednesday, 4 March 2026 at 14:04 WIB."),
        (
            blocked(6),
            "6 calls from this number counted as misuse within 30 days; over 5 lead to a block.",
        ),
        (blocked(6), "Rule: Regulation of the Minister of Communication and Informatics 10/2016"),
        (blocked(6), "The system imposed the block by itself, by this rule."),
        (blocked(6), "A caller from this number hears that it is blocked, and is not connected."),
        (blocked(4, ruled(3)), "counted as misuse within 14 days; over 3 lead to a block."),
        (blocked(4, ruled(3)), "Rule: the office's own."),
        (CallerRecord(CALLER), "This number is not blocked."),
        (CallerRecord(CALLER), "More than 5 calls that count as misuse within 30 days lead to a block."),
        (CallerRecord(CALLER, strikes(2)), "Calls that count as misuse now: 2"),
        (CallerRecord(CALLER, blocks=(block(NOW, None),)), "This number is blocked permanently."),
        (
            CallerRecord(CALLER, blocks=(block(NOW, None),)),
            "A supervisor imposed the block: supervisor. Reason given: threats",
        ),
        (
            CallerRecord(CALLER, blocks=(block(NOW, None),)),
            "A supervisor entered the number; no call is counted.",
        ),
        (replace(blocked(6), allow=AllowEntry(NOW, "Ratna", "clinic")), "The number is on the allow list"),
        (blocked(6), "No telephone company vouches for the number (not attested)."),
        (blocked(6, attested=6), "The telephone company vouches for the number (attested)."),
        (blocked(6, attested=2), "For 2 of 6 calls the telephone company vouches for the number"),
    ],
)
def test_it_says_in_words_what_is_decided_and_why(record: CallerRecord, said: str) -> None:
    """The sheet says until when and why the number is blocked, and whether anybody vouches for it."""
    assert said in told(record)


def objected(record: CallerRecord, *, suspends: bool = False) -> CallerRecord:
    """Return the record after the caller's appeal an hour ago."""
    made = Appeal(NOW - HOUR, "clerk", "not me", NOW + 3 * DAY - HOUR, suspends)
    return decisions.object_(record, made)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (blocked(6), "the office answers within 3 times 24 hours"),
        (objected(blocked(6)), "An answer is owed until Friday, 6 March 2026 at 13:05 WIB."),
        (
            decisions.reject(objected(blocked(6)), Lift(NOW, "Ratna", "heard again")),
            "was rejected on Tuesday, 3 March 2026 at 14:05 WIB. Reason given: heard again",
        ),
        (
            decisions.lift(objected(blocked(6)), Lift(NOW, "Ratna", "a new owner")),
            "was granted on Tuesday, 3 March 2026 at 14:05 WIB. Reason given: a new owner",
        ),
    ],
)
def test_it_says_what_became_of_an_objection(record: CallerRecord, said: str) -> None:
    """The sheet says until when an appeal must be answered, or how it was decided, when and why."""
    assert said in told(record)


def test_a_suspended_block_is_said_to_be_suspended() -> None:
    """A block that an appeal suspends is shown as suspended, and not as no block at all."""
    record = replace(blocked(6), appeals=(Appeal(NOW, "clerk", "not me", NOW + 3 * DAY, suspends=True),))
    said = told(record)
    assert "The block on this number is suspended until the objection to it is decided." in said
    assert "not blocked" not in said
    assert "beside this one" not in said, "there is no other"
    assert "until 4 Mar 2026 14:04: suspended until the objection to it is decided" in said


def test_of_an_old_block_nobody_is_said_to_have_entered_the_number() -> None:
    """Its calls are past their age: only their numbers are left, and what imposed it is the rule."""
    held = replace(blocked(6).blocks[0], level=Level.PERMANENT, since=NOW - 500 * DAY, until=None)
    said = told(CallerRecord(CALLER, blocks=(held,)))
    assert "The system imposed the block by itself, by this rule." in said
    assert "and 6 more, of which only the numbers are kept" in said
    assert "A supervisor entered the number" not in said
    assert "A number can be forged" in said
    by_hand = replace(held, origin=Origin.MANUAL, calls=(), reason="threats")
    assert "A supervisor entered the number; no call" in told(CallerRecord(CALLER, blocks=(by_hand,)))


def test_a_block_that_was_confirmed_in_a_review_names_the_person() -> None:
    """A block that was confirmed in a review names the person who confirmed it, and the reason."""
    held = replace(block(NOW - 200 * DAY, None), calls=(CallId("1.0"),), step=2)
    rules = replace(RULES, review=180 * DAY)
    watched = Watched(NOW - 300 * DAY, NOW)
    asked = review(CallerRecord(CALLER, blocks=(held,)), Called(NOW - DAY, 3), watched, NOW, rules)
    said = told(decisions.confirm(asked, Lift(NOW, "Ratna", "the same voice")))
    assert "This number is blocked permanently." in said
    assert "A supervisor imposed the block: Ratna." in said
    assert "rejected 3 times since, last 1 days ago; confirmed: the same voice" in said


def test_a_block_that_is_not_enforced_is_not_said_to_be() -> None:
    """In modes `observe` and `off`, the sheet says that calls are connected at present."""
    for mode in (Mode.OBSERVE, Mode.OFF):
        said = told(blocked(6), mode)
        assert "At present no call is rejected" in said
        assert "not connected" not in said


def test_a_second_block_says_that_the_first_came_before() -> None:
    """The sheet of a second block names the first, and how that ended: by itself, or by whom and why."""
    first = replace(blocked(6).blocks[0], since=NOW - 3 * DAY, until=NOW - 2 * DAY)
    again = add_strike(CallerRecord(CALLER, blocks=(first,)), strikes(1)[0], RULES)
    said = told(again)
    assert "After block number 1 had ended, calls from this number were misuse again." in said
    assert "From 28 Feb 2026 14:05 until 1 Mar 2026 14:05: it ended by itself" in said
    lifted = replace(first, lifted=Lift(NOW - 2 * DAY, "Budi", "stolen phone"))
    assert "lifted on 1 Mar 2026 14:05 by Budi: stolen phone" in told(CallerRecord(CALLER, blocks=(lifted,)))
    mistaken = replace(first, lifted=Lift(NOW - 2 * DAY, "Budi", "call 1.1 was marked genuine", mistake=True))
    (line,) = written(CallerRecord(CALLER, blocks=(mistaken,)), Language.ID).earlier
    assert "panggilan 1.1 ditandai laporan nyata" in line


def test_a_confirmed_proposal_names_rule_and_person() -> None:
    """A confirmed proposal names the rule that led to it, and the supervisor with the reason."""
    reason = f"misused again after block 1 ({RULES.title})"
    record = CallerRecord(
        CALLER, strikes(3), proposals=(Proposal(NOW, ProposalCause.POLICY, None, 2, reason),)
    )
    assert "A permanent block is proposed; a supervisor decides on it." in told(record)
    said = told(decisions.confirm(record, Lift(NOW, "Ratna", "agreed with the ministry")))
    assert "After block number 1 had ended" in said
    assert "A supervisor confirmed the block: Ratna. Reason given: agreed with the ministry" in said
    assert "proposed" not in said


@pytest.mark.parametrize("treatment", Treatment)
def test_what_becomes_of_a_call_is_said_for_every_treatment(treatment: Treatment) -> None:
    """Each treatment has a sentence about what happens to a call, in both languages."""
    rules = replace(RULES, treatment=dict.fromkeys(Level, treatment))
    english, indonesian = (
        written(blocked(6), lang, rules=rules).decided for lang in (Language.EN, Language.ID)
    )
    assert len(english) == len(indonesian) == 3
    assert english[2] == evidence._TREATED[treatment]
    assert english[2] != indonesian[2]


def test_all_that_a_rule_can_count_and_every_preset_has_plain_words() -> None:
    """Every reason, mark and preset that a rule can count by has a plain text for citizens."""
    assert COUNTABLE - {Outcome.IVR_PRANK, Outcome.ABANDONED} <= evidence.ENDED.keys()
    assert evidence.ENDED.keys() <= {*Reason, *Mark}
    assert PRESETS.keys() <= evidence._BASIS.keys()


def test_it_is_in_the_sites_language_unless_another_is_asked_for() -> None:
    """The sheet is in the site's language, including its dates, if no other is asked for."""
    made = sheet(story(blocked(6)), OFFICE, "Ratna", ZONE, None)
    assert made.t is tongue(Language.ID)
    assert made.decided[0] == "Nomor ini diblokir sampai Rabu, 4 Maret 2026 pukul 14.04 WIB."
    text = page(made)
    for words in (
        "Lembar bukti",
        "Cara mengajukan keberatan",
        "3 × 24 jam",
        "loket Diskominfo",
        "119 (ambulans)",
    ):
        assert words in text
    assert not re.search(
        r"\b(the|block|calls?)\b", re.sub(r"<style>.*?</style>|<[^>]+>", "", text, flags=re.DOTALL)
    )


def test_what_somebody_wrote_is_text() -> None:
    """HTML in a reason is shown as text, and a line break in it as a space."""
    record = CallerRecord(CALLER, blocks=(replace(block(NOW, None), reason="<img src=//x>\nand more"),))
    text = page(written(record))
    assert "&lt;img src=//x&gt; and more" in text
    assert "<img" not in text
