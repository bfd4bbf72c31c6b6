"""The file that a recording is written to."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from siaga112.captures import capture
from siaga112.core.ami.events import Event, Interrupted, Malformed, QueueStatus, Resumed
from siaga112.core.outcome import ClassifierRules
from siaga112.core.rules import Dialplan
from siaga112.errors import SiagaError
from siaga112.reasons import plainly
from siaga112.terminal import outfile


class CaptureFile:
    """The file of a capture; takes the PBX's messages, and reports important ones to `tell`."""

    def __init__(
        self,
        file: Path,
        dialplan: Dialplan,
        rules: ClassifierRules,
        hide: Callable[[bytes], bytes] | None,
        tell: Callable[[str], None],
    ) -> None:
        self.written = 0
        self._file = file
        self._header = capture.Header("", dialplan, rules)
        self._hide = hide
        self._tell = tell
        self._out: BinaryIO

    def __enter__(self) -> Self:
        with self._writing():
            self._out = outfile.created(self._file)
            self._out.write(capture.write_header(self._header))
            self._out.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # already reported
            self._out.close()
        if error is not None and not self.written:
            self._file.unlink(missing_ok=True)  # so that the same command works again

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError as error:
            raise SiagaError(f"{self._file}: already exists; name a new file") from error
        except OSError as error:
            raise SiagaError(f"{self._file}: cannot be written ({plainly(error)})") from error

    def take(self, message: bytes, event: Event | Malformed | None) -> None:
        """Write a message, or our own message in its place."""
        match event:
            case Interrupted():
                message = capture.write_interrupted(event.at, event.cause)
                self._tell("the connection to the PBX is lost; trying again")
            case Resumed():
                message = capture.write_resumed(event.at, event.channels)
                self._tell(f"recording to {self._file}; Ctrl-C ends it")
            case QueueStatus():
                message = capture.write_queues(event)
            case _:
                message += capture.MESSAGE_END
        with self._writing():
            self._out.write(self._hide(message) if self._hide else message)
            self._out.flush()
        self.written += 1
