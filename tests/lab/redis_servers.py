"""Real Redis servers in each way in which a centre may run them, on loopback, in folders of their own.

Each is ended by its process id. The lab's own way in is a Unix socket; the code under test comes by TCP,
as the user of `config/redis-acl.conf` (on every site's keys, since each test has a site of its own), except
to the plain server.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from redis import Redis
from redis.exceptions import RedisError

from tests.lab import ports
from tests.lab.certificates import LOOPBACK, Certificates
from tests.waiting import block_until, reap

ACL: Final = Path(__file__).parents[2] / "config" / "redis-acl.conf"
_USER: Final = next(line for line in ACL.read_text("utf-8").splitlines() if line.startswith("user "))
USER: Final = _USER.replace("{siaga112}", "{*}").replace("~siaga112:siaga112:", "~siaga112:*:")
"""The user that we ship, for any site."""
LOGIN: Final = "siaga112:change-me"
MASTER: Final = "siaga"
SLOTS: Final = 16_384
STARTED_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 60.0
"""How long a test's own client waits; the program's 2 s are for calls, not for busy machines."""
DOWN_MILLIS: Final = 3_000
"""Longer than a busy machine keeps a replica waiting for a processor: one that the sentinels hold for lost
is no longer waited for when a write is acknowledged, and may be the next master all the same."""


class RedisServer:
    """A redis-server, or a sentinel, with nothing on disk. Later lines of its file replace earlier ones."""

    def __init__(self, home: Path, *lines: str, sentinel: bool = False) -> None:
        home.mkdir(exist_ok=True)
        self._home = home
        self._arguments = ["--sentinel"] if sentinel else []
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = home / "redis.sock"
        self.url = f"unix://{self._socket}"
        common = [
            "port 0",
            f"unixsocket {self._socket}",
            f"dir {home}",
            f"logfile {home}/redis.log",
            'save ""',
        ]
        (home / "redis.conf").write_text("\n".join([*common, 'save ""', *lines, ""]))

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def start(self, *options: str, wait: bool = True) -> None:
        """Begin it; return when it answers."""
        self._process = subprocess.Popen(
            ["redis-server", self._home / "redis.conf", *options, *self._arguments]
        )
        if wait:
            self.wait()  # ends: `block_until`

    def wait(self) -> None:
        """Return when it answers."""
        try:
            block_until(self._answers, STARTED_SECONDS, "an answer of redis-server")
        except TimeoutError as error:
            error.add_note((self._home / "redis.log").read_text())
            raise

    @property
    def pid(self) -> int:
        """Its process, 0 if there is none."""
        return self._process.pid if self._process else 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        assert self._process
        os.kill(self._process.pid, number)

    def ended(self) -> None:
        """Wait for its end, which somebody else has seen to."""
        assert self._process
        self._process.wait(STARTED_SECONDS)
        self._process = None

    def stop(self) -> None:
        """Kill it, also a paused one."""
        if self._process:
            reap(self._process)
            self._process = None

    def ask(self, *command: str | int | bytes) -> Any:
        """Ask it as its administrator."""
        with Redis(unix_socket_path=str(self._socket), decode_responses=True) as redis:
            return redis.execute_command(*command)

    def _answers(self) -> bool:
        with suppress(RedisError):
            return bool(self.ask("PING"))
        return False


@contextmanager
def home() -> Iterator[Path]:
    """Make a folder whose name is short enough for a socket, for a while."""
    made = Path(tempfile.mkdtemp(prefix="s112-test-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


@contextmanager
def plain() -> Iterator[RedisServer]:
    """Run a server that is reached by its socket alone, for a while."""
    with home() as folder, RedisServer(folder) as server:
        yield server


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────


class _Reach:
    """How the servers of one topology are reached: by TCP, or by TLS."""

    def __init__(self, folder: Path, *, tls: bool) -> None:
        self._certificates = Certificates.make(folder) if tls else None
        self.scheme = "rediss" if tls else "redis"
        self.query = self._certificates.query if self._certificates else ""

    def lines(self, port: int) -> list[str]:
        """Lines for a server at that port."""
        if self._certificates:
            return [f"tls-port {port}", f"bind {LOOPBACK}", *self._certificates.server]
        return [f"port {port}", f"bind {LOOPBACK}"]


@dataclass(frozen=True, slots=True)
class Tls:
    """One server with TLS, which asks for a client's certificate too."""

    server: RedisServer
    address: str
    """Where it is, without a user."""
    query: str
    folder: Path
    """Where the certificates are."""

    @property
    def url(self) -> str:
        """The address for siaga112."""
        return f"rediss://{LOGIN}@{self.address}{self.query}"


@contextmanager
def tls() -> Iterator[Tls]:
    """Run a server with TLS for a while."""
    with home() as folder:
        reach, port = _Reach(folder, tls=True), ports.free()
        with RedisServer(folder / "one", *reach.lines(port), USER) as server:
            yield Tls(server, f"{LOOPBACK}:{port}", reach.query, folder)


# ── Sentinel ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Sentinels:
    """One master, two replicas, three sentinels."""

    servers: dict[int, RedisServer]
    """By port; all of them may become master."""
    sentinels: list[RedisServer]
    url: str

    @property
    def master(self) -> int:
        """Say at which port the master is, by the word of the first sentinel."""
        return _master(self.sentinels[0])

    def failed_over(self, old: int) -> bool:
        """Say whether another than the old one is master, knows it, and all sentinels say so."""
        told = {_master(one) for one in self.sentinels}
        return len(told) == 1 and old not in told and self.servers[told.pop()].ask("ROLE")[0] == "master"


