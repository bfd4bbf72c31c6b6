"""Moves half of the reading to another process: it splits the lines and groups the rows of each call.

This process then classifies the calls, in the order of the file.
"""

import marshal
import os
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final, TypeVar

from siaga112.errors import SiagaError

LARGE: Final = 10_000_000
"""The size in bytes from which a second process is worth its start."""

BATCH: Final = 200
"""How many calls are sent at once."""

Progress = Callable[[int, int], None]
"""Called with the rows and bytes read since the last call."""

_Item = TypeVar("_Item")
_State = TypeVar("_State")


def worth(size: int) -> bool:
    """Return whether two processes read a file of this size faster."""
    return size >= LARGE and len(os.sched_getaffinity(0)) > 1


class Relay:
    """Makes items, in another process if `apart`, and passes on its progress."""

    def __init__(self, progress: Progress, *, apart: bool) -> None:
        self._progress = progress
        self._apart = apart
        self._ours: Connection | None = None

    def __call__(self, rows: int, size: int) -> None:
        """Report the rows and bytes read since the last report."""
        if self._ours:
            self._ours.send((rows, size))
        else:
            self._progress(rows, size)

    def made(self, items: Iterator[_Item], state: Callable[[], _State]) -> Generator[_Item, None, _State]:
        """Yield the items in order; return the result of `state`, called in the process that made them.

        Items are tuples and lists of texts, numbers and booleans. Exceptions of that process are raised here.

        Raises:
            SiagaError: if the process died.

        """
        if not self._apart:
            yield from items
            return state()
        context = get_context("fork")  # the child inherits the open file
        theirs, its = context.Pipe(duplex=False)
        process = context.Process(target=self._send, args=((theirs, its), items, state), daemon=True)
        process.start()
        its.close()
        try:
            while True:
                match theirs.recv():
                    case bytes() as batch:
                        yield from marshal.loads(batch)  # noqa: S302 - our data
                    case (int() as rows, int() as size):
                        self._progress(rows, size)
                    case BaseException() as error:
                        raise error
                    case [told]:
                        process.join()
                        return told  # type: ignore[no-any-return] # what `state` returned
        except EOFError as error:
            process.join()
            raise SiagaError(
                f"the process that read the file was ended (exit code {process.exitcode}); out of memory?"
            ) from error

    def _send(
        self, pipe: tuple[Connection, Connection], items: Iterator[Any], state: Callable[[], Any]
    ) -> None:
        theirs, self._ours = pipe
        theirs.close()
        try:
            while batch := list(islice(items, BATCH)):
                self._ours.send(marshal.dumps(batch))
            self._ours.send([state()])
        except BrokenPipeError:
            return  # the command died
        except Exception as error:  # noqa: BLE001 - raised again there
            self._ours.send(error)


HERE: Final = Relay(lambda _rows, _size: None, apart=False)
"""Makes everything in this process."""
