"""The private Redis's file written anew, so that what was deleted is on disk no more."""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from siaga112.adapters.redis.embedded import socket_path

REWRITE_SECONDS: Final = 60.0
"""How long writing its file anew may take: a million callers take some seconds."""


async def rewrite(state_dir: Path) -> bool:
    """Have the private Redis write its file anew, so that what was deleted is on disk no more.

    False if that did not come to an end, or could not be begun.
    """
    socket, files = socket_path(state_dir), socket_path(state_dir).parent / "appendonlydir"
    try:
        async with asyncio.timeout(REWRITE_SECONDS), Redis(unix_socket_path=str(socket)) as redis:
            while True:  # one that goes on began before what is to go was deleted: it does not count
                await _rewritten(redis)
                with contextlib.suppress(ResponseError):
                    await redis.bgrewriteaof()
                    break
            done = await _rewritten(redis)
            while done and _no_longer_used(files):  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.05)
            return done
    except (RedisError, OSError, TimeoutError):
        return False


async def _rewritten(redis: Redis) -> bool:
    """Wait until its file is not being written anew; say whether the last time went well."""
    while True:
        told = await redis.info("persistence")
        if not told["aof_rewrite_in_progress"] and not told["aof_rewrite_scheduled"]:
            return bool(told["aof_last_bgrewrite_status"] == "ok")
        await asyncio.sleep(0.05)


def _no_longer_used(files: Path) -> bool:
    """Say whether a file is there that the manifest no longer names: Redis removes it behind our back."""
    manifest = files / "appendonly.aof.manifest"
    named = {line.split()[1] for line in manifest.read_text("utf-8").splitlines() if line.startswith("file ")}
    return any(path.name not in named for path in files.iterdir() if path != manifest)
