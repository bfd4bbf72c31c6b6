"""pystrix's threaded FastAGI server and redis-py.  fastagi_pystrix.py PORT REDIS_PORT."""

import sys
from typing import Any

import redis
from pystrix.agi import core, fastagi

store = redis.Redis(port=int(sys.argv[2]), max_connections=1_024)


def screen(agi: Any, *_: Any) -> None:
    """Answer one call."""
    blocked = store.get("bench:" + agi.get_environment()["agi_arg_1"])
    agi.execute(core.SetVariable("SIAGA_VERDICT", "BLOCK" if blocked else "ALLOW"))


# pystrix runs the program `sysctl` to find the backlog, and not every machine has it.
fastagi._ThreadedTCPServer.get_somaxconn = staticmethod(lambda: 1_024)  # noqa: SLF001 - it has no setting
server = fastagi.FastAGIServer(interface="127.0.0.1", port=int(sys.argv[1]), daemon_threads=True)
server.register_script_handler(None, screen)
server.serve_forever()
