"""The command line, as a shell sees it: output, exit codes, and errors of one line."""

import asyncio
import json
import os
import pwd
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from siaga112.core.holdings import Kind
from siaga112.core.regulation import PRESETS
from siaga112.service.recording import Recorder
from tests.cli.shell import NOBODY_UID, NUMBER, Ended, Shell, live, shell
from tests.core.table import in_force
from tests.fakes.meter import KeptMeter
from tests.fakes.outbox import MemoryOutbox
from tests.lab import ports
from tests.lab.stores import site_store
from tests.lab.terminal import terminal
from tests.samples import CALLER, NOW, OTHER, RULES, answered, entry, prank, turn
from tests.service.test_supervisor import abandoned
from tests.waiting import output

__all__ = ["live", "shell"]

pytestmark = pytest.mark.redis

LOGIN: Final = pwd.getpwuid(os.getuid()).pw_name
"""The user who runs the tests."""


@pytest.fixture
def taken() -> Iterator[int]:
    """Yield a port that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


# ── what commands do ─────────────────────────────────────────────────────────────────────────────


async def test_a_block_is_listed_explained_and_lifted(live: Shell) -> None:
    """A block is listed, explained and lifted, each time with who, why, since when and until when."""
    assert (await live("blocks", "--json")).json == []
    assert (
        "+6281211111111 is blocked until "
        in (await live("block", NUMBER, "--for", "24h", "--reason", "threats")).done()
    )
    (row,) = (await live("blocks", "--json")).json
    assert (row["caller"], row["level"], row["origin"]) == (CALLER, "temporary", "manual")
    assert (row["by"], row["reason"], row["calls"], row["lifted"]) == (LOGIN, "threats", [], None)
    assert row["since"].endswith("+07:00")
    assert row["until"].endswith("+07:00")

    live.environ["SIAGA112_MODE"] = "enforce"
    row, told, table = await live.each(f"why {CALLER} --json", f"why {NUMBER}", "blocks")
    (story,) = row.json
    assert (story["verdict"], story["treatment"], story["mode"]) == ("BLOCK", "announce", "enforce")
    assert [block["reason"] for block in story["blocks"]] == ["threats"]
    assert [held["outcome"] for held in story["strikes"]] == ["ivr_prank"]
    assert "temporary block until" in told.done()
    assert "now: BLOCK" in told.done()
    assert "threats" in table.done()

    lifted = await live("unblock", NUMBER, "--reason", "stolen phone", "--by", "budi")
    assert lifted.done() == "+6281211111111 is no longer blocked (was: temporary, threats)\n"
    table, told, again = await live.each("blocks", f"why {NUMBER}", f"unblock {NUMBER} --reason again")
    assert table.done() == "nobody is blocked\n"
    assert f"block lifted by budi (login {LOGIN}): stolen phone" in told.done()
    assert "is not blocked" in again.failed(1)


AGENCY: Final = """"0254200112" = "Damkar" """


async def test_blocking_asks_first_where_it_may_hit_the_wrong_one(live: Shell) -> None:
    """Without a terminal a risky block is refused in one line; `--yes` makes it, and the audit says so."""
    live.write(agencies=AGENCY, pbx='area_code = "254"')
    await live.each(f"mark {CALLER} genuine --note fire")
    words = ("block", "0254-200113", CALLER, "--for", "24h", "--reason", "threats")
    refused = (await live(*words)).failed(1)
    assert "+62254200113 is in the range of a service number (Damkar: 0254200112)" in refused
    assert f"{CALLER} reported something genuine within the last 24 hours" in refused
    assert "nothing was done (--yes: do it anyway)" in refused
    assert (await live("blocks", "--json")).json == []
    said = (await live(*words, "--yes")).done().splitlines()
    assert [line.split(" is blocked until")[0] for line in said] == ["+62254200113", CALLER]
    trail = [row["detail"] for row in (await live("audit", "--json")).json if row["action"] == "block"]
    assert trail == [
        "temporary, although it is in the range of a service number (Damkar: 0254200112)",
        "temporary, although it reported something genuine within the last 24 hours",
    ]


async def test_at_a_terminal_it_asks_and_heeds_the_answer(live: Shell) -> None:
    """At a terminal a risky block is asked about: `n` does nothing, `y` blocks."""
    live.write(agencies=AGENCY, pbx='area_code = "254"')
    for answer, ends in (("n", "nothing was done"), ("y", "is blocked until")):
        command = (
            sys.executable,
            "-m",
            "siaga112",
            "block",
            "0254200113",
            "--for",
            "1h",
            "--reason",
            "threats",
        )
        async with terminal(*command, environ=live.environ) as seen:
            await seen.shows("Block anyway? [y/N]:")
            assert "+62254200113 is in the range of a service number" in seen.raw
            seen.press(f"{answer}\n")
            await seen.shows(ends)
            assert await seen.ended() == (0 if answer == "y" else 1)


async def test_of_several_numbers_each_is_told_and_a_refused_one_fails(live: Shell) -> None:
    """Of several numbers, those that can be are blocked; if one is no number, none is blocked."""
    await live("allow", OTHER, "--reason", "clinic")
    some = await live("block", CALLER, OTHER, "--for", "1h", "--reason", "threats")
    assert (some.code, some.out.count("is blocked until")) == (1, 1)
    assert some.err.startswith(f"siaga112: {OTHER}: ")
    assert some.err.count("\n") == 1
    none = await live("block", "0813-2222-2222", "112", "--for", "1h", "--reason", "threats")
    assert '"112" is not the number of a caller' in none.failed(1)
    assert len((await live("blocks", "--json")).json) == 1


async def test_with_a_key_callers_are_shown_as_hashes_and_found_by_number(live: Shell) -> None:
    """With a caller key, commands print hashes and no numbers, and accept a number or a hash."""
    live.write(privacy='caller_key = "sixteen letters!"')
    said = (await live("block", NUMBER, "--permanent", "--reason", "threats")).done()
    (row,) = (await live("blocks", "--json")).json
    held = row["caller"]
    assert said == f"{held} is blocked until further notice; mode observe: calls still get through\n"
    assert held.startswith("h:")
    by_number, by_hash, told = await live.each(f"why {CALLER} --json", f"why {held} --json", f"why {NUMBER}")
    assert by_number.json == by_hash.json
    assert [block["reason"] for block in by_hash.json[0]["blocks"]] == ["threats"]
    assert CALLER.removeprefix("+62") not in by_number.out + told.done()
    assert "is no longer blocked" in (await live("unblock", held, "--reason", "stolen")).done()

    live.write()
    wrong = await live.each(f"why {held}", "why h:12")
    assert all("is not the number of a caller" in ended.failed(1) for ended in wrong)


async def test_who_is_in_never_block_cannot_be_blocked_by_hand_either(live: Shell) -> None:
    """A number in `never_block` cannot be blocked by hand, and the error says why."""
    live.write(policy='never_block = ["0812 1111*"]')
    assert "or in never_block" in (await live("block", NUMBER, "--permanent", "--reason", "x")).failed(1)


async def test_a_permanent_block_has_no_end(live: Shell) -> None:
    """A permanent block is "until further notice" in words, and its end is null in JSON."""
    assert (
        "until further notice"
        in (await live("block", NUMBER, "--permanent", "--reason", "court order")).done()
    )
    (row,) = (await live("blocks", "--json")).json
    assert (row["level"], row["until"]) == ("permanent", None)


async def test_the_allow_list_comes_first(live: Shell) -> None:
    """The allow list takes precedence over an earlier block, and refuses a new one.

    Off the list, the caller is blocked again.
    """
    live.environ["SIAGA112_MODE"] = "enforce"
    await live("block", NUMBER, "--permanent", "--reason", "threats")
    said = (await live("allow", NUMBER, "--reason", "clinic")).done()
    assert said == (
        f"{CALLER} is on the allow list; its block until further notice "
        f"(permanent, manual by {LOGIN}: threats) gives way to the list\n"
    )
    listed, told = await live.each("blocks", f"why {CALLER}")
    assert "allowed: on the allow list, which comes before the block" in listed.done()
    assert "now: ALLOW, on the allow list, which comes before the permanent block" in told.done()
    (row,) = (await live("allowed", "--json")).json
    assert (row["caller"], row["by"], row["reason"]) == (CALLER, LOGIN, "clinic")
    refused = (await live("block", NUMBER, "--permanent", "--reason", "x")).failed(1)
    assert refused.endswith(f"first: siaga112 disallow {CALLER}")
    (story,) = (await live("why", NUMBER, "--json")).json
    assert (story["verdict"], story["reason"]) == ("ALLOW", "allow_listed")
    assert (await live("disallow", NUMBER)).done() == (
        f"{CALLER} is off the allow list; it is blocked again until further notice "
        f"(permanent, manual by {LOGIN}: threats)\n"
    )
    assert (await live("allowed")).done() == "the allow list is empty\n"
    (story,) = (await live("why", NUMBER, "--json")).json
    assert story["verdict"] == "BLOCK"
    assert "is not on the allow list" in (await live("disallow", NUMBER)).failed(1)


async def test_the_mode_is_switched_for_the_whole_site(live: Shell) -> None:
    """The mode that was switched to takes precedence over the configured one, in every command."""
    assert (await live("mode")).done() == "observe\n"
    said = await live("mode", "off", "--reason", "flood", "--by", "ratna")
    assert said.done() == "mode is now off: every call goes through, no strikes are given\n"
    live.environ["SIAGA112_MODE"] = "enforce"
    assert (await live("mode")).done() == "off\n"
    (audit_entry,) = (await live("audit", "--json")).json
    assert (audit_entry["by"], audit_entry["action"], audit_entry["reason"]) == (
        f"ratna (login {LOGIN})",
        "mode",
        "flood",
    )
    (story,) = (await live("why", "081298765432", "--json")).json
    assert (story["mode"], story["verdict"], story["switched"]) == ("off", "ALLOW", audit_entry)
    told = (await live("why", "081298765432")).done().splitlines()
    assert re.fullmatch(
        rf"  mode off since \d+ \w+ \S+ by ratna \(login {LOGIN}\): flood", told[told.index("") - 1]
    )
    assert told[1] == "  now: ALLOW, because the mode is off"


@pytest.mark.parametrize("reason", [(), ("--reason", ""), ("--reason", "  ")])
async def test_off_needs_a_reason(live: Shell, reason: tuple[str, ...]) -> None:
    """`mode off` without a reason is refused in one line, which shows the whole command to type."""
    ended = await live("mode", "off", *reason)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "siaga112: mode off needs a reason, for whoever finds the line without screening: "
        'siaga112 mode off --reason "what happened"\n'
    )
    assert (await live("mode")).done() == "observe\n"
    assert (await live("audit", "--json")).json == []
    assert (await live("mode", "observe")).code == 0


async def test_calls_lists_the_ledger(live: Shell) -> None:
    """`calls` lists one day, and on request an earlier time, an outcome, a number or one call."""
    rows = (await live("calls", "--json")).json
    assert [row["outcome"] for row in rows] == ["ivr_prank", "answered"]
    names = (
        "call started ended caller raw_caller outcome reason wait_seconds talk_seconds mark verdict strike"
    )
    assert rows[0].keys() >= set(names.split())
    assert [row["strike"] for row in rows] == [True, False]
    assert (rows[1]["wait_seconds"], rows[1]["talk_seconds"]) == (5.0, 2.0)
    oldest = (await live("calls", "--since", "3d", "--json")).json[0]
    assert (oldest["caller"], oldest["strike"]) == (None, False)
    answers = await live.each(
        "calls --outcome answered --json",
        f"calls --call {rows[1]['call']} --json",
        f"calls --since 2000-01-01 --number {NUMBER} --json",
        "calls --number 081299999999",
        "calls --call 1.0",
        f"calls --call {'9' * 30}.9",
    )
    assert [ended.json for ended in answers[:3]] == [[rows[1]], [rows[1]], rows]
    assert answers[3].done() == "no calls\n"
    assert 'no call "1.0"' in answers[4].failed(1)
    assert "no call" in answers[5].failed(1)


async def test_a_mark_counts_and_its_correction_takes_the_strike_back(live: Shell) -> None:
    """A mark set later gives a strike, and its correction takes the strike back."""
    call = answered(2, NOW - 1_800_000).id
    assert (
        await live("mark", call, "prank")
    ).done() == f"call {call} is marked prank; it counts as a misuse\n"
    (row,) = (await live("calls", "--call", call, "--json")).json
    assert (row["mark"], row["strike"]) == ("prank", True)
    assert len((await live("why", NUMBER, "--json")).json[0]["strikes"]) == 2
    assert (await live("mark", call, "genuine")).done() == f"call {call} is marked genuine; no strike\n"
    assert len((await live("why", NUMBER, "--json")).json[0]["strikes"]) == 1
    unmarkable = prank(1, NOW - 3_600_000).id
    assert "only an answered call" in (await live("mark", unmarkable, "genuine")).failed(1)
    assert "no call" in (await live("mark", "1.0", "prank")).failed(1)


async def test_an_operator_who_knows_only_the_number_marks_the_last_call(live: Shell) -> None:
    """`mark` with a number marks the caller's last answered call, and names the call."""
    call = answered(2, NOW - 1_800_000).id
    told = await live("mark", NUMBER, "genuine", "--note", "the fire was real")
    assert told.done() == f"call {call} is marked genuine; no strike\n"
    assert "no answered call" in (await live("mark", "081299999999", "prank")).failed(1)
    (line,) = (await live("audit", "--json")).json
    assert (line["by"], line["action"], line["subject"]) == (LOGIN, "mark", call)
    assert (line["detail"], line["reason"]) == ("genuine", "the fire was real")
    assert f"call {call} marked genuine by {LOGIN}: the fire was real" in (await live("why", NUMBER)).done()


