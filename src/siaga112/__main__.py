"""`siaga112` and `python -m siaga112`: Ctrl-C is taken care of before anything is loaded."""

import gc
import os

from siaga112 import interrupts

interrupts.end_at_once()
# Pydantic looks for plugins in all that is installed: as long as our settings take, and we want nobody's.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
gc.disable()  # what loads makes thousands of things, and no rubbish: a fifth of the start (`cli.program`)


def main() -> None:
    """Run the command line."""
    from siaga112 import cli  # noqa: PLC0415 - hundreds of modules, after Ctrl-C is taken care of

    cli.main()


if __name__ == "__main__":
    main()
