"""Following calls through dialplans of every make, as data."""

import pytest

from siaga112 import share
from siaga112.core.doctor.walk import Route, entries, leads_to, matches, parse, route

GUARDED = Route(guarded=True)
OPEN = Route(guarded=False)


def test_our_own_dialplan_is_read_as_asterisk_loads_it() -> None:
    """Contexts, extensions, labels and data; comments left out, parentheses in the data kept."""
    contexts = parse(share.text("asterisk/extensions_siaga112.conf"))
    screen = contexts["siaga112-screen"].extensions
    assert list(screen) == ["s", "T"]
    assert str(screen["s"][0]) == "Set(SIAGA_VERDICT=ALLOW)"
    assert [step.label for step in screen["s"] if step.label] == [
        "presentation",
        "restore",
        "pass",
        "blocked",
    ]
    assert str(screen["T"][0]) == "Goto(s,restore)"
    assert "_[0-9]" in contexts["siaga112-blocked"].extensions


ASK = "Gosub(siaga112-screen,s,1)"


@pytest.mark.parametrize(
    ("dialplan", "expected"),
    [
        (f"exten => 112,1,{ASK}", GUARDED),
        (f"exten => 112,1,Answer()\n same => n,{ASK}", Route(guarded=True, answered="Answer()")),
        (f"exten => 112,1,Progress()\n same => n,Playback(hello,noanswer)\n same => n,{ASK}", GUARDED),
        ("exten => 112,1,Queue(one)\n same => n,Hangup()", Route(guarded=False, answered="Queue(one)")),
        (f"exten => 112,1,Hangup()\n same => n,{ASK}", OPEN),
        (f"exten => _1XX,1,Goto(other,${{EXTEN}},1)\n[other]\nexten => 112,1,{ASK}", GUARDED),
        (f"exten => 112,1,Goto(there)\n same => n,Hangup()\n same => n(there),{ASK}", GUARDED),
        (f"exten => 112,1,Gosub(hello,s,1(a,b))\n same => n,{ASK}\n[hello]\nexten => s,1,Return()", GUARDED),
        (f"exten => 112,1,Gosub(hello,s,1)\n[hello]\nexten => s,1,{ASK}\n same => n,Return()", GUARDED),
        (f'exten => 112,1,GotoIf($["${{X}}" = "?"]?a,s,1:b,s,1)\n[b]\nexten => s,1,{ASK}', GUARDED),
        (f"exten => 112,1,ExecIf($[1]?{ASK})", GUARDED),
        (f"exten => 112,1,Macro(ask,1)\n[macro-ask]\nexten => s,1,{ASK}", GUARDED),
        ("exten => 112,1,Goto(112,1)", OPEN),
        ("exten => 112,1,Goto(${ELSEWHERE},s,1)", OPEN),
        (f"exten => 113,1,{ASK}", OPEN),
    ],
)
def test_a_call_is_followed_to_the_guard(dialplan: str, expected: Route) -> None:
    """Along Goto, Gosub, Macro and both branches of a condition, and never for ever."""
    assert route(parse(f"[trunk]\n{dialplan}"), "trunk", "112") == expected


def test_a_condition_may_lead_around_the_guard_and_is_still_followed() -> None:
    """A branch that ends does not end the search of the other."""
    contexts = parse(
        "[trunk]\nexten => 112,1,GotoIf($[1]?night,s,1)\n same => n,Gosub(siaga112-screen,s,1)\n"
        "[night]\nexten => s,1,Hangup()"
    )
    assert route(contexts, "trunk", "112") == GUARDED
    assert leads_to("trunk", contexts["trunk"]) == {"night", "siaga112-screen"}


@pytest.mark.parametrize(
    ("pattern", "exten", "fits"),
    [
        ("_X.", "112", True),
        ("_X.", "1", False),
        ("_X!", "1", True),
        ("_[+0-9]XX", "+12", True),
        ("_NXX", "112", False),
        ("_ZXX", "112", True),
        ("_1-1-2", "112", True),
        ("_.", "anything", True),
        ("_[", "1", False),
    ],
)
def test_patterns_match_as_asterisk_matches_them(pattern: str, exten: str, fits: bool) -> None:  # noqa: FBT001
    """X, Z, N, sets, dot and bang; dashes are for the eye."""
    assert matches(pattern, exten) is fits


def test_calls_do_not_begin_at_special_extensions() -> None:
    """h, i, t and T are for calls that are there already."""
    contexts = parse("[a]\nexten => h,1,NoOp()\nexten => 112,1,NoOp()\nexten => t,1,NoOp()")
    assert entries(contexts, "a") == ["112"]