async def test_a_proposed_block_is_listed_and_decided(live: Shell) -> None:
    """A proposal is listed with its cause, and can be confirmed or dismissed once."""
    live.write(policy='preset = "serang-2019"\nthreshold = [1, 2]')
    store = site_store(live.home / "state", "lab")
    rules = replace(PRESETS["serang-2019"], thresholds=(1, 2))
    recorder = Recorder(MemoryOutbox(), store, in_force(policy=rules), KeptMeter())
    for number, caller in enumerate([CALLER, OTHER] * 3, 10):
        await recorder.record([entry(prank(number, turn(number), caller))])
    await store.close()
    listed = (await live("blocks", "--proposed", "--json")).json
    assert [(row["caller"], row["level"], row["cause"]) for row in listed] == [
        (CALLER, "permanent", "policy"), (OTHER, "permanent", "policy"),
    ]  # fmt: skip
    assert "proposed (the policy leaves it to a supervisor)" in (await live("why", CALLER)).done()
    assert "until further notice" in (await live("confirm", CALLER, "--reason", "letter 12")).done()
    assert "forgiven" in (await live("dismiss", OTHER, "--reason", "a clinic")).done()
    left, blocked, again = await live.each(
        "blocks --proposed", "blocks --json", f"dismiss {OTHER} --reason x"
    )
    assert left.done() == "no block is proposed\n"
    assert [row["caller"] for row in blocked.json] == [CALLER]
    assert "no block is proposed" in again.failed(1)


