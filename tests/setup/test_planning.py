"""Plans of setup for given facts, without a PBX."""

import tomllib
from dataclasses import replace

import pytest

from siaga112.doctor.observations import Contexts
from siaga112.doctor.walk import GUARD, Place, Route, route
from siaga112.setup import ways
from siaga112.setup.conf import contexts, read
from siaga112.setup.draft import EXAMPLE
from siaga112.setup.edits import GUARD_CALL, taken_back
from siaga112.setup.facts import Facts, Trunk
from siaga112.setup.looking import config_of, ours
from siaga112.setup.questions import Answers
from siaga112.setup.steps import Plan
from tests.setup.found import ETC, FREEPBX, PLACES, PLAIN, SECRET, answered, done, facts, planned, text

KINDS = pytest.mark.parametrize(
    "found",
    [facts(PLAIN), facts(FREEPBX["16"], freepbx="16.0.40"), facts(FREEPBX["17"], freepbx="17.0.19")],
    ids=["plain", "freepbx-16", "freepbx-17"],
)


def dialplan(extensions: str, **more: str) -> Facts:
    """Return the facts of a plain PBX with this dialplan."""
    return facts({**PLAIN, "extensions.conf": extensions, **more})


def after(found: Facts, made: Plan) -> Contexts:
    """Return the dialplan after the plan."""
    return done(found, made).live.contexts


@KINDS
def test_only_the_name_of_the_site_is_asked_where_all_else_can_be_seen(found: Facts) -> None:
    """Setup finds the trunk, the number, the menu and the queue itself."""
    answers, asked = answered(found)
    assert [question.option for question in asked] == ["--site"]
    assert answers.numbers == ("112",)
    assert answers.menus == (("menu",) if not found.pbx.freepbx else ("ivr-1",))
    assert answers.queues == (("operators",) if not found.pbx.freepbx else ("600",))


@KINDS
def test_a_second_plan_is_empty(found: Facts) -> None:
    """A step that was executed is not planned again."""
    made = planned(found)
    assert made.problems == ()
    assert made.steps
    again = planned(done(found, made), answered(found)[0])
    assert (again.problems, again.steps) == ((), ())


@KINDS
def test_every_call_to_the_number_is_asked_about_first(found: Facts) -> None:
    """Our line is the first that a call reaches, whatever the trunk's context is called."""
    made = planned(found)
    loaded = after(found, made)
    answers, _ = answered(found)
    for trunk in answers.trunks or ():
        assert route(loaded, trunk, "112") == Route(guarded=True)
    assert made.steps[-1].name == "guard"


@KINDS
def test_every_call_goes_on_where_it_went_before(found: Facts) -> None:
    """With our line, calls reach the same menus and queues as before."""
    made = planned(found)
    start = [Place(trunk, "112") for trunk in answered(found)[0].trunks or ()]
    before, now = (ways.reached(one, start) for one in (found.live.contexts, after(found, made)))
    assert before.menus == now.menus
    assert before.queues == now.queues
    assert before.menus


@pytest.mark.parametrize("version", FREEPBX)
def test_on_freepbx_only_files_are_changed_that_it_leaves_alone(version: str) -> None:
    """Only custom files and our own change; the secret is out of `fwconsole chown`'s reach."""
    made = planned(facts(FREEPBX[version], freepbx=version))
    changed = {write.path for step in made.steps for write in step.writes if write.path.startswith(ETC)}
    theirs = {path for path in changed if "siaga112" not in path}
    assert theirs
    assert [path for path in theirs if not path.endswith("_custom.conf")] == []
    assert [
        w.path for s in made.steps for w in s.writes if SECRET.encode() in w.after and w.path.startswith(ETC)
    ] == []
    user = "/etc/siaga112/manager_siaga112.conf"
    assert f"#tryinclude {user}\n" in text(made, f"{ETC}/manager_custom.conf")
    assert [w.mode for s in made.steps for w in s.writes if w.path == user] == [0o640]


