"""Rewrite the private Redis's append-only file, so that deleted values leave the disk."""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from siaga112.adapters.redis.embedded import socket_path

REWRITE_SECONDS: Final = 60.0
"""The longest a rewrite may take in seconds; a million callers take a few."""


async def rewrite(state_dir: Path) -> bool:
    """Make the private Redis rewrite its append-only file, so that deleted values leave the disk.

    Return False if the rewrite did not finish, or could not be started.
    """
    socket, files = socket_path(state_dir), socket_path(state_dir).parent / "appendonlydir"
    try:
        async with asyncio.timeout(REWRITE_SECONDS), Redis(unix_socket_path=str(socket)) as redis:
            while True:  # a rewrite already running started before the deletion and does not count
                await _rewritten(redis)
                with contextlib.suppress(ResponseError):
                    await redis.bgrewriteaof()
                    break
            done = await _rewritten(redis)
            while done and _no_longer_used(files):  # noqa: ASYNC110 - Redis sends no signal for it
                await asyncio.sleep(0.05)
            return done
    except (RedisError, OSError, TimeoutError):
        return False


async def _rewritten(redis: Redis) -> bool:
    """Wait until no rewrite is running; return whether the last one succeeded."""
    while True:
        told = await redis.info("persistence")
        if not told["aof_rewrite_in_progress"] and not told["aof_rewrite_scheduled"]:
            return bool(told["aof_last_bgrewrite_status"] == "ok")
        await asyncio.sleep(0.05)


def _no_longer_used(files: Path) -> bool:
    """Return whether a file outside the manifest still exists; Redis deletes such files in the background."""
    manifest = files / "appendonly.aof.manifest"
    named = {line.split()[1] for line in manifest.read_text("utf-8").splitlines() if line.startswith("file ")}
    return any(path.name not in named for path in files.iterdir() if path != manifest)