async def test_call_backs_are_listed_and_closed(live: Shell) -> None:
    """`callbacks` lists who gave up waiting, how often and how long; `--done` removes a caller."""
    store = site_store(live.home / "state", "lab")
    recorder = Recorder(MemoryOutbox(), store, in_force(policy=RULES), KeptMeter())
    await recorder.record([abandoned(20, NOW - 60_000, 30)])
    await store.close()
    (row,) = (await live("callbacks", "--json")).json
    assert (row["caller"], row["times"], row["longest_wait_seconds"]) == (CALLER, 1, 30.0)
    table, indonesian = await live("callbacks"), await live("--lang", "id", "callbacks")
    done = await live("callbacks", "--done", NUMBER, "--reason", "came by")
    assert CALLER in table.done()
    assert re.search(r"longest s\n.* left_queue ", table.done())
    assert re.search(r"terlama d\n.* pergi saat menunggu ", indonesian.done())
    assert done.done() == f"{CALLER} is off the list (1 call)\n"
    assert (await live("--lang", "id", "callbacks")).done() == "tidak ada yang menunggu panggilan balik\n"
    assert (await live("callbacks")).done() == "nobody waits for a call-back\n"
    assert "is not waiting" in (await live("callbacks", "--done", NUMBER)).failed(1)


