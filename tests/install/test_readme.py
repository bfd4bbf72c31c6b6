"""What the README has people type, and what the tests of the installation go by."""

from tests.install.machine import readme
from tests.pbx.foreign import blocks


def test_the_readmes_commands_are_the_manuals() -> None:
    """Line by line; only that the README's setup asks, and the manual's has its answers as options."""
    program, setup = (block.text for block in blocks("With one command"))
    *fetching, last = readme()
    assert fetching == program.splitlines()
    assert setup.startswith(f"{last} --apply")
