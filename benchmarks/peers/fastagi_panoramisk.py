"""panoramisk's FastAGI server and redis-py.  fastagi_panoramisk.py PORT REDIS_PORT."""

import asyncio
import sys
from typing import Any

import redis.asyncio
from panoramisk import fast_agi


async def main(port: int, redis_port: int) -> None:
    """Serve until killed."""
    store = redis.asyncio.Redis(port=redis_port, max_connections=1_024)

    async def screen(request: Any) -> None:
        blocked = await store.get("bench:" + request.headers["agi_arg_1"])
        await request.send_command(f'SET VARIABLE SIAGA_VERDICT "{"BLOCK" if blocked else "ALLOW"}"')

    application = fast_agi.Application(loop=asyncio.get_running_loop())
    application.add_route("screen", screen)
    server = await asyncio.start_server(application.handler, "127.0.0.1", port, backlog=1_024)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
