"""The common way: asyncio's streams and redis-py.  fastagi_streams.py PORT REDIS_PORT."""

import asyncio
import sys

import redis.asyncio


async def main(port: int, redis_port: int) -> None:
    """Serve until killed."""
    store = redis.asyncio.Redis(port=redis_port, max_connections=1_024)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        headers = {}
        while line := (await reader.readline()).decode().rstrip("\n"):  # ends: as its peer does
            name, _, value = line.partition(": ")
            headers[name] = value
        blocked = await store.get("bench:" + headers["agi_arg_1"])
        writer.write(b'SET VARIABLE SIAGA_VERDICT "%s"\n' % (b"BLOCK" if blocked else b"ALLOW"))
        await reader.readline()  # ends: as its peer does
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=1_024)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
