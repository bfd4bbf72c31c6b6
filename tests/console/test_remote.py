"""Commands over the API (`--api`), with nothing but an address and a token."""

import json
import os
from pathlib import Path

import pytest

from siaga112.app.lists import lists
from siaga112.app.records import now
from siaga112.console.identity import Visitor
from siaga112.core.access import Role
from siaga112.core.holdings import Kind
from siaga112.core.model import Via
from siaga112.words import Language
from tests import warm
from tests.console.calls import BLOCKED, GENUINE, MISSED, PROPOSED
from tests.console.centre import Centre
from tests.lab import pdf as read

pytestmark = pytest.mark.redis
SUPERVISOR = Visitor("Supervisor", Role.SUPERVISOR, Via.CLI, Language.EN)


async def command(centre: Centre, home: Path, *words: str, token: str | None = None) -> tuple[int, str, str]:
    """Run a command on a machine that has only the site's address and a token."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SIAGA112_")}
    environ |= {
        "SIAGA112_TOKEN": centre.token if token is None else token,
        "SIAGA112_STATE_DIR": str(home / "none"),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }
    code, out, err = await warm.run(("--api", centre.url, *words), environ, 60)
    return code, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (f"unblock {BLOCKED} --reason stolen", "is no longer blocked"),
        (f"block {MISSED} --for 1h --reason threats", "is blocked until"),
        (f"confirm {PROPOSED} --reason agreed", "is blocked until further notice"),
        ("allow 0254201234 --reason clinic", "+62254201234 is on the allow list"),
        (f"appeal {BLOCKED} --reason stolen", "is noted; an answer is owed until "),
        (f"hold {BLOCKED} --reason case", "is kept as evidence: neither age nor forget removes"),
        (f"callbacks --done {MISSED} --reason well", "is off the list (1 call)"),
        (f"mark {GENUINE} information", "is marked information"),
        ("mode enforce --reason decided", "mode is now enforce: blocked callers are rejected"),
    ],
)
async def test_a_decision_is_the_consoles_and_its_words_too(
    centre: Centre, tmp_path: Path, words: str, said: str
) -> None:
    """A decision made over the API prints its result and is audited as the program's, via the API."""
    code, out, err = await command(centre, tmp_path, *words.split())
    assert (code, err) == (0, "")
    assert said in out
    lines = await centre.site.store.audit_entries(0, now() + 1)
    assert (lines[-1].by, lines[-1].via) == ("program", Via.API)


async def test_what_is_asked_first_is_asked_here_as_there(centre: Centre, tmp_path: Path) -> None:
    """Without a terminal, a risky block is refused in one line; with `--yes`, every number is blocked."""
    words = ("block", GENUINE, MISSED, "--for", "1h", "--reason", "threats")
    code, out, err = await command(centre, tmp_path, *words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"{GENUINE} reported something genuine within the last 24 hours; nothing was done (--yes" in err
    code, out, err = await command(centre, tmp_path, *words, "--yes")
    assert (code, err) == (0, "")
    assert [line.split(" is blocked until")[0] for line in out.splitlines()] == [GENUINE, MISSED]
    lines = await centre.site.store.audit_entries(0, now() + 1)
    assert lines[-2].detail == "temporary, although it reported something genuine within the last 24 hours"


async def test_what_was_not_seen_is_decided_by_no_command(centre: Centre, tmp_path: Path) -> None:
    """With `--seen`, each of these commands decides only what `--json` has shown."""
    await command(centre, tmp_path, "appeal", BLOCKED, "--reason", "stolen")
    lists_ = {
        "blocks --proposed": f"confirm {PROPOSED}",
        "blocks": f"unblock {BLOCKED}",
        "appeals": f"appeals --reject {BLOCKED}",
    }
    since = {
        act: json.loads((await command(centre, tmp_path, *asked.split(), "--json"))[1])[0]["since"]
        for asked, act in lists_.items()
    }
    since[f"dismiss {PROPOSED}"] = since[f"confirm {PROPOSED}"]
    for act in since:
        words = (*act.split(), "--reason", "x", "--seen", "2026-11-29T08:00:00+07:00")
        code, out, err = await command(centre, tmp_path, *words)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert "than you saw" in err
    for act in (f"appeals --reject {BLOCKED}", f"unblock {BLOCKED}", f"confirm {PROPOSED}"):
        code, out, err = await command(
            centre, tmp_path, *act.split(), "--reason", "x", "--seen", since[act], "--seen", since[act]
        )
        assert (code, err) == (0, ""), act
    code, _, err = await command(
        centre, tmp_path, "confirm", PROPOSED, "--reason", "x", "--seen", "yesterday"
    )
    assert (code, "--seen" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("calls --outcome ivr_prank", BLOCKED),
        (f"calls --number {GENUINE} --explain", "← decided"),
        (f"why {BLOCKED}", "now: ALLOW, because the mode is observe"),
        ("blocks", "mode observe: calls of all of these still get through"),
        ("blocks --proposed", PROPOSED),
        ("allowed", "the allow list is empty"),
        ("appeals", "no objection waits for a decision"),
        ("callbacks", MISSED),
        ("holds", "no caller is kept as evidence"),
        ("audit", "mark"),
        ("mode", "observe"),
    ],
)
async def test_a_list_is_printed_as_on_the_machine_itself(
    centre: Centre, tmp_path: Path, words: str, shown: str
) -> None:
    """A token that may see numbers gets each list as on the machine itself, with numbers in full."""
    code, out, err = await command(centre, tmp_path, *words.split())
    assert (code, err) == (0, "")
    assert shown in out


