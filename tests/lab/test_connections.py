"""The lab finds out which process a connection belongs to."""

import os
import socket

from tests.lab.connections import ports_towards


def test_a_process_is_known_by_its_own_connections_alone() -> None:
    """`ports_towards` returns a connection only for the process that made it, and only for its target."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        assert ports_towards(port, os.getpid()) == set()
        with socket.create_connection(("127.0.0.1", port), 5) as ours:
            assert ports_towards(port, os.getpid()) == {ours.getsockname()[1]}
            assert ports_towards(port, 1 if os.getpid() != 1 else 2) == set()
            assert ports_towards(port + 1, os.getpid()) == set()