async def test_a_caller_is_told_what_is_held_and_forgotten(live: Shell) -> None:
    """`subject` prints all data of a caller; `forget` erases it, and the calls stay without the number."""
    await live("block", NUMBER, "--permanent", "--reason", "threats")
    held = (await live("subject", NUMBER)).json
    assert (len(held["calls"]), len(held["blocks"]), len(held["strikes"])) == (2, 1, 1)
    assert [line["action"] for line in held["audit"]] == ["block"]
    refused = await live("forget", NUMBER, "--reason", "asked by letter")
    assert refused.code == 1, "without a terminal nobody can say yes"
    told = (await live("forget", NUMBER, "--reason", "asked by letter", "--yes")).done()
    assert told.startswith(
        "erased: 1 strike, 1 block, 0 proposals, 0 call-backs, 0 objections\n"
        "kept without the caller: 2 calls in the ledger, 2 lines of the audit trail\n"
    )
    held, rows, trail = await live.each(f"subject {NUMBER}", "calls --json", "audit --json")
    assert (held.json["calls"], held.json["blocks"], held.json["audit"]) == ([], [], [])
    assert [(row["caller"], row["outcome"]) for row in rows.json] == [(None, "ivr_prank"), (None, "answered")]
    lines = [(line["action"], line["subject"], line["reason"]) for line in trail.json]
    assert lines[:3] == [
        ("block", "a caller", "threats"),
        ("subject", "a caller", ""),
        ("forget", "a caller", "asked by letter"),
    ]