@pytest.mark.parametrize("words", ["audit", "calls", "calls --last 3", "calls --call {call}", "callbacks"])
async def test_a_script_reads_the_same_rows_in_the_same_order(
    centre: Centre, tmp_path: Path, words: str
) -> None:
    """With `--api` as on the machine itself, but for a link that only a supervisor's browser follows."""
    desk = lists(centre.site.desk(SUPERVISOR), centre.site.settings)
    (call, *_) = await centre.site.store.entries_of(GENUINE)
    for number in (BLOCKED, MISSED):
        await centre.ask("PUT", f"allowed/{number}", json={"reason": "clinic"})
    asked = {
        "audit": lambda: desk.audit("30d"),
        "calls": lambda: desk.calls("24h"),
        "calls --last 3": lambda: desk.calls("", last=3),
        "calls --call {call}": lambda: desk.calls("24h", call=call.finding.call.id),
        "callbacks": desk.callbacks,
    }[words]
    here = [{name: one for name, one in row.items() if name != "recording_url"} for row in await asked()]
    code, out, err = await command(
        centre, tmp_path, *words.format(call=call.finding.call.id).split(), "--json"
    )
    assert (code, err) == (0, "")
    assert json.loads(out)[: len(here)] == json.loads(json.dumps(here))


async def test_the_evidence_sheet_is_written_where_the_command_runs(centre: Centre, tmp_path: Path) -> None:
    """The console makes the evidence sheet; the command writes a PDF to a file and HTML to its output."""
    output = tmp_path / "sheet.pdf"
    asked = f"why {BLOCKED} --format pdf --lang id --output {output}".split()
    assert await command(centre, tmp_path, *asked) == (0, "", "")
    made = output.read_bytes()
    assert (read.about(made)["Pages"], "Lembar bukti" in read.text(made)) == ("1", True)
    code, out, err = await command(centre, tmp_path, "why", BLOCKED, "--format", "html")
    assert (code, err, "Evidence sheet" in out, BLOCKED in out) == (0, "", True, True)


async def test_what_is_held_is_listed_and_released_by_the_privacy_officers_program(
    centre: Centre, tmp_path: Path
) -> None:
    """A privacy officer's token lists holds, oldest first, releases one and counts all stored data.

    A supervisor's token may not count it.
    """
    token = await centre.give_token(Role.PRIVACY)
    for number in (BLOCKED, GENUINE):
        await command(centre, tmp_path, "hold", number, "--reason", "case 17", token=token)
    code, out, err = await command(centre, tmp_path, "holds", "--json", token=token)
    assert (code, err) == (0, "")
    assert [row["caller"] for row in json.loads(out)] == [BLOCKED, GENUINE]
    words = ("hold", BLOCKED, "--release", "--reason", "case closed")
    assert "no longer" in (await command(centre, tmp_path, *words, token=token))[1]
    code, out, err = await command(centre, tmp_path, "privacy", "--json", token=token)
    assert (code, err) == (0, "")
    found = {row["kind"]: row["count"] for row in json.loads(out)}
    assert (found["holds"], found["calls"] > 0, list(found)) == (1, True, list(Kind))
    refused = await command(centre, tmp_path, "privacy")
    assert "a supervisor may not do that" in refused[2]


@pytest.mark.parametrize(
    ("words", "token", "code", "told"),
    [
        ("blocks", "", 2, "--api needs a token in SIAGA112_TOKEN"),
        ("blocks", "s112_" + "x" * 43, 1, "a valid token is required"),
        ("confirm 081233333333 --reason x", None, 1, "no block is proposed"),
        ("--lang id confirm 081233333333 --reason x", None, 1, "tidak ada usulan blokir"),
        (f"appeals --reject {BLOCKED} --reason x", None, 1, "no objection of +6281211111111 waits"),
        (f"appeals --reject {BLOCKED}", None, 2, "--reject needs --reason"),
        ("appeal 081233333333 --reason x", None, 1, "has no strike or block to object to"),
        ("backup x.zip", None, 2, "works on the machine of siaga112 itself"),
        ("why 112", None, 1, "is not the number of a caller"),
    ],
)
async def test_what_does_not_work_is_told_in_one_line(  # noqa: PLR0917 - one parameter a column
    centre: Centre, tmp_path: Path, words: str, token: str | None, code: int, told: str
) -> None:
    """An error is one line that says what is wrong, without a traceback."""
    found = await command(centre, tmp_path, *words.split(), token=token)
    assert found[0] == code, found
    assert found[2].count("\n") == 1
    assert told in found[2]


async def test_an_objection_goes_its_whole_way_over_the_api(centre: Centre, tmp_path: Path) -> None:
    """An appeal can be made, listed, rejected, made again and granted by `unblock`, all over the API."""
    assert "is noted" in (await command(centre, tmp_path, "appeal", BLOCKED, "--reason", "stolen"))[1]
    code, _, err = await command(centre, tmp_path, "appeal", BLOCKED, "--reason", "again")
    assert code == 1
    assert "is already open" in err
    (row,) = json.loads((await command(centre, tmp_path, "appeals", "--json"))[1])
    assert (row["caller"], row["reason"], row["decided"]) == (BLOCKED, "stolen", None)
    said = (await command(centre, tmp_path, "appeals", "--reject", BLOCKED, "--reason", "seen"))[1]
    assert f"the objection of {BLOCKED} is rejected; {BLOCKED} stays blocked" in said
    await command(centre, tmp_path, "appeal", BLOCKED, "--reason", "a letter")
    said = (await command(centre, tmp_path, "unblock", BLOCKED, "--reason", "believed"))[1]
    assert "is no longer blocked" in said
    assert "the objection is granted" in said
    (story,) = json.loads((await command(centre, tmp_path, "why", BLOCKED, "--json"))[1])
    assert [one["granted"] for one in story["appeals"]] == [False, True]