@pytest.mark.parametrize("version", FREEPBX)
def test_on_freepbx_no_queue_file_can_break_the_queues(version: str) -> None:
    """`[600](+)` would outlive the queue in FreePBX's files; Asterisk would then load no queue at all."""
    made = planned(facts(FREEPBX[version], freepbx=version))
    assert [w.path for s in made.steps for w in s.writes if "queues" in w.path] == []
    assert "Set(VQ_GOSUB=siaga112-operator)" in text(made, f"{ETC}/extensions_custom.conf")


def test_an_addition_to_a_queue_from_before_is_named() -> None:
    """A note asks the admin to remove the addition to a queue that an old version of the manual advised."""
    files = dict(FREEPBX["17"])
    files["queues_post_custom.conf"] = "[600](+)\nmembergosub = siaga112-operator\n"
    made = planned(facts(files, freepbx="17.0.19"))
    assert any("queues_post_custom.conf:1: [600](+) outlives the queue" in note for note in made.notes)


def test_a_trunk_is_what_is_identified_or_registers_not_what_is_called_so() -> None:
    """An endpoint with a trunk's name that authenticates by password is a phone."""
    found = facts(PLAIN)
    assert found.live.trunks == (Trunk("PJSIP", "telco", "from-telco", "identify telco"),)


def test_of_several_trunk_contexts_it_is_asked_which() -> None:
    """The question lists the contexts found, the likely one first."""
    more = (
        f"{PLAIN['pjsip.conf']}[two]\ntype=endpoint\ncontext=menu\n[two]\ntype=registration\nendpoint=two\n"
    )
    _, asked = answered(facts({**PLAIN, "pjsip.conf": more}))
    (question,) = [one for one in asked if one.key == "trunks"]
    assert set(question.choices) == {"from-telco", "menu"}
    assert len(asked) <= 6


def test_no_more_than_six_questions_where_nothing_can_be_seen() -> None:
    """Without a trunk, and with jumps computed during the call, there are five questions."""
    blind = "[in]\nexten => _X.,1,Goto(${WHERE},s,1)\n[ask]\nexten => s,1,WaitExten(5)\n"
    found = facts({**PLAIN, "extensions.conf": blind, "pjsip.conf": ""}, queues={"a": (), "b": ()})
    _, asked = answered(found)
    assert [one.key for one in asked] == ["site", "trunks", "numbers", "menus", "queues"]


def test_priorities_that_are_written_as_numbers_are_moved() -> None:
    """Priorities 1, 2, 3 become 2, 3, 4, so that none is used twice."""
    old = (
        "[from-telco]\nexten => 112,1,Answer()\nexten => 112,2,Wait(1)\nexten => 112,3(x),Hangup()\n"
        "exten => 113,1,Hangup()\n"
    )
    found = dialplan(old)
    made = planned(found, Answers("s", numbers=("112",), menus=(), queues=()))
    steps = after(found, made)["from-telco"].extensions["112"]
    assert [(step.priority, step.application) for step in steps] == [
        (1, "ExecIf"),
        (2, "Answer"),
        (3, "Wait"),
        (4, "Hangup"),
    ]
    assert "exten => 113,1,Hangup()\n" in text(made, f"{ETC}/extensions.conf")


def test_a_jump_that_counts_lines_is_left_to_a_person() -> None:
    """An inserted line would shift the jump's target: one clear line says what to do."""
    found = dialplan("[from-telco]\nexten => 112,1,Answer()\n same => n,Goto(3)\n same => n,Hangup()\n")
    (problem,) = planned(found, Answers("s", menus=(), queues=())).problems
    assert "[from-telco] 112" in problem
    assert "counts its lines" in problem


def test_a_label_stays_with_its_step() -> None:
    """A jump back to the label does not ask again."""
    found = dialplan("[from-telco]\nexten => 112,1(top),Answer()\n same => n,Goto(top)\n")
    made = planned(found, Answers("s", menus=(), queues=()))
    first, second, *_ = after(found, made)["from-telco"].extensions["112"]
    assert (first.label, second.label) == ("", "top")
    assert GUARD in first.data