async def test_what_is_kept_as_evidence_is_not_forgotten_until_the_case_is_closed(live: Shell) -> None:
    """`forget` refuses a caller on hold until the hold is released; `holds`, `why` and `subject` show it."""
    said = (await live("hold", NUMBER, "--reason", "police report 17", "--by", "ratna")).done()
    assert said == f"{CALLER} is kept as evidence: neither age nor forget removes the records\n"
    again = await live("hold", NUMBER, "--reason", "another case")
    assert "is already kept as evidence, by ratna (login" in again.failed(1)
    (row,) = (await live("holds", "--json")).json
    assert (row["caller"], row["by"], row["reason"]) == (CALLER, f"ratna (login {LOGIN})", "police report 17")
    table, told, story = await live.each("holds", f"why {NUMBER}", f"subject {NUMBER}")
    assert re.search(r"caller +since UTC\+7 +reason +by\n\+6281211111111 .* police report 17 ", table.done())
    assert f"kept as evidence by ratna (login {LOGIN}): police report 17" in told.done()
    assert story.json["hold"] == row
    refused = (await live("forget", NUMBER, "--yes", "--reason", "asked")).failed(1)
    day = row["since"][:16].replace("T", " ")
    assert f"is kept as evidence by ratna (login {LOGIN}) since {day} (police report 17)" in refused
    assert refused.endswith(f"siaga112 hold {CALLER} --release --reason …")
    released = (await live("hold", NUMBER, "--release", "--reason", "case closed")).done()
    assert re.match(rf"\{CALLER} is no longer kept as evidence \(since \d+ \w+ \S+ UTC\+7 by ratna", released)
    table, told, none = await live.each("holds", f"why {NUMBER}", f"hold {NUMBER} --release --reason x")
    assert table.done() == "no caller is kept as evidence\n"
    assert f"no longer kept as evidence, by {LOGIN}: case closed" in told.done()
    assert "is not kept as evidence" in none.failed(1)
    assert "erased: 1 strike" in (await live("forget", NUMBER, "--yes", "--reason", "asked")).done()
    assert [line["action"] for line in (await live("audit", "--json")).json] == [
        *("hold", "subject", "release", "forget"),
    ]  # fmt: skip


