"""A client for each kind of Redis deployment, with corrections to redis-py's own clients.

After a fail-over, or when a slot has moved, the same client goes on. Commands sent meanwhile fail with an
error that the store calls "down", which is worth a retry.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import hiredis
from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError
from redis.backoff import NoBackoff
from redis.cluster import PRIMARY
from redis.exceptions import ClusterDownError, ResponseError, SlotNotCoveredError
from redis.exceptions import ConnectionError as RedisConnectionError

from siaga112.adapters.redis import url as redis_url
from siaga112.adapters.redis.url import Kind
from siaga112.errors import ConfigurationError

COMMAND_SECONDS: Final = 2.0
"""A command that takes longer fails; verdicts have their own, shorter deadline."""

CONNECTIONS: Final = 1_024
"""As many commands at once as FastAGI takes calls; the driver's default of 100 would reject a rush."""


def connect(url: str, seconds: float = COMMAND_SECONDS) -> "Redis | RedisCluster":
    """Create a client for an address (`siaga112.adapters.redis.url`); it connects at the first command.

    Raises:
        ConfigurationError: names the fault in the address without repeating the address.

    """
    try:
        address = redis_url.parse(url)
    except ValueError as error:
        raise ConfigurationError(f"[redis] url: {error}") from error
    reach: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "max_connections": CONNECTIONS,
        "health_check_interval": 0,
        "retry": Retry(NoBackoff(), 1, (RedisConnectionError,)),
        # Neither HELLO nor CLIENT SETINFO: that saves a round trip and a permission in the ACL.
        "protocol": 2,
        "driver_info": None,
    }
    if address.tls is not None:
        _require_files(address.tls)
        reach |= {"ssl": True, **address.tls}
    login: dict[str, Any] = {"username": address.username, "password": address.password}
    if address.kind is Kind.CLUSTER:
        cluster = _Cluster(
            startup_nodes=[ClusterNode(*host) for host in address.hosts],
            reinitialize_steps=0,
            **login,
            **reach,
        )
        if address.tls is not None:
            sharing = _one_context(*cluster.startup_nodes)
            cluster.connection_kwargs["connection_class"] = sharing  # for nodes discovered later
        return cluster
    if address.kind is Kind.SENTINEL:
        sentinels = Sentinel(  # type: ignore[no-untyped-call]  # redis-py's
            address.hosts, sentinel_kwargs={**address.sentinel_login, **reach}
        )
        client: Redis = sentinels.master_for(
            address.master, redis_class=_Watched, db=address.db, **login, **reach
        )
        if address.tls is not None:
            _one_context(*(one.connection_pool for one in sentinels.sentinels))
    elif address.kind is Kind.SOCKET:
        client = Redis(unix_socket_path=address.path, db=address.db, **login, **reach)
    else:
        ((host, port),) = address.hosts
        client = Redis(host=host, port=port, db=address.db, **login, **reach)
    _pack_fast(client.connection_pool)
    if address.tls is not None:
        _one_context(client.connection_pool)
    return client


def _require_files(tls: Mapping[str, str | bool]) -> None:
    """Reject a pipe or a device, which OpenSSL would read for ever. A missing file fails when connecting."""
    for name in tls.keys() & set(redis_url.TLS_FILES):
        path = Path(str(tls[name]))
        with suppress(OSError, ValueError):
            if path.exists() and not path.is_file():
                raise ConfigurationError(f"[redis] url: {name}: {path}: not a regular file")