def test_a_number_that_an_included_context_takes_gets_its_line_in_the_trunks_own() -> None:
    """Other calls may use the included context: they are not screened."""
    found = dialplan(
        "[from-telco]\ninclude => numbers\n[phones]\ninclude => numbers\n[numbers]\nexten => 112,1,Answer()\n"
    )
    made = planned(found, Answers("s", menus=(), queues=()))
    loaded = after(found, made)
    assert ways.guarded(loaded, "from-telco", "112")
    assert not ways.guarded(loaded, "numbers", "112")
    assert loaded["from-telco"].extensions["112"][-1].data == "numbers,${EXTEN},1"


def test_a_dialplan_of_another_kind_is_left_to_a_person() -> None:
    """If AEL or Lua makes the context, the message names it."""
    found = facts(PLAIN)
    live = replace(found.live, registrars={**found.live.registrars, "from-telco": "pbx_ael"})
    (problem,) = planned(replace(found, live=live)).problems
    assert "pbx_ael" in problem


def test_a_file_that_is_included_and_not_there_stops_everything() -> None:
    """Asterisk would not reload the file, and our line would not be in force."""
    found = dialplan("#include gone.conf\n" + PLAIN["extensions.conf"])
    (problem,) = planned(found).problems
    assert "gone.conf, which is not there" in problem


def test_a_file_of_ours_that_somebody_edited_is_left_alone() -> None:
    """A file of setup's that somebody edited is not written; a note names it."""
    path = f"{ETC}/extensions_siaga112.conf"
    found = replace(facts(PLAIN), there={path: b"; mine\n"})
    made = planned(found)
    assert path not in {write.path for step in made.steps for write in step.writes}
    assert any(path in note for note in made.notes)


def test_the_configuration_that_a_package_installed_gives_way_to_what_was_found() -> None:
    """The shipped example is nobody's configuration: setup asks as if there were none, and replaces it."""
    example = ours().texts[EXAMPLE].encode()
    found = replace(
        facts(PLAIN), there={PLACES.config: example}, config=config_of(PLACES.config, example, ours())
    )
    made = planned(found)
    assert tomllib.loads(text(made, PLACES.config))["pbx"]["trunk_contexts"] == ["from-telco"]
    assert made.problems == planned(facts(PLAIN)).problems == ()
    edited = example + b"# mine\n"
    assert config_of(PLACES.config, edited, ours()) is not None


def test_a_queue_with_a_gosub_of_its_own_keeps_it() -> None:
    """A queue that has a gosub keeps it, and a note says what to add to it."""
    queues = PLAIN["queues.conf"].replace("strategy", "membergosub = mine\nstrategy")
    made = planned(facts({**PLAIN, "queues.conf": queues}))
    assert "queues" not in {step.name for step in made.steps}
    assert any("membergosub = mine" in note for note in made.notes)


def test_the_line_of_a_queue_goes_away_with_the_queue() -> None:
    """The line is in the queue's own section, not in a section that would outlive the queue."""
    made = planned(facts(PLAIN))
    assert "[operators]\nmembergosub = siaga112-operator\nstrategy" in text(made, f"{ETC}/queues.conf")


def test_an_extension_that_is_matched_by_the_callers_number_asks_too() -> None:
    """To Asterisk, `112/0812…` is a separate extension."""
    found = dialplan("[from-telco]\nexten => 112/0812,1,Hangup()\nexten => 112,1,Answer()\n")
    made = planned(found, Answers("s", numbers=("112",), menus=(), queues=()))
    assert text(made, f"{ETC}/extensions.conf").count(GUARD_CALL) == 2


def test_edits_since_are_kept_when_ours_are_taken_back() -> None:
    """Lines before, between and after ours stay; if one of our lines was edited, a person decides."""
    before = "[a]\none\ntwo\n"
    ours = "[a]\nours\none\ntwo\nlast of ours\n"
    assert taken_back(before, ours, ours) == before
    assert (
        taken_back(before, ours, "; new\n[a]\nours\none\nmore\ntwo\nlast of ours\nend\n")
        == "; new\n[a]\none\nmore\ntwo\nend\n"
    )
    assert taken_back(before, ours, "[a]\nours, edited\none\ntwo\nlast of ours\n") is None


