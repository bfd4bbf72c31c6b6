"""The doctor's checks: tracing calls through dialplans, and parts that cannot be examined."""

import re
from dataclasses import replace

import pytest

from siaga112.core.model import DAY, Mode
from siaga112.doctor import NAMES, diagnose, exit_code
from siaga112.doctor.lines import Health
from siaga112.doctor.observations import (
    Context,
    DatabaseSeen,
    Examined,
    FollowedSeen,
    Growth,
    HostSeen,
    Member,
    NotSeen,
    PbxFiles,
    PbxInside,
    PbxSeen,
    RedisSeen,
    Shipped,
    Wanted,
)
from siaga112.doctor.room import lasts
from siaga112.doctor.walk import Route, around, dials, entries, leads_to, matches, parse, route, takes
from siaga112.shipped import catalogue

GUARDED = Route(guarded=True)
OPEN = Route(guarded=False)


def test_our_own_dialplan_is_read_as_asterisk_loads_it() -> None:
    """The parser reads our own dialplan's contexts, extensions, labels and data as Asterisk does."""
    contexts = parse(catalogue.text("asterisk/extensions_siaga112.conf"))
    screen = contexts["siaga112-screen"].extensions
    assert list(screen) == ["s", "T"]
    assert str(screen["s"][0]) == "Set(SIAGA_VERDICT=ALLOW)"
    assert [step.label for step in screen["s"] if step.label] == [
        "clean",
        "presentation",
        "told",
        "shown",
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
    """A call is traced along Goto, Gosub, Macro and both branches of a condition, without endless loops."""
    assert route(parse(f"[trunk]\n{dialplan}"), "trunk", "112") == expected


def test_a_condition_may_lead_around_the_guard_and_is_still_followed() -> None:
    """If one branch of a condition ends the call, the search follows the other one."""
    contexts = parse(
        "[trunk]\nexten => 112,1,GotoIf($[1]?night,s,1)\n same => n,Gosub(siaga112-screen,s,1)\n"
        "[night]\nexten => s,1,Hangup()"
    )
    assert route(contexts, "trunk", "112") == GUARDED
    assert leads_to("trunk", contexts["trunk"]) == {"night", "siaga112-screen"}


LOADED = f"ExecIf(${{DIALPLAN_EXISTS(siaga112-screen,s,1)}}?{ASK})"


@pytest.mark.parametrize(
    ("dialplan", "served"),
    [
        (f"exten => 112,1,{ASK}\n same => n,Queue(one)", ""),
        (f"exten => 112,1,{LOADED}\n same => n,Queue(one)", ""),
        (f"exten => 112,1,ExecIf($[${{DAY}}]?{ASK})\n same => n,Queue(one)", "Queue(one)"),
        (
            f"exten => 112,1,GotoIf($[1]?day:night)\n same => n(day),{ASK}\n same => n(night),Dial(SIP/1)",
            "Dial(SIP/1)",
        ),
        (f"exten => 112,1,GotoIf($[1]?day:day)\n same => n,Queue(one)\n same => n(day),{ASK}", ""),
        (f"exten => 112,1,Gosub(ask,s,1)\n same => n,Queue(one)\n[ask]\nexten => s,1,{ASK}", ""),
        ("exten => 112,1,Gosub(log,s,1)\n same => n,Queue(one)\n[log]\nexten => s,1,Return()", "Queue(one)"),
        (f"exten => 112,1,Answer()\n same => n,{ASK}\n same => n,Queue(one)", ""),
        ("exten => 112,1,Hangup()\n same => n,Queue(one)", ""),
    ],
)
def test_a_way_around_the_guard_is_found(dialplan: str, served: str) -> None:
    """A path to service that is not screened is found; a check whether our file is loaded makes none."""
    assert around(parse(f"[trunk]\n{dialplan}"), "trunk", "112") == served


def test_the_telephones_that_an_extension_dials_are_named() -> None:
    """The phones that an extension dials are named, with the extension filled in, but not computed ones."""
    contexts = parse("[phones]\nexten => _XXX,1,Dial(PJSIP/${EXTEN}&SIP/${EXTEN}&PJSIP/${OTHER},20)")
    assert dials(contexts, "phones", "101") == ["PJSIP/101", "SIP/101"]
    assert dials(contexts, "phones", "9999") == []


def test_a_context_takes_a_number_by_name_or_by_pattern() -> None:
    """A context takes a number by name or pattern; if no numbers are given, any extension is enough."""
    contexts = parse("[a]\nexten => _1XX,1,NoOp()\n[b]\nexten => h,1,NoOp()")
    assert takes(contexts, "a", ["112"])
    assert not takes(contexts, "a", ["912"])
    assert takes(contexts, "a", [])
    assert not takes(contexts, "b", [])


def test_included_contexts_are_part_of_the_one_that_includes_them() -> None:
    """An included context is part of the one that includes it, as in FreePBX's trunk contexts."""
    contexts = dict(parse(f"[ours]\nexten => 112,1,{ASK}\n[office]\nexten => 113,1,Dial(PJSIP/1)"))
    contexts["trunk"] = Context({}, ("office", "ours", "trunk", "nowhere"))
    assert entries(contexts, "trunk") == ["113", "112"]
    assert route(contexts, "trunk", "112") == GUARDED
    assert route(contexts, "trunk", "113") == Route(guarded=False, answered="Dial(PJSIP/1)")
    assert leads_to("trunk", contexts["trunk"]) == {"office", "ours", "trunk", "nowhere"}


def test_what_an_include_includes_is_searched_before_the_next_include() -> None:
    """An include's own includes are searched before the next include, so FreePBX's catch-all comes last."""
    routes = "[routes]\nexten => 112,1,Answer()\nexten => _1X.,1,Dial(X)\nexten => _11X,1,Queue(a)"
    plan = f"[all]\nexten => _.,1,Hangup()\n{routes}"
    contexts = dict(parse(plan))
    contexts["trunk"] = Context({}, ("did", "all"))
    contexts["did"] = Context({}, ("routes",))
    assert route(contexts, "trunk", "112").answered == "Answer()"
    assert route(contexts, "trunk", "113").answered == "Queue(a)", "of two patterns the narrower"


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
def test_patterns_match_as_asterisk_matches_them(pattern: str, exten: str, fits: bool) -> None:  # noqa: FBT001 - pytest names it
    """X, Z, N, sets, dot and bang match as in Asterisk; dashes are ignored."""
    assert matches(pattern, exten) is fits


def test_calls_do_not_begin_at_special_extensions() -> None:
    """No call begins at h, i, t or T."""
    contexts = parse("[a]\nexten => h,1,NoOp()\nexten => 112,1,NoOp()\nexten => t,1,NoOp()")
    assert entries(contexts, "a") == ["112"]


WANTED = Wanted(
    config="/etc/siaga112/siaga112.toml",
    ami="127.0.0.1:5038",
    ami_host="127.0.0.1",
    username="siaga112",
    secret="of our own",
    trunk_contexts=("trunk",),
    numbers=(),
    ivr_contexts=("menu",),
    queues=("one",),
    queue_log="",
    agi_host="127.0.0.1",
    agi_port=4573,
    deadline=300,
    metrics="http://127.0.0.1:9112/metrics",
    redis="redis://127.0.0.1",
    embedded=False,
    database="",
    state_dir="/var/lib/siaga112",
    mode=Mode.OBSERVE,
)
NOTHING = Examined(
    wanted=WANTED,
    shipped=Shipped({}, (), {}),
    pbx=NotSeen("connection refused"),
    redis=NotSeen("connection refused"),
    database=NotSeen("connection refused"),
    agi=NotSeen("connection refused"),
    daemon=NotSeen("connection refused"),
    followed=NotSeen("connection refused"),
    host=HostSeen(
        state_dir="does not exist",
        state_dir_open=False,
        readable_secret=False,
        queue_log="",
        missing_prompts=None,
    ),
)


FILES = PbxFiles(user=None, timestamps="yes", bind_address="127.0.0.1", keys={}, member_gosubs={})


def told(files: PbxFiles, dialplan: str = "") -> PbxSeen:
    """Return a PBX with these files and this dialplan."""
    inside = PbxInside(files, contexts=parse(dialplan), agi="", data_dir="")
    return PbxSeen("22", 0, booted=True, queues=None, inside=inside)


@pytest.mark.parametrize(
    ("bound", "host", "remedy"),
    [
        ("127.0.0.1", "127.0.0.1", ""),
        ("[::1]", "localhost", ""),
        ("192.0.2.7", "192.0.2.7", ""),
        ("pbx.example", "pbx.example", ""),
        ("", "127.0.0.1", "bindaddr = 127.0.0.1 "),
        ("0.0.0.0", "localhost", "bindaddr = 127.0.0.1 "),
        ("::", "192.0.2.7", "bindaddr = 192.0.2.7 "),
        ("[::]", "127.0.0.1", "bindaddr = 127.0.0.1 "),
    ],
)
def test_the_ami_listens_where_we_ask_and_nowhere_else(bound: str, host: str, remedy: str) -> None:
    """AMI on all addresses, or without bindaddr, is a warning; the remedy names the address we connect to."""
    pbx = told(replace(FILES, bind_address=bound))
    seen = replace(NOTHING, pbx=pbx, wanted=replace(WANTED, ami_host=host))
    (line,) = [line for line in diagnose(seen) if line.check == "AMI address"]
    assert line.health is (Health.WARN if remedy else Health.OK)
    assert remedy in line.remedy


@pytest.mark.parametrize(
    ("asked", "seen", "unfollowed", "told"),
    [
        (0, 0, {}, ["ok"]),
        (40, 40, {}, ["ok"]),
        (5, 0, {}, ["ok"]),
        (6, 0, {}, ["6 of 6 calls that were asked about are not in the PBX's events"]),
        (100, 81, {}, ["ok"]),
        (100, 79, {}, ["21 of 100 calls"]),
        (3, 3, {"from-new": 2}, ["2 screened calls came in [from-new]"]),
        (3, 3, {"from-new": 1, "other": 2}, ["1 screened call came in [from-new]", "2 more came in further"]),
        (30, 3, {"from-new": 1}, ["1 screened call came in [from-new]", "27 of 30 calls"]),
    ],
)
def test_calls_that_are_asked_about_and_not_followed_are_said(
    asked: int, seen: int, unfollowed: dict[str, int], told: list[str]
) -> None:
    """A context with screened but untracked calls is named, with the line to add; so are missing events."""
    found = FollowedSeen(started=0, asked=asked, seen=seen, unfollowed=unfollowed)
    lines = [line for line in diagnose(replace(NOTHING, followed=found)) if line.check == "calls followed"]
    spelled = [f"{line.health}" if line.health is Health.OK else line.found for line in lines]
    assert [text.startswith(start) for text, start in zip(spelled, told, strict=True)] == [True] * len(told)
    if "from-new" in unfollowed:
        assert 'trunk_contexts = ["trunk", "from-new"]' in lines[0].remedy


@pytest.mark.parametrize(
    ("version", "newer", "found", "remedy"),
    [
        ("", False, "it has no tables yet", "siaga112 migrate"),
        ("0000", False, "its tables have version 0000, older", "siaga112 migrate"),
        ("9999", True, "its tables have version 9999, newer", "install the newer siaga112 here too"),
    ],
)
def test_tables_of_a_later_program_need_that_program(
    version: str, found: str, remedy: str, *, newer: bool
) -> None:
    """The remedy for older tables is `migrate`; newer ones need the newer program, as none goes back."""
    seen = DatabaseSeen(version, known=False, read_only=False, unsafe=(), newer=newer)
    line = next(line for line in diagnose(replace(NOTHING, database=seen)) if line.check == "database")
    assert found in line.found
    assert line.remedy.startswith(remedy)


OPERATOR = "siaga112-operator"
HANDED = "[menu]\nexten => 1,1,Set(QGOSUB=${VQ_GOSUB})\n same => n,Queue(one,t,,,30,,${QGOSUB})\n"
"""A queue that takes its Gosub from a variable of the call, as FreePBX's queues do."""


@pytest.mark.parametrize(
    ("gosub", "dialplan", "health"),
    [
        (OPERATOR, "", "ok"),
        (f"{OPERATOR},s,1", "", "ok"),
        ("own", f"[own]\nexten => s,1,Gosub({OPERATOR},s,1)\n same => n,Return()", "ok"),
        ("own,s,1", "[own]\nexten => s,1,Set(DYNAMIC_FEATURES=mute#siaga112-prank)", "ok"),
        ("", f"[menu]\nexten => 1,1,Queue(one,t,,,30,,{OPERATOR})", "ok"),
        ("", f"[menu]\nexten => 1,1,Queue(two,t,,,30,,{OPERATOR})", "warn"),
        ("", f"{HANDED}[hook]\nexten => 112,1,Set(VQ_GOSUB={OPERATOR})", "ok"),
        ("", HANDED, "warn"),
        ("own", "[own]\nexten => s,1,Return()", "warn"),
        ("gone", "", "warn"),
        ("", "", "warn"),
    ],
)
def test_operators_of_a_queue_get_their_keys(gosub: str, dialplan: str, health: str) -> None:
    """Operators get their keys from the queue's membergosub, ours or the centre's, or from Queue() itself."""
    shipped = Shipped({}, (), {"siaga112-prank": "*71"})
    seen = replace(NOTHING, pbx=told(replace(FILES, member_gosubs={"one": gosub}), dialplan), shipped=shipped)
    (line,) = [line for line in diagnose(seen) if line.check == "keys in queues"]
    assert line.health == health


def test_on_freepbx_no_remedy_names_a_file_that_it_writes_itself() -> None:
    """No remedy names a file that FreePBX overwrites at the next Apply Config, or a section of a queue.

    `[600](+)` outlives the queue, and then Asterisk loads no queue at all.
    """
    bare = PbxFiles(
        user=None, timestamps="", bind_address="", keys={}, member_gosubs={"one": ""}, web_address="::"
    )
    dialplan = "[trunk]\nexten => 112,1,Queue(one)\n[menu]\nexten => s,1,NoOp()"
    pbx = told(bare, dialplan)
    assert pbx.inside
    members = {"one": (Member("Local/101@phones", state=None), Member("PJSIP/1", state=5))}
    inside = replace(pbx.inside, freepbx=True, sources=(), agi="agi://127.0.0.1:1/screen")
    shipped = Shipped(parse(catalogue.text("asterisk/extensions_siaga112.conf")), ("one",), {"key": "*1"})
    wanted = replace(WANTED, spoken=True)
    seen = replace(NOTHING, pbx=replace(pbx, inside=inside, queues=members), shipped=shipped, wanted=wanted)
    remedies = [line.remedy for line in diagnose(seen)]
    theirs = re.compile(r"\bin (manager|queues|features|extensions)\.conf")
    assert [remedy for remedy in remedies if theirs.search(remedy) or "[one]" in remedy] == []
    assert any("Set(VQ_GOSUB=siaga112-operator)" in remedy for remedy in remedies)
    plain = diagnose(replace(seen, pbx=replace(pbx, queues=members)))
    assert len([line for line in plain if theirs.search(line.remedy)]) > 5


@pytest.mark.parametrize(
    ("size", "week", "age", "free", "days"),
    [
        (0, 0, 0, 1, None),
        (7_000, 70, 7, 100_000, None),
        (7_000, 70, 7, 29_000, 29),
        (7_000, 70, 399, 29_000, None),
        (7_000, 70, 390, 9_000, 9),
        (7_000, 0, 100, 1, None),
    ],
)
def test_the_room_lasts_so_many_days(size: int, week: int, age: int, free: int, days: int | None) -> None:
    """Space for less than a month at last week's rate is reported, unless retention frees some before."""
    growth = Growth(calls=70, week=week, age=age * DAY, size=size, standings=0, new_standings=0)
    assert lasts(growth, free, 400 * DAY) == days


def test_every_check_has_a_line_even_if_nothing_can_be_seen() -> None:
    """If a part cannot be seen, each of its checks still has a line, and none of them is ok."""
    lines = list(diagnose(NOTHING))
    assert {line.check for line in lines} == NAMES
    assert {line.check for line in lines if line.health is Health.OK} == {"secrets", "queue_log"}
    assert exit_code(NOTHING, lines) == 4


def test_a_user_who_is_not_in_the_files_is_not_judged_by_them() -> None:
    """If the AMI user is not in the files, its rights are unchecked, and the remedy is to look them up."""
    lines = {line.check: line for line in diagnose(replace(NOTHING, pbx=told(FILES)))}
    for check in ("AMI read classes", "AMI write timeout", "AMI event filter"):
        assert lines[check].health is Health.UNCHECKED
        assert "manager show user siaga112" in lines[check].remedy
    assert lines["AMI write class"].health is Health.OK


def test_a_redis_that_does_not_tell_rights_is_said_not_to() -> None:
    """If Redis does not show the user's rights, as before version 7, they are unchecked."""
    redis = RedisSeen(servers=(), ahead=0, lacking=None, excessive=None, mode=None)
    (line,) = [line for line in diagnose(replace(NOTHING, redis=redis)) if line.check == "Redis rights"]
    assert line.health is Health.UNCHECKED


@pytest.mark.parametrize(
    ("ahead", "health"), [(0, "ok"), (-999, "ok"), (1_000, "warn"), (-29_999, "warn"), (30_000, "fail")]
)
def test_clocks_may_differ_by_less_than_a_second(ahead: int, health: str) -> None:
    """A difference between the clocks is a warning from one second, and a failure from half a minute."""
    pbx = PbxSeen("22", ahead, booted=True, queues=None, inside=None)
    (line,) = [line for line in diagnose(replace(NOTHING, pbx=pbx)) if line.check == "PBX clock"]
    assert line.health == health