async def together(client: "Redis | RedisCluster", commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Send commands in one round trip; return their answers, an error reply as its exception.

    Raises:
        RedisConnectionError: if the connection breaks; any of the commands may have run.

    """
    if isinstance(client, RedisCluster):  # one by one: so the driver can follow a slot that moves
        return [await _answer(client, command) for command in commands]
    async with client.pipeline(transaction=False) as trip:
        for command in commands:
            trip.execute_command(*command)
        return list(await trip.execute(raise_on_error=False))


async def at_once(client: "Redis | RedisCluster", questions: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Send queries in one round trip, in any order; return the answers in ours, errors as exceptions.

    Raises:
        RedisConnectionError: if the connection breaks.

    """
    if not isinstance(client, RedisCluster):
        return await together(client, questions)
    async with client.pipeline() as trip:
        for question in questions:
            trip.execute_command(*question)
        answers = list(await trip.execute(raise_on_error=False))
    return [  # repeat the failed ones singly, so that the driver can follow a slot that moves
        await _answer(client, question) if isinstance(answer, Exception) else answer
        for question, answer in zip(questions, answers, strict=True)
    ]


async def _answer(client: RedisCluster, command: tuple[Any, ...]) -> Any:
    try:
        return await client.execute_command(*command)
    except ResponseError as error:
        return error


def _one_context(*owners: Any) -> type:
    """Make all connections of these pools or nodes share one TLS context.

    redis-py loads the certificates for each connection, and blocks the event loop meanwhile: with a hundred
    callers at once, each would wait for seconds.
    """
    base: Any = owners[0].connection_class

    class Sharing(base):  # type: ignore[misc]  # base is known at run time
        ssl_context: Any
        made: Any = None

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            Sharing.made = Sharing.made or self.ssl_context
            self.ssl_context = Sharing.made

    for owner in owners:
        owner.connection_class = Sharing
    return Sharing


def _pack_fast(owner: Any) -> None:
    """Make the connections of a pool write commands with hiredis, in a tenth of redis-py's own time.

    A rebuild of the block list sends some words for each caller.
    """
    base: Any = owner.connection_class

    class Packing(base):  # type: ignore[misc]  # base is known at run time
        def pack_command(self, *args: Any) -> Any:
            if " " in args[0]:  # two words, which redis-py separates
                return super().pack_command(*args)
            return [hiredis.pack_command(args)]

    owner.connection_class = Packing


class _Watched(Redis):
    """A client of the master that sentinels name.

    A replaced master goes on for up to ten seconds before it learns of that, and its writes of that time are
    lost. So we ask the sentinels who is master before reading the mode or the edition: then we see the loss
    and write the lost values again.
    """

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Run a command on the master; before a GET, check with the sentinels who that is."""
        if args[0] == "GET":
            await self._look()
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's

    @property
    def _pool(self) -> Any:
        return self.connection_pool

    async def _look(self) -> None:
        """Leave the connections to a master that has been replaced."""
        with suppress(MasterNotFoundError):  # no sentinel knows one: keep the current master
            await self._pool.get_master_address()

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's
        """Close the connections to the master and to the sentinels."""
        await super().aclose(close_connection_pool)
        await self._pool.sentinel_manager.aclose()


class _Cluster(RedisCluster):
    """A client of a cluster that keeps working while slots move.

    `reinitialize_steps=0`: redis-py would close all connections, even those in use, at every fifth MOVED.
    """

    ERRORS_ALLOW_RETRY: Any = (RedisConnectionError, ClusterDownError, SlotNotCoveredError)
    """Timeouts are missing on purpose: we do not retry a node that did not answer in time."""

    def get_node(self, host: str | None = None, port: int | None = None, node_name: str | None = None) -> Any:
        """Return a node; one looked up by name alone, as only ASK does, sends ASKING correctly."""
        node = super().get_node(host, port, node_name)
        if not node_name:
            return node
        if node is None:  # a new node, which is receiving its first slots
            host, _, number = node_name.rpartition(":")
            node = ClusterNode(host, int(number), PRIMARY, **self.connection_kwargs)
            self.nodes_manager.set_nodes(self.nodes_manager.nodes_cache, {node_name: node})
        return _Asked(node)


class _Asked:
    """A node for one redirected command: sends ASKING before it on the same connection.

    redis-py sends each of the two on any free connection; with several connections, the node that receives
    the slot rejects the command.
    """

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    async def execute_command(self, *args: Any, asking: bool = False, **options: Any) -> Any:
        """Send ASKING and the command together; do nothing for ASKING alone."""
        del asking
        if args == ("ASKING",):
            return None
        connection = self._node.acquire_connection()
        try:
            await self._node.disconnect_if_needed(connection)
            await connection.send_packed_command(connection.pack_commands([("ASKING",), args]))
            await connection.read_response()
            return await self._node.parse_response(connection, args[0], **options)
        finally:
            self._node.release(connection)
