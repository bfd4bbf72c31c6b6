"""`check-config`."""

from siaga112.cli import invocation
from siaga112.settings.explained import explain
from siaga112.settings.loading import load
from siaga112.terminal import printing


def check_config() -> None:
    """Load and cross-check the configuration; print it with secrets masked.

    Example: siaga112 --config siaga112.toml check-config
    """
    text, warnings = explain(load(invocation.current().config))
    printing.plain(*text.splitlines())
    for warning in warnings:
        printing.plain(f"warning: {warning}", err=True)
