"""A stand-in for our FastAGI server, silent, rude or obedient, to test the dialplan's guard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

PATIENCE_SECONDS: Final = 15.0
BLOCK_AND_REJECT: Final = ("SET VARIABLE SIAGA_TREATMENT reject", "SET VARIABLE SIAGA_VERDICT BLOCK")


@dataclass(slots=True)
class AgiStub:
    """The server's requests, and Asterisk's replies. Requests are listed once they are complete."""

    commands: Sequence[str]
    pipelined: bool
    silent: bool
    callers: Mapping[str, Sequence[str]]
    requests: list[list[str]] = field(default_factory=list)
    replies: list[list[str]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one call."""
        try:
            request = [line async for line in _lines(reader)]
            self.requests.append(request)
            if self.silent:
                await reader.read()  # ends: when the PBX hangs up
                return
            number = next((line for line in request if line.startswith("agi_arg_1: ")), "")
            commands = self.callers.get(number.removeprefix("agi_arg_1: "), self.commands)
            replies: list[str] = []
            self.replies.append(replies)
            if self.pipelined:
                writer.write("".join(f"{command}\n" for command in commands).encode())
            for command in commands:
                if not self.pipelined:
                    writer.write(f"{command}\n".encode())
                reply = await reader.readline()  # ends: when the PBX hangs up
                replies.append(reply.decode("utf-8", "replace").rstrip("\n"))
        except ConnectionError:
            return  # the PBX may hang up at any time: tests try that
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await writer.wait_closed()


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    while line := (await reader.readline()).decode("utf-8", "replace").rstrip("\n"):  # ends: at hang-up
        yield line


@asynccontextmanager
async def agi_stub(
    port: int,
    commands: Sequence[str] = (),
    *,
    pipelined: bool = False,
    silent: bool = False,
    callers: Mapping[str, Sequence[str]] | None = None,
) -> AsyncIterator[AgiStub]:
    """Listen where the PBX asks (`pbx.agi_port`) and answer every call with these commands.

    `callers` has other commands for some callers; `pipelined` sends all commands in one piece; `silent`
    accepts, reads the request, and never answers.
    """
    stub = AgiStub(commands, pipelined, silent, callers or {})
    server = await asyncio.start_server(stub.serve, "127.0.0.1", port, backlog=128)
    try:
        yield stub
    finally:
        server.close()
