"""The installation commands in the README and in the manual, which the other tests here run."""

from tests.install.machine import readme
from tests.pbx.foreign import blocks


def test_the_readmes_commands_are_the_manuals() -> None:
    """README and manual have the same commands, except that the manual gives setup's answers as options."""
    program, setup = (block.text for block in blocks("With one command"))
    *fetching, last = readme()
    assert fetching == program.splitlines()
    assert setup.startswith(f"{last} --apply")
