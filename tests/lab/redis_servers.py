"""Real Redis servers in each way in which a centre may run them, on loopback, in folders of their own.

Each is ended by its process id. The lab itself uses a Unix socket; the code under test uses TCP, as the user
of `config/redis-acl.conf` (for every site's keys, since each test has its own site), except with the plain
server.
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
"""How long a test's own client waits. The program's 2 s are for calls, not for busy machines."""
DOWN_MILLIS: Final = 3_000
"""Longer than a busy machine keeps a replica waiting for a processor. Once the sentinels take a replica for
lost, a write is acknowledged without it, yet it may become the next master."""


class RedisServer:
    """A redis-server or sentinel; it stores nothing on disk. Later lines of its file replace earlier ones."""

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
        """Start it; return when it answers, or at once without `wait`."""
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
        """Its process id; 0 if there is none."""
        return self._process.pid if self._process else 0

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process
        os.kill(self._process.pid, number)

    def ended(self) -> None:
        """Wait for its end, which something else has caused."""
        assert self._process
        self._process.wait(STARTED_SECONDS)
        self._process = None

    def stop(self) -> None:
        """Kill it, even if it is paused."""
        if self._process:
            reap(self._process)
            self._process = None

    def ask(self, *command: str | int | bytes) -> Any:
        """Run a command as its administrator."""
        with Redis(unix_socket_path=str(self._socket), decode_responses=True) as redis:
            return redis.execute_command(*command)

    def _answers(self) -> bool:
        with suppress(RedisError):
            return bool(self.ask("PING"))
        return False


@contextmanager
def home() -> Iterator[Path]:
    """Make a temporary folder whose name is short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="s112-test-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


@contextmanager
def plain() -> Iterator[RedisServer]:
    """Run a server that can be reached by its socket only, for as long as the block lasts."""
    with home() as folder, RedisServer(folder) as server:
        yield server


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────


class _Reach:
    """How the servers of one topology are reached: by plain TCP or by TLS."""

    def __init__(self, folder: Path, *, tls: bool) -> None:
        self._certificates = Certificates.make(folder) if tls else None
        self.scheme = "rediss" if tls else "redis"
        self.query = self._certificates.query if self._certificates else ""

    def lines(self, port: int) -> list[str]:
        """Return the lines for a server at that port."""
        if self._certificates:
            return [f"tls-port {port}", f"bind {LOOPBACK}", *self._certificates.server]
        return [f"port {port}", f"bind {LOOPBACK}"]


@dataclass(frozen=True, slots=True)
class Tls:
    """One server with TLS, which also asks for a client's certificate."""

    server: RedisServer
    address: str
    """Its host and port, without a user."""
    query: str
    folder: Path
    """The folder with the certificates."""

    @property
    def url(self) -> str:
        """The address for siaga112."""
        return f"rediss://{LOGIN}@{self.address}{self.query}"


@contextmanager
def tls() -> Iterator[Tls]:
    """Run a server with TLS for as long as the block lasts."""
    with home() as folder:
        reach, port = _Reach(folder, tls=True), ports.free()
        with RedisServer(folder / "one", *reach.lines(port), USER) as server:
            yield Tls(server, f"{LOOPBACK}:{port}", reach.query, folder)


# ── Sentinel ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Sentinels:
    """One master, two replicas, three sentinels."""

    servers: dict[int, RedisServer]
    """By port; each of them may become master."""
    sentinels: list[RedisServer]
    url: str

    @property
    def master(self) -> int:
        """The master's port, according to the first sentinel."""
        return _master(self.sentinels[0])

    def failed_over(self, old: int) -> bool:
        """Return whether another server than the old one is master, knows it, and all sentinels agree."""
        told = {_master(one) for one in self.sentinels}
        return len(told) == 1 and old not in told and self.servers[told.pop()].ask("ROLE")[0] == "master"


@contextmanager
def sentinels(*, encrypted: bool = False) -> Iterator[Sentinels]:
    """Run them for as long as the block lasts; a fail-over takes seconds."""
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
    """Three masters with all slots, and a fourth node without any."""

    nodes: dict[int, RedisServer]
    """By port; the last is the spare node."""
    url: str

    @property
    def spare(self) -> int:
        """The port of the spare node, which starts without slots."""
        return [*self.nodes][-1]

    def owner(self, slot: int) -> int:
        """Return the port of the slot's master."""
        for first, last, master, *_ in self.nodes[self.spare].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return int(master[1])
        raise LookupError(slot)

    def open_move(self, slot: int, target: int) -> None:
        """Start to move a slot: from now on, keys of it that do not exist yet belong to the target."""
        source = self.owner(slot)
        self.nodes[target].ask("CLUSTER", "SETSLOT", slot, "IMPORTING", self._id(source))
        self.nodes[source].ask("CLUSTER", "SETSLOT", slot, "MIGRATING", self._id(target))

    def carry(self, slot: int, target: int) -> int:
        """Move the keys of a slot that moves; return how many there were."""
        source = self.nodes[self.owner(slot)]
        keys = source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1_000)
        if keys:
            source.ask("MIGRATE", LOOPBACK, target, "", 0, 5_000, "KEYS", *keys)
        return len(keys)

    def close_move(self, slot: int, target: int) -> None:
        """Assign the slot to the target."""
        for port in (target, *self.nodes):
            if port != self.spare or port == target:
                self.nodes[port].ask("CLUSTER", "SETSLOT", slot, "NODE", self._id(target))

    def _id(self, port: int) -> str:
        return str(self.nodes[port].ask("CLUSTER", "MYID"))

    def refusals(self, kind: str) -> int:
        """Return how many errors of a kind, like ASK or MOVED, all nodes have answered."""
        told = [
            node.ask("INFO", "errorstats").get(f"errorstat_{kind}", {"count": 0})
            for node in self.nodes.values()
        ]
        return sum(int(one["count"]) for one in told)


@contextmanager
def cluster(*, encrypted: bool = False) -> Iterator[Cluster]:
    """Run a cluster for as long as the block lasts."""
    with home() as folder, ExitStack() as stack:
        reach = _Reach(folder, tls=encrypted)
        nodes = {}
        for epoch, port in enumerate([ports.free() for _ in range(4)], 1):
            bus = ports.free()
            lines = [*reach.lines(port), USER, "cluster-enabled yes", f"cluster-port {bus}"]
            lines.append(f"tls-cluster {'yes' if encrypted else 'no'}")
            nodes[port] = stack.enter_context(RedisServer(folder / f"{port}", *lines))
            # As `redis-cli --cluster create` does: nodes with equal epochs would settle them later, and one
            # that rises above the target of a slot would take the slot back, without its keys.
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
    told = node.ask("CLUSTER INFO")  # as one string, or redis-py does not parse the answer
    return bool(told["cluster_state"] == "ok" and told["cluster_known_nodes"] == "4")