@contextmanager
def sentinels(*, encrypted: bool = False) -> Iterator[Sentinels]:
    """Run them for a while; it is over in seconds when the master dies."""
    with home() as folder, ExitStack() as stack:
        reach = _Reach(folder, tls=encrypted)
        first, *others = data = [ports.free() for _ in range(3)]
        servers = {}
        for port in data:
            lines = [
                *reach.lines(port),
                USER,
                "repl-diskless-sync-delay 0",
                "repl-ping-replica-period 1",
            ]
            if port != first:
                lines.append(f"replicaof {LOOPBACK} {first}")
            servers[port] = stack.enter_context(RedisServer(folder / f"{port}", *lines))
        watch = [
            f"sentinel monitor {MASTER} {LOOPBACK} {first} 2",
            f"sentinel down-after-milliseconds {MASTER} {DOWN_MILLIS}",
            f"sentinel failover-timeout {MASTER} 3000",
        ]
        watching = {
            port: stack.enter_context(
                RedisServer(folder / f"{port}", *reach.lines(port), *watch, sentinel=True)
            )
            for port in [ports.free() for _ in range(3)]
        }
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in watching)
        found = Sentinels(
            servers, [*watching.values()], f"{reach.scheme}+sentinel://{LOGIN}@{hosts}/{MASTER}{reach.query}"
        )
        block_until(
            lambda: all(_sees_all(one, len(others)) for one in found.sentinels),
            STARTED_SECONDS,
            "the sentinels to know each other and the replicas",
        )
        block_until(
            lambda: int(servers[first].ask("INFO", "replication")["connected_slaves"]) == len(others),
            STARTED_SECONDS,
            "the replicas to follow the master",
        )
        yield found


def _master(sentinel: RedisServer) -> int:
    return int(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[1])


def _sees_all(sentinel: RedisServer, replicas: int) -> bool:
    told = sentinel.ask("SENTINEL", "MASTER", MASTER)
    return int(told["num-slaves"]) == replicas and int(told["num-other-sentinels"]) == 2


# ── Cluster ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Cluster:
    """Three masters with all slots, and a fourth that has none yet."""

    nodes: dict[int, RedisServer]
    """By port; the last is the spare one."""
    url: str

    @property
    def spare(self) -> int:
        """Say at which port the node without slots is."""
        return [*self.nodes][-1]

    def owner(self, slot: int) -> int:
        """Say at which port the master of the slot is."""
        for first, last, master, *_ in self.nodes[self.spare].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return int(master[1])
        raise LookupError(slot)

    def open_move(self, slot: int, target: int) -> None:
        """Let a slot begin to move: what is not yet held of it is the target's from now on."""
        source = self.owner(slot)
        self.nodes[target].ask("CLUSTER", "SETSLOT", slot, "IMPORTING", self._id(source))
        self.nodes[source].ask("CLUSTER", "SETSLOT", slot, "MIGRATING", self._id(target))

    def carry(self, slot: int, target: int) -> int:
        """Carry the keys of a slot that moves; say how many they were."""
        source = self.nodes[self.owner(slot)]
        keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1_000)
        if keys:
            source.ask("MIGRATE", LOOPBACK, target, "", 0, 5_000, "KEYS", *keys)
        return len(keys)

    def close_move(self, slot: int, target: int) -> None:
        """Give the slot to the target for good."""
        for port in (target, *self.nodes):
            if port != self.spare or port == target:
                self.nodes[port].ask("CLUSTER", "SETSLOT", slot, "NODE", self._id(target))

    def _id(self, port: int) -> str:
        return str(self.nodes[port].ask("CLUSTER", "MYID"))

    def refusals(self, kind: str) -> int:
        """Count the answers of a kind, like ASK or MOVED, that all nodes have given."""
        told = [
            node.ask("INFO", "errorstats").get(f"errorstat_{kind}", {"count": 0})
            for node in self.nodes.values()
        ]
        return sum(int(one["count"]) for one in told)


@contextmanager
def cluster(*, encrypted: bool = False) -> Iterator[Cluster]:
    """Run it for a while."""
    with home() as folder, ExitStack() as stack:
        reach = _Reach(folder, tls=encrypted)
        nodes = {}
        for epoch, port in enumerate([ports.free() for _ in range(4)], 1):
            bus = ports.free()
            lines = [*reach.lines(port), USER, "cluster-enabled yes", f"cluster-port {bus}"]
            lines.append(f"tls-cluster {'yes' if encrypted else 'no'}")
            nodes[port] = stack.enter_context(RedisServer(folder / f"{port}", *lines))
            # As `redis-cli --cluster create` does: nodes with equal epochs settle it among themselves later,
            # and one that rises above the target of a slot takes the slot back, without its keys.
            nodes[port].ask("CLUSTER", "SET-CONFIG-EPOCH", epoch)
            if port != (first := next(iter(nodes))):
                nodes[first].ask("CLUSTER", "MEET", LOOPBACK, port, bus)
        masters = [*nodes.values()][:3]
        bounds = [SLOTS * number // 3 for number in range(4)]
        for number, node in enumerate(masters):
            node.ask("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        block_until(
            lambda: all(_knows_all(node) for node in nodes.values()),
            STARTED_SECONDS,
            "the nodes of the cluster to know each other",
        )
        hosts = ",".join(f"{LOOPBACK}:{port}" for port in [*nodes][:3])
        yield Cluster(nodes, f"{reach.scheme}+cluster://{LOGIN}@{hosts}{reach.query}")


def _knows_all(node: RedisServer) -> bool:
    told = node.ask("CLUSTER INFO")  # in one piece, or redis-py does not take the answer apart
    return bool(told["cluster_state"] == "ok" and told["cluster_known_nodes"] == "4")
