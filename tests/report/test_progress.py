"""The progress bar of long commands."""

import io

import pytest

from siaga112.terminal.progress import Bar


class Screen(io.StringIO):
    """A stderr that is a terminal or none."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._terminal


@pytest.mark.parametrize(
    ("terminal", "seconds", "shown"), [(True, 0.9, False), (True, 1.0, True), (False, 60.0, False)]
)
def test_a_bar_is_shown_from_one_second_on_and_to_people_only(
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,  # noqa: FBT001 - pytest names it
    seconds: float,
    shown: bool,  # noqa: FBT001 - pytest names it
) -> None:
    """A bar is shown only on a terminal, and only after one second."""
    screen, clock = Screen(terminal=terminal), iter([100.0, 100.0 + seconds])
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("siaga112.terminal.progress.time.monotonic", lambda: next(clock, 100.0 + seconds))
    with Bar("reading the ledger") as bar:
        bar(0.42)
    assert ("reading the ledger" in screen.getvalue()) is shown
    assert ("42%" in screen.getvalue()) is shown
