"""What a blocked caller hears and gets by each treatment, and what an operator hears after a mark.

All calls of a PBX are played once (tests/pbx/listening.py); the tests examine the results.
"""

import asyncio
from typing import Final, get_args

import pytest
import pytest_asyncio

from tests.lab import Version
from tests.lab.ear import RATE, loudness, seconds
from tests.pbx.listening import BROKEN, LAST, MEMBERS, UNTIL, Centre, announced, play_all

pytestmark = pytest.mark.pbx


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def evenings() -> dict[Version, Centre]:
    """Play every call of the cast on both PBXs, side by side; return the results."""
    versions = get_args(Version)
    return dict(zip(versions, await asyncio.gather(*map(play_all, versions)), strict=True))


@pytest.fixture(params=get_args(Version))
def evening(evenings: dict[Version, Centre], request: pytest.FixtureRequest) -> Centre:
    """Return the results of each PBX in turn."""
    return evenings[request.param]


def test_reject_costs_nothing(evening: Centre) -> None:
    """With `reject` the caller gets 403 at once, without an answer or a sound."""
    story = evening.stories["rejected"]
    assert story.leg.statuses == [100, 403]
    assert story.heard == b""
    assert story.values("SIAGA_REJECTED") == ["reject"]


TOLD: Final = {
    "temporary": announced("temporary", UNTIL),
    "permanent": announced("permanent"),
    "no date": announced("temporary"),
}


@pytest.mark.parametrize("name", TOLD)
def test_announce_tells_the_caller_in_two_languages(evening: Centre, name: str) -> None:
    """With `announce` the caller hears only the announcement, as early media, then gets 403 unanswered."""
    story = evening.stories[name]
    assert story.leg.statuses == [100, 183, 403]
    assert story.hears_in_order(*TOLD[name])
    assert len(story.heard) / RATE == pytest.approx(sum(seconds(*one) for one in TOLD[name]), abs=0.5)
    assert loudness(story.heard) > 0.03
    assert story.values("SIAGA_REJECTED") == ["announce"]


def test_what_is_missing_of_an_announcement_is_left_out_and_the_rest_is_said(evening: Centre) -> None:
    """Without number prompts the others are played, the centre's own last; then the caller gets 403."""
    story = evening.stories["told in part"]
    parts = announced("temporary", UNTIL, contact=True)
    there = [
        (language, name.replace("contact", "no-operator")) for language, name in parts if "number" not in name
    ]
    assert story.leg.statuses == [100, 183, 403]
    assert story.hears_in_order(*there)
    assert len(story.heard) / RATE == pytest.approx(sum(seconds(*one) for one in there), abs=0.5)
    assert story.values("SIAGA_REJECTED") == ["announce"]


@pytest.mark.parametrize("name", ["right", "right late"])
def test_who_presses_the_spoken_digit_goes_on(evening: Centre, name: str) -> None:
    """With `challenge` the call is answered; the right digit, even in a second attempt, leads to the menu."""
    story = evening.stories[name]
    assert story.leg.statuses == [100, 200]
    assert story.hears_in_order(("id", "challenge"), ("id", "menu"))
    assert story.values("QUEUE_PRIO") == ["-10"]
    assert story.values("SIAGA_REJECTED") == []


def test_the_right_digit_need_not_wait_for_the_english_words(evening: Centre) -> None:
    """The right digit, pressed during the Indonesian prompt, skips the English one."""
    assert not evening.stories["right"].hears_in_order(("en", "challenge"))


@pytest.mark.parametrize("name", ["wrong", "silent"])
def test_two_failed_attempts_end_the_call(evening: Centre, name: str) -> None:
    """After two wrong or missing answers, the caller hears a goodbye in both languages and is rejected."""
    story = evening.stories[name]
    assert story.leg.statuses == [100, 200]
    assert story.hears_in_order(
        ("id", "challenge"), ("id", "challenge"), ("id", "goodbye"), ("en", "goodbye")
    )
    assert not story.hears_in_order(*[("id", "challenge")] * 3)
    assert story.values("SIAGA_REJECTED") == ["challenge"]
    assert story.values("QUEUE_PRIO") == []


def test_each_attempt_asks_for_another_digit(evening: Centre) -> None:
    """An attempt asks for the same digit in both languages, and the second attempt for another one."""
    first, again, second, again_second = evening.stories["silent"].asked
    assert (first, second) == (again, again_second)
    for name in ("wrong", "silent", "right late"):
        asked = evening.stories[name].asked
        assert asked[0] != asked[-1]


def test_an_ordinary_caller_comes_before_every_blocked_one(evening: Centre) -> None:
    """An ordinary caller who comes last is served before deprioritised and challenged callers."""
    assert evening.served[0] == "ordinary"
    assert sorted(evening.served[1:]) == sorted(LAST)
    assert evening.stories["deprioritised"].values("SIAGA_REJECTED") == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_challenge_that_cannot_be_heard_lets_the_caller_on(evening: Centre, name: str) -> None:
    """If number prompts, all prompts or RAND() are missing, the fault is ours and the call goes on."""
    story = evening.stories[name]
    assert story.values("SIAGA_REJECTED") == []
    assert story.values("QUEUE_PRIO") == ["-10"]
    assert story.hears_in_order(("id", "challenge")) is (name != "no sounds")


def test_only_a_rejection_is_a_blocked_call(evening: Centre) -> None:
    """A rejected call is `blocked`; one that passed the challenge or was deprioritised is `answered`."""
    for name in ("rejected", *TOLD, "told in part", "wrong", "silent"):
        assert evening.entries[evening.stories[name].uid].finding.outcome == "blocked"
    for name in (*LAST, "ordinary", *MEMBERS):
        assert evening.entries[evening.stories[name].uid].finding.outcome == "answered"


@pytest.mark.parametrize("name", MEMBERS)
def test_the_operator_hears_that_the_mark_was_taken(evening: Centre, name: str) -> None:
    """*71 to *74 mark the caller's call, and one to four short beeps confirm it to the operator alone."""
    marks, uid = evening.marks[name], evening.stories[name].uid
    assert [(marking.mark, marking.call) for marking in marks] == [
        (mark, uid) for mark in ("prank", "genuine", "information", "silent")
    ]
    assert [len(marking.operator_heard) for marking in marks] == [1, 2, 3, 4]
    assert all(0.08 < beep < 0.12 for marking in marks for beep in marking.operator_heard)
    assert [marking.caller_heard for marking in marks] == [[], [], [], []]
    assert evening.entries[uid].finding.mark == "silent"


@pytest.mark.parametrize("name", MEMBERS)
def test_with_a_voice_the_operator_alone_hears_which_mark_was_taken(evening: Centre, name: str) -> None:
    """With `voice` each mark is confirmed by its own word, which only the operator hears."""
    assert evening.spoken[name] == [(True, False)] * 4