def test_the_keys_go_below_an_applicationmap_that_is_there() -> None:
    """The keys go into the existing section; keys that exist already stay."""
    features = "[general]\n[applicationmap]\nmine => *9,self,NoOp()\n"
    made = planned(facts({**PLAIN, "features.conf": features}))
    lines = text(made, f"{ETC}/features.conf").splitlines()
    assert lines[2].startswith("siaga112-prank ")
    assert lines[-1] == "mine => *9,self,NoOp()"


def test_on_freepbx_a_trunks_own_context_leads_to_the_same_hook() -> None:
    """`from-trunk-pjsip-NAME` includes from-pstn through from-trunk: one line serves all trunks."""
    more = "[from-trunk-pjsip-telco]\ninclude => from-trunk-pjsip-telco-custom\ninclude => from-trunk\n"
    files = dict(FREEPBX["17"])
    files["extensions_additional.conf"] += more
    files["pjsip.endpoint.conf"] = "[telco]\ntype=endpoint\ncontext=from-trunk-pjsip-telco\n"
    found = facts(files, freepbx="17.0.19")
    made = planned(found)
    assert made.problems == ()
    assert route(after(found, made), "from-trunk-pjsip-telco", "112") == Route(guarded=True)
    custom = text(made, f"{ETC}/extensions_custom.conf")
    assert "[from-pstn-custom]\nexten => 112,1," in custom


def test_the_units_run_our_program_and_listen_where_the_dialplan_asks() -> None:
    """The units follow the port in SIAGA_AGI and our installation path."""
    found = facts(PLAIN)
    live = replace(found.live, globals={"SIAGA_AGI": "agi://127.0.0.1:4999/screen"})
    machine = replace(found.machine, program="/srv/siaga112/bin/siaga112")
    made = planned(replace(found, live=live, machine=machine))
    units = "/etc/systemd/system"
    assert "ListenStream=127.0.0.1:4999\n" in text(made, f"{units}/siaga112-screen.socket")
    assert "ExecStart=/srv/siaga112/bin/siaga112 run --only screen" in text(
        made, f"{units}/siaga112-screen.service"
    )
    assert "[agi]\nport = 4999\n" in text(made, "/etc/siaga112/siaga112.toml")


def test_comments_includes_and_templates_are_read_as_asterisk_does() -> None:
    """Comments are ignored, and includes are read in place."""
    texts = {
        f"{ETC}/extensions.conf": "[a]\n;exten => 1,1,No()\n;-- exten => 2,1,No()\n--;\n"
        "#include b.conf\nsame => n,Two(x\\;y)\n",
        f"{ETC}/b.conf": "exten => 3,1,One() ; said\n",
    }
    loaded = contexts(read(f"{ETC}/extensions.conf", texts, ETC))
    assert list(loaded["a"].extensions) == ["3"]
    assert [str(step) for step in loaded["a"].extensions["3"]] == ["One()", "Two(x;y)"]


def test_what_an_older_version_kept_in_redis_is_carried_over_by_a_step() -> None:
    """Migration runs once, after the new daemon, which writes to the database, has started."""
    found = facts(PLAIN)
    answers, _ = answered(found)
    after_all = done(found, planned(found))
    units, older = planned(replace(after_all, older=True), answers).steps
    assert ("systemctl", "restart", "siaga112-screen", "siaga112-track") in units.commands
    config = ("--config", "/etc/siaga112/siaga112.toml")
    program = "/opt/siaga112/bin/siaga112"
    assert older.commands == (
        ("runuser", "-u", "siaga112", "--", program, *config, "migrate", "--from-redis"),
    )
    assert planned(after_all, answers).steps == ()


def test_where_an_address_is_a_credential_carrying_over_is_left_to_a_person() -> None:
    """Commands that setup runs have no credentials: a note names the command to run."""
    found = facts(PLAIN)
    answers, _ = answered(found)
    made = planned(replace(done(found, planned(found)), older=True, sealed=True), answers)
    assert "older" not in {step.name for step in made.steps}
    assert any("siaga112 migrate --from-redis" in note for note in made.notes)