async def test_a_hold_needs_a_case(live: Shell) -> None:
    """A hold needs a reason, as nobody could end what nobody can explain."""
    assert "--reason must name the case" in (await live("hold", NUMBER, "--reason", " ")).failed(2)


async def test_every_decision_needs_a_reason(live: Shell) -> None:
    """A decision without a reason is a usage error, as in the console and the API; nothing is changed."""
    decisions = (
        *(f"block {NUMBER} --permanent", f"unblock {NUMBER}", f"confirm {NUMBER}", f"dismiss {NUMBER}"),
        *(f"allow {NUMBER}", f"appeal {NUMBER}", "void 1.1", f"forget {NUMBER} --yes"),
    )
    for ended in await live.each(*(f"{decision} --reason ' '" for decision in decisions)):
        assert "--reason: say why, for the record" in ended.failed(2)
    assert (await live("audit", "--json")).json == []


async def test_the_reason_of_a_rejected_objection_is_one_line(live: Shell) -> None:
    """The reason for rejecting an objection becomes one line of at most 500 characters, like any other."""
    await live("block", NUMBER, "--permanent", "--reason", "threats")
    await live("appeal", NUMBER, "--reason", "not me")
    long = await live("appeals", "--reject", NUMBER, "--reason", "x" * 501)
    assert "longer than 500 characters" in long.failed(2)
    (await live("appeals", "--reject", NUMBER, "--reason", "seven\npranks")).done()
    (row,) = (await live("why", NUMBER, "--json")).json
    assert row["appeals"][0]["decided"]["reason"] == "seven pranks"


async def test_an_empty_number_is_no_number(live: Shell) -> None:
    """An empty number, as of an unset variable in a script, is an error and not every caller."""
    options = ("callbacks --done", "callbacks --take", "callbacks --tried", "calls --number")
    for ended in await live.each(*(f"{option} ''" for option in options)):
        assert "is not the number of a caller" in ended.failed(1)


async def test_who_objects_is_not_forgotten_before_somebody_decides(live: Shell) -> None:
    """`forget` refuses a caller with an open appeal, as the answer that is owed would be lost."""
    await live("block", NUMBER, "--permanent", "--reason", "threats")
    await live("appeal", NUMBER, "--reason", "not me")
    refused = (await live("forget", NUMBER, "--yes", "--reason", "asked")).failed(1)
    assert "an objection of +6281211111111 waits for a decision; decide it first" in refused
    await live("appeals", "--reject", NUMBER, "--reason", "seven pranks")
    assert "1 objection" in (await live("forget", NUMBER, "--yes", "--reason", "asked")).done()


async def test_what_is_held_is_counted_by_kind(live: Shell) -> None:
    """`privacy` lists each kind of data once, with age, setting and form of numbers, and names nobody."""
    live.write(privacy='keep_calls = "30d"')
    await live("block", NUMBER, "--permanent", "--reason", "threats")
    (live.home / "state" / "outbox.db.damaged-1").write_bytes(b"junk")
    told, as_json = await live.each("privacy", "privacy --json")
    found = {row["kind"]: row for row in as_json.json}
    assert list(found) == list(Kind)
    calls = found["calls"]
    assert (calls["count"], calls["kept"], calls["setting"]) == (3, "30d", "[privacy] keep_calls")
    age = datetime.fromisoformat(calls["until"]) - datetime.fromisoformat(calls["oldest"])
    assert (age.days, calls["ends"], calls["numbers"]) == (30, "age", "full")
    assert (found["blocks"]["count"], found["blocks"]["until"], found["standings"]["count"]) == (1, None, 1)
    assert (found["files"]["count"], found["outbox"]["count"], found["snapshot"]["count"]) == (1, 0, 0)
    assert re.search(
        r"calls +3 +\d+ \w+ +\d+ \w+ +in full +by its age +\[privacy\] keep_calls = 30d", told.done()
    )
    assert CALLER not in told.out + as_json.out

    live.write(privacy='caller_key = "sixteen letters!"')
    assert "hashed" in (await live("privacy")).done()


