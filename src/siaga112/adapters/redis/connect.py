"""A client for each way in which Redis is run, and what redis-py's own would get wrong there.

After a fail-over, or when a slot has moved, the same client goes on; what was asked meanwhile ends in
an error that the store calls "down": worth trying again.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

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
"""A command that takes longer has failed; verdicts have their own, shorter deadline."""

CONNECTIONS: Final = 1_024
"""As many questions at once as FastAGI takes calls; the driver's own 100 would turn a rush away."""


def connect(url: str, seconds: float = COMMAND_SECONDS) -> "Redis | RedisCluster":
    """Make a client for an address (`siaga112.adapters.redis.url`); connects at the first command.

    Raises:
        ConfigurationError: saying what is wrong with the address, without repeating it.

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
        # Neither HELLO nor CLIENT SETINFO: one round trip less, and no right that an ACL must grant.
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
            cluster.connection_kwargs["connection_class"] = sharing  # for the nodes that these name
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
        return Redis(unix_socket_path=address.path, db=address.db, **login, **reach)
    else:
        ((host, port),) = address.hosts
        client = Redis(host=host, port=port, db=address.db, **login, **reach)
    if address.tls is not None:
        _one_context(client.connection_pool)
    return client


def _require_files(tls: Mapping[str, str | bool]) -> None:
    """Refuse what OpenSSL would read for ever: a pipe, a device. What is missing is told when connecting."""
    for name in tls.keys() & set(redis_url.TLS_FILES):
        path = Path(str(tls[name]))
        with suppress(OSError, ValueError):
            if path.exists() and not path.is_file():
                raise ConfigurationError(f"[redis] url: {name}: {path}: is no regular file")


async def together(client: "Redis | RedisCluster", commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Send commands in one trip; give their answers, a refusal as its error.

    Raises:
        RedisConnectionError: if the server went meanwhile; any part may have been done.

    """
    if isinstance(client, RedisCluster):  # a trip each: the driver's own way through a moving slot
        return [await _answer(client, command) for command in commands]
    async with client.pipeline(transaction=False) as trip:
        for command in commands:
            trip.execute_command(*command)
        return list(await trip.execute(raise_on_error=False))


async def at_once(client: "Redis | RedisCluster", questions: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Ask in one trip, in any order; give the answers in ours, a refusal as its error.

    Raises:
        RedisConnectionError: if the server went meanwhile.

    """
    if not isinstance(client, RedisCluster):
        return await together(client, questions)
    async with client.pipeline() as trip:
        for question in questions:
            trip.execute_command(*question)
        answers = list(await trip.execute(raise_on_error=False))
    return [  # of a slot that moves, it is asked again as the driver does it
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

    redis-py reads the certificates anew for each connection, and the event loop stands still meanwhile:
    a hundred callers at once would wait for seconds.
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


class _Watched(Redis):
    """A client of the master that sentinels name.

    A master that was replaced goes on for up to ten seconds until it is told so, and its writes of that
    time are thrown away. Whoever asks for the mode, or of what this is the block list, asks the sentinels
    first who is master: what it lost is seen, and written again.
    """

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Ask the master, and for what there is once a site the one that is master now."""
        if args[0] == "GET":
            await self._look()
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis-py's

    @property
    def _pool(self) -> Any:
        return self.connection_pool

    async def _look(self) -> None:
        """Leave the connections to a master that is none any more."""
        with suppress(MasterNotFoundError):  # nobody knows: stay where we are
            await self._pool.get_master_address()

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's
        """Close the connections to the master and to the sentinels."""
        await super().aclose(close_connection_pool)
        await self._pool.sentinel_manager.aclose()


class _Cluster(RedisCluster):
    """A client of a cluster that holds its course while slots move.

    `reinitialize_steps=0`: redis-py would close all connections, also those in use, at each fifth MOVED.
    """

    ERRORS_ALLOW_RETRY: Any = (RedisConnectionError, ClusterDownError, SlotNotCoveredError)
    """Not a timeout: who did not answer in time is not asked again."""

    def get_node(self, host: str | None = None, port: int | None = None, node_name: str | None = None) -> Any:
        """Give a node; by its name alone, as only ASK does, one that sends ASKING as it must be."""
        node = super().get_node(host, port, node_name)
        if not node_name:
            return node
        if node is None:  # a new one, to which slots are moving before it has any
            host, _, number = node_name.rpartition(":")
            node = ClusterNode(host, int(number), PRIMARY, **self.connection_kwargs)
            self.nodes_manager.set_nodes(self.nodes_manager.nodes_cache, {node_name: node})
        return _Asked(node)


class _Asked:
    """A node for one redirected command: ASKING goes before it on the same connection.

    redis-py sends the two one after the other on whichever connection is free, and with more than one
    of them the node to which a slot is moving refuses the command.
    """

    def __init__(self, node: ClusterNode) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    async def execute_command(self, *args: Any, asking: bool = False, **options: Any) -> Any:
        """Send ASKING and the command together; say nothing when asked for ASKING alone."""
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