@pytest.mark.parametrize("odd", ["\x0c", "\u2028", "\x85", "\r"])
def test_only_a_line_feed_ends_a_line(odd: str) -> None:
    """A form feed, or a separator that came with pasted text, moves none of our lines to another place."""
    queues = f"[general]\n; one{odd}two\n[sales]\n[operators]\nstrategy = ringall\n"
    extensions = f"; one{odd}two\n{PLAIN['extensions.conf']}"
    made = planned(facts({**PLAIN, "queues.conf": queues, "extensions.conf": extensions}))
    assert "[sales]\n[operators]\nmembergosub = siaga112-operator\n" in text(made, f"{ETC}/queues.conf")
    assert f"exten => 112,1,{GUARD_CALL}\n same => n,Answer()\n" in text(made, f"{ETC}/extensions.conf")


@pytest.mark.parametrize(
    "found", [facts(PLAIN), facts(FREEPBX["17"], freepbx="17.0.19")], ids=["plain", "freepbx"]
)
def test_a_number_may_have_its_plus(found: Facts) -> None:
    """Trunks that deliver +62254… are set up like any other."""
    name = "extensions_additional.conf" if found.pbx.freepbx else "extensions.conf"
    files = dict(FREEPBX["17"] if found.pbx.freepbx else PLAIN)
    files[name] = (
        files[name]
        .replace("exten => 112,", "exten => +62254112,")
        .replace("[from-telco]", "[from-telco]\ninclude => numbers\n[numbers]")
    )
    found = facts(files, freepbx=found.pbx.freepbx)
    made = planned(found, Answers("s", numbers=("+62254112",)))
    assert made.problems == ()
    trunk = "from-pstn" if found.pbx.freepbx else "from-telco"
    assert route(after(found, made), trunk, "+62254112") == Route(guarded=True)


def test_a_trunk_may_have_its_settings_from_a_template() -> None:
    """Of two trunks in sip.conf, the one whose type and context a template gives is one too."""
    sip = (
        "[base](!)\ntype=peer\n[telco](!,base)\ncontext=from-telco\nhost=192.0.2.9\n"
        "[first](telco)\nhost=192.0.2.1\n[second]\ntype=peer\nhost=192.0.2.2\ncontext=menu\n"
    )
    found = facts({**PLAIN, "pjsip.conf": "", "sip.conf": sip})
    assert found.live.trunks == (
        Trunk("SIP", "first", "from-telco", "host 192.0.2.1"),
        Trunk("SIP", "second", "menu", "host 192.0.2.2"),
    )


def test_an_extension_that_goes_on_in_a_pattern_is_left_to_a_person() -> None:
    """After 112,1 the call goes on in _X.,2: with a line more it would begin there at 3, without Answer()."""
    rest = "[menu]\n" + PLAIN["extensions.conf"].partition("[menu]\n")[2]
    through = "exten => _X.,2,Answer()\n same => n,Goto(menu,s,1)\n"
    for dialplan_ in (
        f"[from-telco]\nexten => 112,1,Set(LINE=112)\n{through}{rest}",
        f"[from-telco]\ninclude => any\nexten => 112,1,Set(LINE=112)\n[any]\n{through}{rest}",
    ):
        (problem,) = planned(dialplan(dialplan_), Answers("s", numbers=("112",))).problems
        assert "[from-telco] 112: " in problem
        assert "_X.,2" in problem
    ends = f"[from-telco]\nexten => 112,1,Goto(menu,s,1)\n{through}{rest}"
    assert planned(dialplan(ends), Answers("s", numbers=("112",))).problems == ()


def test_what_follows_an_include_is_in_the_section_before_it() -> None:
    """To Asterisk, the sections of an included file end with that file."""
    found = dialplan(
        "[from-telco]\n#include menu.conf\nexten => 112,1,Goto(menu,s,1)\n",
        **{
            "menu.conf": "[menu]\nexten => s,1,WaitExten(5)\n",
        },
    )
    assert list(found.live.contexts["from-telco"].extensions) == ["112"]
    assert list(found.live.contexts["menu"].extensions) == ["s"]


