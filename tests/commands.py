"""Write docs/commands.md: what every command says of itself (`python -m tests.commands`)."""

from typing import Final

from typer.testing import CliRunner

from siaga112.cli.commands import COMMANDS
from siaga112.cli.program import app

WIDTH: Final = 100
HEAD: Final = """\
# Commands

The output of `siaga112 COMMAND --help`; `make docs` generates this page. Output for scripts, and all other
names: [reference.md](reference.md).

"""


def said(*arguments: str) -> str:
    """Give the help of the program, or of a command."""
    ended = CliRunner().invoke(app, [*arguments, "--help"], prog_name="siaga112", terminal_width=WIDTH)
    assert ended.exit_code == 0, ended.output
    return ended.stdout


def names() -> list[str]:
    """Name the commands, in the order in which the program lists them."""
    return list(COMMANDS)


def page() -> str:
    """Give the page."""
    parts = [f"```\n{said().strip()}\n```\n"]
    parts += [f"## `siaga112 {name}`\n\n```\n{said(name).strip()}\n```\n" for name in names()]
    return HEAD + "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
