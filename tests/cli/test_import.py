"""`siaga112 import` as a shell sees it: a dry run, the import, and its traces."""

import asyncio
import hashlib
import json

import pytest

from tests.cli.shell import NUMBER, Shell, live, shell
from tests.moving_in.test_lists import LISTS
from tests.samples import CALLER

__all__ = ["live", "shell"]

pytestmark = pytest.mark.redis

LIST = LISTS / "freepbx.txt"
DIGEST = hashlib.sha256(LIST.read_bytes()).hexdigest()
IMPORT = ("import", str(LIST), "--as", "block", "--permanent", "--reason", "moved in")
LEFT_OUT = """\
  line 4: 112: not the number of a caller (hidden, service, too short, not valid or in never_block)
  line 5: blacklist/blocked: no telephone number: an address, a setting, or of another list
  line 6: blacklist/dest: no telephone number: an address, a setting, or of another list
3 lines left out
"""


async def test_a_list_is_first_only_told_then_brought_in_once(live: Shell) -> None:
    """Without `--apply` nothing changes; with it the list is imported and audited once, however often."""
    said = (await live(*IMPORT)).done()
    assert said == (
        f"freepbx.txt: what Asterisk's `database show` prints; SHA-256 {DIGEST}\n{LEFT_OUT}"
        "would block 3 numbers (3 permanent, 0 temporary)\n"
        "nothing is changed yet; to import it, add --apply to the same command\n"
    )
    assert (await live("blocks", "--json")).json == []

    said = (await live(*IMPORT, "--apply", "--by", "ratna")).done()
    assert said.endswith(
        "3 numbers are blocked (3 permanent, 0 temporary)\n"
        "mode observe: calls of all of these still get through\n"
    )
    rows = (await live("blocks", "--json")).json
    assert {(row["level"], row["origin"], row["by"].partition(" ")[0]) for row in rows} == {
        ("permanent", "import", "ratna")
    }
    (line,) = (await live("audit", "--json")).json
    assert (line["action"], line["subject"], line["reason"]) == ("import", "site", "moved in")
    assert line["detail"] == f"3 numbers blocked, from freepbx.txt, SHA-256 {DIGEST}"
    told = (await live("why", "081234567891")).done()
    assert "permanent block, imported by ratna" in told
    assert f": prank, tiap malam (freepbx.txt [{DIGEST[:12]}]: moved in)\n" in told

    again = (await live(*IMPORT, "--apply", "--json")).json
    assert (again["numbers"], again["applied"], again["brought_in"]) == (0, True, 0)
    assert again["left_out_by"] == {"blocked": 3, "not_a_caller": 1, "not_a_number": 2}
    assert again["lines_left_out"][0] == {
        "line": 1, "number": "+6281234567893", "why": "blocked", "first": None,
    }  # fmt: skip
    assert len((await live("audit", "--json")).json) == 1


async def test_our_own_lists_come_back_as_they_were(live: Shell) -> None:
    """Level, end and reason of `blocks --json` survive an import, and the reason of `allowed --json`."""
    await live.each(
        f"block {NUMBER} --for 24h --reason threats",
        "block 081234567890 --permanent --reason spam",
        "allow 0254201234 --reason clinic",
    )
    blocks, allowed = await live.each("blocks --json", "allowed --json")
    (live.home / "blocks.json").write_text(blocks.out)
    (live.home / "allowed.json").write_text(allowed.out)
    await live.each(f"unblock {NUMBER} --reason x", "unblock 081234567890 --reason x", "disallow 0254201234")
    for kind, name in (("block", "blocks"), ("allow", "allowed")):
        path = str(live.home / f"{name}.json")
        (await live("import", path, "--as", kind, "--reason", "restored", "--apply")).done()
    before = {row["caller"]: row for row in blocks.json}
    rows = (await live("blocks", "--json")).json
    assert {row["caller"] for row in rows} == {CALLER, "+6281234567890"}
    for row in rows:
        was = before[row["caller"]]
        assert (row["level"], row["until"]) == (was["level"], was["until"])
        assert row["reason"].startswith(f"{was['reason']} (blocks.json [")
    (row,) = (await live("allowed", "--json")).json
    assert row["caller"] == "+62254201234"
    assert row["reason"].startswith("clinic (allowed.json [")


async def test_many_numbers_are_asked_about(live: Shell) -> None:
    """More than 20 numbers at once need `--yes` where nobody can be asked."""
    path = live.home / "many.csv"
    path.write_text("".join(f"0812345678{nth}\n" for nth in range(10, 31)))
    command = ("import", str(path), "--as", "allow", "--reason", "clinics", "--apply")
    assert "21 numbers at once, more than 20, need --yes" in (await live(*command)).failed(2)
    assert (await live("allowed", "--json")).json == []
    assert (await live(*command, "--yes")).done().endswith("21 numbers are allowed\n")


async def test_what_is_missing_is_said(live: Shell) -> None:
    """An import whose duration or kind is missing, wrong or superfluous is refused with 2."""
    listed, reason = str(LIST), ("--reason", "x")
    for words, says in (
        (("--as", "block"), "line 1: the file does not say how long, so say it: --for DURATION or --perma"),
        (("--as", "block", "--for", "24h", "--permanent"), "either --for DURATION or --permanent"),
        (("--as", "allow", "--for", "24h"), "the allow list holds until `disallow`"),
        (("--as", "nobody"), 'cannot be "nobody", only block, allow'),
    ):
        assert says in (await live("import", listed, *reason, *words)).failed(2)


async def test_with_a_key_no_number_of_a_list_is_kept(live: Shell) -> None:
    """With a caller key, the numbers of a list are stored as hashes."""
    live.write(privacy='caller_key = "sixteen letters!"')
    (await live(*IMPORT, "--apply")).done()
    rows = (await live("blocks", "--json")).json
    assert all(row["caller"].startswith("h:") for row in rows)
    assert "81234567" not in json.dumps(rows)


async def test_a_long_list_holds_up_nobody(live: Shell) -> None:
    """While 1,000 numbers are imported, another person's decisions are made between two batches."""
    path = live.home / "long.csv"
    path.write_text("number\n" + "".join(f"081277{nth:06}\n" for nth in range(1_000)))
    command = ("import", str(path), "--as", "block", "--for", "30d", "--reason", "x", "--apply", "--yes")
    importing = asyncio.create_task(live(*command))
    decided = 0
    while not importing.done():  # ends: with the import, which has the shell's own patience
        (await live("block", NUMBER, "--for", f"{24 + decided}h", "--reason", "threats")).done()
        decided += 1
    assert (await importing).done().startswith("long.csv: ")
    assert decided > 1
    rows = (await live("blocks", "--json")).json
    assert len(rows) == 1_001