def test_marks_and_words_that_asterisk_skips_are_skipped() -> None:
    """A byte order mark, a block comment within another, and `# include`, which is no directive."""
    found = dialplan(
        "\ufeff[from-telco]\n;-- of before\n;-- exten => 1,1,No()\n--;\nexten => 2,1,No()\n--;\n"
        "# include the menu here\n#Include MENU.conf\nexten => 112,1,Goto(menu,s,1)\n",
        **{"MENU.conf": "[menu]\nexten => s,1,WaitExten(5)\n"},
    )
    assert list(found.live.contexts["from-telco"].extensions) == ["112"]
    assert "menu" in found.live.contexts
    assert planned(found, Answers("s")).problems == ()


def test_a_line_that_was_put_in_by_hand_is_found_wherever_it_stands() -> None:
    """Setup has named the place, `same => n` before Answer(): the next setup has nothing left to do there."""
    counts = "exten => 112,1,Set(LINE=112)\n%s same => n,Answer()\n same => n,Goto(4)\n same => n,Hangup()\n"
    before, now = (
        dialplan(f"[from-telco]\n{counts % line}") for line in ("", f" same => n,Gosub({GUARD},s,1)\n")
    )
    (problem,) = planned(before, Answers("s", menus=(), queues=())).problems
    assert "put same => n,Gosub(siaga112-screen,s,1) before Answer()" in problem
    made = planned(now, Answers("s", menus=(), queues=()))
    assert made.problems == ()
    assert "guard" not in {step.name for step in made.steps}


def test_a_pbx_that_listens_at_an_address_of_its_network_lets_us_in_from_there() -> None:
    """Whoever asks 192.0.2.7 from the same machine comes from 192.0.2.7, for Asterisk and for systemd."""
    manager = PLAIN["manager.conf"].replace("127.0.0.1", "192.0.2.7")
    made = planned(facts({**PLAIN, "manager.conf": manager}))
    user = text(made, f"{ETC}/manager.d/siaga112.conf")
    assert "\npermit = 127.0.0.1/255.255.255.255\npermit = 192.0.2.7/255.255.255.255\n" in user
    assert 'host = "192.0.2.7"' in text(made, PLACES.config)
    for name in ("track", "doctor"):
        unit = text(made, f"{PLACES.units}/siaga112-{name}.service")
        assert "\nIPAddressAllow=localhost 192.0.2.7\n" in unit
    plain = planned(facts(PLAIN))
    assert text(plain, f"{ETC}/manager.d/siaga112.conf").count("\npermit = ") == 1
    assert "\nIPAddressAllow=localhost\n" in text(plain, f"{PLACES.units}/siaga112-track.service")


def test_a_manager_interface_that_was_off_is_opened_on_this_machine_alone() -> None:
    """Asterisk's sample has `enabled = no` with `bindaddr = 0.0.0.0`: nobody has asked to open that."""
    sample = "[general]\nenabled = no\nport = 5038\nbindaddr = 0.0.0.0\n"
    manager = text(planned(facts({**PLAIN, "manager.conf": sample})), f"{ETC}/manager.conf")
    conf = read(f"{ETC}/manager.conf", {f"{ETC}/manager.conf": manager}, ETC)
    assert conf.value("general", "enabled") == "yes"
    assert conf.value("general", "bindaddr") == "127.0.0.1"


def test_undo_stops_every_unit_that_somebody_may_have_enabled() -> None:
    """No link to a unit that is gone stays behind, whatever was enabled since."""
    found = facts(PLAIN)
    (units,) = (step for step in planned(found).steps if step.name == "units")
    (stop,) = units.undo_first
    installed = {name for name, content in ours().units.items() if b"\n[Install]\n" in content}
    assert "siaga112-doctor.service" in installed
    assert installed <= {word if "." in word else f"{word}.service" for word in stop}