async def test_what_cannot_be_looked_at_has_a_dash(shell: Shell) -> None:
    """Without Redis, `privacy` has no count of the standings, and still counts what is stored elsewhere."""
    store = site_store(shell.home / "state", "lab")
    await store.records.ping()
    await store.close()
    found = {row["kind"]: row["count"] for row in (await shell("privacy", "--json")).json}
    assert (found["calls"], found["standings"], found["snapshot"], found["files"]) == (0, None, None, 0)


@pytest.mark.parametrize("command", ["calls --since 3d", "calls --json", f"why {NUMBER}"])
async def test_a_reader_that_has_enough_is_no_error(live: Shell, command: str) -> None:
    """A command whose reader closes the pipe exits with 0 and prints no error."""
    process = await asyncio.create_subprocess_shell(
        f"{{ {sys.executable} -m siaga112 {command}; echo $? >&3; }} 3>{live.home}/code | true",
        env=live.environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert await output(process, command) == (b"", b"")
    assert (live.home / "code").read_text() == "0\n"


async def test_a_nameless_user_can_decide_too(live: Shell) -> None:
    """The decision of a user for whom the system has no name is recorded with the uid."""
    del live.environ["USER"]
    shutil.chown(live.home, 12_345)
    for path in [live.home, *live.home.rglob("*")]:
        shutil.chown(path, 12_345)
    if os.geteuid() != 0:
        pytest.skip("only root may run a command as another user")
    live.user = 12_345
    assert (await live("block", NUMBER, "--permanent", "--reason", "x")).code == 0
    (row,) = (await live("blocks", "--json")).json
    assert row["by"] == "uid 12345"


# ── mistakes ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_number_that_is_none_is_one_line(live: Shell) -> None:
    """A number that cannot be a caller's is refused in one line, and nothing changes."""
    numbers = ("112", "anonymous", "0000000000", "''", "'0812 x'")
    for ended in await live.each(*(f"block {number} --permanent --reason x" for number in numbers)):
        assert "is not the number of a caller" in ended.failed(1)
    assert (await live("blocks", "--json")).json == []


WRONG = (
    f"block {NUMBER} --reason x",
    f"block {NUMBER} --for 24h --permanent --reason x",
    f"block {NUMBER} --for 'a day' --reason x",
    f"block {NUMBER} --for 24h",
    "calls --since yesterday",
    "calls --outcome prank",
    "mode maybe",
    "mark 1.0 funny",
    "run --only half",
    "nonsense",
    "blocks --nonsense",
)


async def test_a_wrong_use_ends_with_2(live: Shell) -> None:
    """A wrong use ends with 2 and one line on stderr, and nothing changes."""
    for command, ended in zip(WRONG, await live.each(*WRONG), strict=True):
        assert ended.failed(2), command
    assert (await live("blocks", "--json")).json == []


async def test_before_the_daemons_first_start_a_command_ends_with_4(shell: Shell) -> None:
    """Where there is no database yet, a command ends with 4 and says that the daemon creates it."""
    commands = ("blocks", f"why {NUMBER}", "mode observe", "calls", f"allow {NUMBER} --reason x")
    for ended in await shell.each(*commands):
        assert "the daemon creates it at its first start (siaga112 run)" in ended.failed(4)


async def test_while_redis_is_away_people_go_on_and_are_told(live: Shell) -> None:
    """Without Redis, commands work as usual, and a decision adds that verdicts do not use it yet."""
    live.write(redis='url = "redis://127.0.0.1:1/0"')
    (await live("calls", "--since", "3d", "--json")).done()
    assert (await live("why", NUMBER)).code == 0
    decided = await live("block", NUMBER, "--permanent", "--reason", "threats")
    assert decided.code == 0
    assert "is blocked" in decided.out
    assert "verdicts do not use it yet; the daemon publishes it (Redis: connection refused" in decided.err
    switched = await live("mode", "observe", "--reason", "figures read")
    assert switched.code == 0
    assert "the new mode is not in Redis yet" in switched.err
    assert (await live("mode")).done() == "observe\n"


async def test_a_redis_of_the_daemons_user_alone_is_one_line(live: Shell) -> None:
    """A user without access to the state directory learns to run the command as its owner."""
    if os.geteuid() != 0:
        pytest.skip("only root may run a command as another user")
    live.home.chmod(0o755)
    (live.home / "state").chmod(0o700)
    live.user = NOBODY_UID
    assert "run this command as that user" in (await live("blocks")).failed(4)


@pytest.mark.parametrize(
    ("section", "text", "says"),
    [
        ("agi", "prot = 4573", 'unknown key "agi.prot", did you mean "port"?'),
        ("redis", 'url = "localhost"', 'write "embedded", or redis://'),
        ("agi", "port =", "not valid TOML"),
        ("pbx", 'region = "Indonesia"', 'no such region: "Indonesia" (an ISO 3166 code, like "ID")'),
        ("policy", 'never_block = ["0812-0811"]', "policy.never_block.0: not a range"),
    ],
)
@pytest.mark.fault("config")
async def test_a_bad_configuration_ends_with_3(shell: Shell, section: str, text: str, says: str) -> None:
    """An error in the configuration is one line that names it, and every command ends with 3."""
    shell.write(**{section: text})
    for ended in await shell.each("blocks", "run --only screen"):
        assert says in ended.failed(3)


async def test_a_configuration_that_may_not_be_read_ends_with_3(shell: Shell) -> None:
    """A configuration file that the user may not read is one line, and the command ends with 3."""
    if os.geteuid() != 0:
        pytest.skip("only root may run a command as another user")
    shell.home.chmod(0o755)
    shell.config.chmod(0o600)
    shell.user = NOBODY_UID
    assert "cannot be read (Permission denied)" in (await shell("blocks")).failed(3)


async def test_a_file_that_was_named_comes_before_the_environment(shell: Shell, tmp_path: Path) -> None:
    """`--config` takes precedence over SIAGA112_CONFIG."""
    assert "absent.toml: cannot be read" in (
        await shell("--config", str(tmp_path / "absent.toml"), "blocks")
    ).failed(3)


async def test_the_version_is_told(shell: Shell) -> None:
    """`--version` needs neither a command nor a configuration."""
    shell.config.unlink()
    assert (await shell("--version")).done().startswith("siaga112 ")


# ── the daemon ───────────────────────────────────────────────────────────────────────────────────


def last_line(ended: Ended, code: int) -> str:
    """Return the daemon's last line, an error; all before it is its log, a JSON object a line."""
    assert ended.code == code, ended
    *log, last = ended.err.splitlines()
    for line in log:
        assert json.loads(line)["event"]
    assert last.startswith("siaga112: ")
    return last


@pytest.mark.fault("config")
async def test_run_without_a_secret_ends_with_3(shell: Shell) -> None:
    """Without the AMI secret the daemon does not start: it ends with 3 and names the key."""
    assert "[ami] secret is missing" in (await shell("run")).failed(3)


@pytest.mark.parametrize("part", ["agi", "metrics"])
async def test_run_on_a_port_that_is_taken_ends_with_1(shell: Shell, taken: int, part: str) -> None:
    """On a port in use the daemon ends with 1, and names the port and the key to change."""
    other = "metrics" if part == "agi" else "agi"
    shell.environ["SIAGA112_AMI__SECRET"] = "s3cret"
    shell.write(**{part: f"port = {taken}", other: f"port = {ports.free()}", "ami": "port = 1"})
    line = last_line(await shell("run"), 1)
    assert f"cannot listen on 127.0.0.1:{taken}" in line
    assert f"[{part}] host or port" in line


async def test_run_in_a_place_that_cannot_be_written_ends_with_1(shell: Shell) -> None:
    """With a state directory that cannot be used the daemon ends with 1, and names the key to change."""
    (shell.home / "state").write_text("")
    shell.environ["SIAGA112_AMI__SECRET"] = "s3cret"
    assert "set state_dir to a writable folder" in last_line(await shell("run"), 1)
