"""`siaga112` and `python -m siaga112`: Ctrl-C is taken care of before anything is loaded."""

from siaga112 import interrupts

interrupts.end_at_once()


def main() -> None:
    """Run the command line."""
    from siaga112 import cli  # noqa: PLC0415 - hundreds of modules

    cli.main()


if __name__ == "__main__":
    main()
