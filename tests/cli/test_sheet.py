"""`why --format html|pdf`: the evidence sheet, as a clerk at a counter makes it."""

import stat
from pathlib import Path

import pytest

from tests.cli.shell import NUMBER, Shell, live, shell
from tests.lab import pdf as read

__all__ = ["live", "shell"]
pytestmark = pytest.mark.redis
OFFICE = 'office = "Diskominfo Kota Serang"\ncontact = "loket 3"'


async def test_a_citizen_gets_one_page_and_that_is_noted(live: Shell, tmp_path: Path) -> None:
    """The sheet is one page with its issuer, readable by its user alone, and the look is audited."""
    live.write(citizen=OFFICE, console='lang = "id"')
    (await live("block", NUMBER, "--for", "24h", "--reason", "threats")).done()
    output = tmp_path / "sheet.pdf"
    asked = ("why", NUMBER, "--format", "pdf", "--by", "Ratna", "--output", str(output))
    assert (await live(*asked)).done() == ""
    made = output.read_bytes()
    assert read.about(made)["Pages"] == "1"
    said = read.text(made)
    for words in ("Lembar bukti", "+6281211111111", "Diskominfo Kota Serang", "loket 3", "Ratna", "threats"):
        assert words in said
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    noted = [row for row in (await live("audit", "--json")).json if row["action"] == "look"]
    assert [(row["subject"], row["detail"], row["via"]) for row in noted] == [
        ("+6281211111111", "evidence sheet", "cli")
    ]


async def test_the_same_in_the_language_that_is_asked_for(live: Shell) -> None:
    """The sheet's language is that of the command, else of the program, else of the configuration."""
    live.write(console='lang = "id"')
    by_command, by_program, configured, as_text = await live.each(
        f"why {NUMBER} --format html --lang en",
        f"--lang en why {NUMBER} --format html",
        f"why {NUMBER} --format html",
        f"why {NUMBER} --format text --lang en",
    )
    assert "This number is not blocked." in by_command.done()
    assert "This number is not blocked." in by_program.done()
    assert "Nomor ini tidak diblokir." in configured.done()
    assert "now: ALLOW" in as_text.done()


async def test_what_does_not_go_together_is_told_in_one_line(live: Shell) -> None:
    """Options that exclude each other, and an output that cannot be written, are refused in one line."""
    as_json, as_text, unknown = await live.each(
        f"why {NUMBER} --format pdf --json",
        f"why {NUMBER} --output x.txt",
        f"why {NUMBER} --format docx",
    )
    assert "--json is a format by itself" in as_json.failed(2)
    assert "--output: goes with --format html or pdf" in as_text.failed(2)
    assert "docx" in unknown.failed(2)
    gone = await live("why", NUMBER, "--format", "html", "--output", "/nowhere/x.html")
    assert "/nowhere/x.html: cannot be written" in gone.failed(1)
