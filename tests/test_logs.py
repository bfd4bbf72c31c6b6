"""The lines on stderr, which the daemon and its console share."""

import json
import os
import socket
import subprocess
import sys
from typing import Final

TWO_LINES: Final = """
import structlog
from siaga112 import logs
logs.configure()
structlog.get_logger().info("first", detail="of two\\nlines")
structlog.get_logger().warning("second")
"""


def test_a_line_is_written_in_one_piece() -> None:
    """Whether Python buffers or not, a line reaches stderr in one write, so that none gets into another."""
    for unbuffered in ("", "1"):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with ours, theirs:
            environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
            command = [sys.executable, "-c", TWO_LINES]
            subprocess.run(command, stderr=theirs.fileno(), env=environ, check=True, timeout=60)
            ours.settimeout(20)
            lines = [ours.recv(65536), ours.recv(65536)]
        assert [json.loads(line)["event"] for line in lines] == ["first", "second"]
        assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
