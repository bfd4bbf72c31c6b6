"""Half of the reading of a file in a process of its own: it splits the lines and puts a call's rows together.

What became of the call says the process that waits for them, in the order of the file.
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
"""Of a smaller file so many bytes are read sooner than it is worth a process."""

BATCH: Final = 200
"""How many calls are sent at once."""

Progress = Callable[[int, int], None]
"""Takes the rows and the bytes that were read since the last time."""

_Item = TypeVar("_Item")
_State = TypeVar("_State")


def worth(size: int) -> bool:
    """Say whether a file of that size is read sooner by two processes."""
    return size >= LARGE and len(os.sched_getaffinity(0)) > 1


class Relay:
    """Gives what is made in another process, if it is `apart`, and the progress of it, where it is shown."""

    def __init__(self, progress: Progress, *, apart: bool) -> None:
        self._progress = progress
        self._apart = apart
        self._ours: Connection | None = None

    def __call__(self, rows: int, size: int) -> None:
        """Tell the rows and the bytes that were read since the last time."""
        if self._ours:
            self._ours.send((rows, size))
        else:
            self._progress(rows, size)

    def made(self, items: Iterator[_Item], state: Callable[[], _State]) -> Generator[_Item, None, _State]:
        """Give the items in their order, and at the end what `state` says where they were made.

        Items are tuples and lists of texts, numbers and truth values. What is raised there is raised here.

        Raises:
            SiagaError: if the process was ended.

        """
        if not self._apart:
            yield from items
            return state()
        context = get_context("fork")  # the file is open there already
        theirs, its = context.Pipe(duplex=False)
        process = context.Process(target=self._send, args=((theirs, its), items, state), daemon=True)
        process.start()
        its.close()
        try:
            while True:
                match theirs.recv():
                    case bytes() as batch:
                        yield from marshal.loads(batch)  # noqa: S302 - our own
                    case (int() as rows, int() as size):
                        self._progress(rows, size)
                    case BaseException() as error:
                        raise error
                    case [told]:
                        process.join()
                        return told  # type: ignore[no-any-return] # as `state` gave it
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
            return  # nobody waits for it any more
        except Exception as error:  # noqa: BLE001 - it is raised there
            self._ours.send(error)


HERE: Final = Relay(lambda _rows, _size: None, apart=False)
"""Makes everything in this process."""
