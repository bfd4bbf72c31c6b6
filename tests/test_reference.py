"""docs/reference.md and docs/commands.md are complete. The metrics have tests of their own."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from siaga112.core.access import Permission
from siaga112.core.holdings import Ends, Holding, Kept, Kind
from siaga112.core.model import SECOND, AuditEntry, Level, Mode, ProposalCause, Treatment, Verdict
from siaga112.core.record import AllowEntry, Appeal, CallerRecord, Hold, MissedCall, Proposal
from siaga112.core.screening import Screening, ScreenReason
from siaga112.service.supervisor import CallerFile
from siaga112.terminal import rows, story
from tests import commands, database, privacy
from tests.samples import CALLER, NOW, RULES, block, call_id, entry, prank, strike

ROOT: Final = Path(__file__).parents[1]
REFERENCE: Final = (ROOT / "docs/reference.md").read_text("utf-8")
ZONE: Final = ZoneInfo("Asia/Jakarta")
RECORD: Final = CallerRecord(
    CALLER,
    strikes=(strike(1),),
    blocks=(block(NOW, None),),
    allow=AllowEntry(NOW, "supervisor", "clinic"),
    proposals=(Proposal(NOW, ProposalCause.POLICY, None, 1, "misused"),),
    missed=(MissedCall(call_id(1), NOW, SECOND),),
)
OBJECTING: Final = CallerRecord(CALLER, appeals=(Appeal(NOW, "clerk", "not me", NOW + SECOND),))
HELD: Final = CallerRecord(CALLER, hold=Hold(NOW, "privacy", "police report 17"))
STORY: Final = story.Story(
    CallerFile(RECORD, (), ()), Screening(Verdict.ALLOW, ScreenReason.NOT_BLOCKED), Mode.OBSERVE, RULES, NOW
)


def chapter(title: str) -> str:
    """Return a chapter of the reference."""
    return REFERENCE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_command_is_there_as_it_explains_itself() -> None:
    """docs/commands.md is what `make docs` prints, in a new process, since imports decide the order."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.commands"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ROOT / "docs/commands.md").read_text("utf-8") == made.stdout


@pytest.mark.parametrize("path", database.made(), ids=lambda path: path.name)
def test_the_page_of_the_database_is_of_its_tables(path: Path) -> None:
    """docs/database.md and its picture are what `make docs` generates from the tables and views."""
    assert path.read_text("utf-8") == database.made()[path]


def test_the_tables_on_personal_data_are_of_this_code() -> None:
    """docs/privacy.md has the tables that `make docs` generates, and no permission is left out."""
    assert privacy.PAGE.read_text("utf-8") == privacy.made()
    assert set(privacy.MEANINGS) == set(Permission)


def test_every_command_is_in_the_readme() -> None:
    """The README names each command."""
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in commands.names() if not re.search(rf"`[^`\n]*\b{name}\b", readme)] == []


def test_every_channel_variable_is_there() -> None:
    """The reference names each variable that our dialplan shares with others, that is, not its LOCAL ones."""
    files = "".join(file.read_text("utf-8") for file in (ROOT / "asterisk").glob("*.conf"))
    own = set(re.findall(r"LOCAL\((SIAGA_\w+)\)", files))
    used = set(re.findall(r"SIAGA_[A-Z_]+", files)) - own
    assert {"SIAGA_VERDICT", "SIAGA_AGI"} <= used
    assert [name for name in sorted(used) if f"`{name}`" not in chapter("Channel variables")] == []


@pytest.mark.parametrize("value", [*Verdict, *ScreenReason, *Treatment, *Level], ids=str)
def test_every_value_of_a_channel_variable_is_there(value: str) -> None:
    """The reference names each value of a channel variable on which a dialplan branches."""
    assert f"`{value}`" in chapter("Channel variables")


@pytest.mark.parametrize(
    ("command", "row"),
    [
        ("`calls`, `replay`", rows.call(entry(prank(1)), ZONE)),
        ("`blocks`", rows.blocked(RECORD, RECORD.blocks[0], ZONE)),
        ("`blocks --proposed`", rows.proposal(RECORD, ZONE)),
        ("`appeals`", rows.appeal(OBJECTING, ZONE)),
        ("`holds`", rows.hold(HELD, ZONE)),
        ("`privacy`", rows.holding(Kind.CALLS, Holding(1, NOW), Kept(Ends.AGE, SECOND), ZONE)),
        ("`allowed`", rows.allowed(RECORD, ZONE)),
        ("`callbacks`", rows.missed(RECORD, ZONE)),
        ("`audit`", rows.audit_entry(AuditEntry(NOW, "supervisor", "mode", "site"), ZONE)),
        ("`why`", story.as_row(STORY, ZONE)),
    ],
)
def test_every_name_of_a_row_is_there(command: str, row: rows.Row) -> None:
    """The reference lists the names of each `--json` row in the order in which they are printed."""
    (said,) = re.findall(rf"^\| {re.escape(command)} \| (.*) \|$", chapter("`--json`"), re.MULTILINE)
    assert re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", said)) == list(row)
