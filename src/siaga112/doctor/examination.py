"""Examines the whole installation: connects settings, shipped files and the probes of each part."""

import asyncio
from dataclasses import replace
from pathlib import Path

from siaga112.adapters.redis.connect import connect
from siaga112.adapters.redis.url import masked
from siaga112.adapters.running_file import running
from siaga112.adapters.scrape import MetricsPage, ProbeError
from siaga112.app.pbx import ami_address
from siaga112.app.records import database_url, held_off, redis_url
from siaga112.core.model import SECOND, Mode
from siaga112.doctor.centre import CONTACT
from siaga112.doctor.looking import ami, console, daemon, database, host, redis
from siaga112.doctor.looking.sockets import is_here
from siaga112.doctor.manager import USER_FILE
from siaga112.doctor.observations import (
    AgiSeen,
    Examined,
    FollowedSeen,
    HostSeen,
    NotSeen,
    PbxSeen,
    RedisSeen,
    Shipped,
    Wanted,
)
from siaga112.doctor.walk import parse
from siaga112.settings.running import changed
from siaga112.settings.schema import Settings
from siaga112.settings.values import VOICE, masked_database
from siaga112.shipped import catalogue


async def examine(settings: Settings, config: Path) -> Examined:
    """Examine everything within 10 s, changing nothing."""
    wanted, ours = _wanted(settings, config), shipped()
    metrics = settings.metrics
    agi = await _verdict(settings)  # alone: other questions would add to the time measured
    (pbx, machine), store, records, door, (readiness, screening, followed) = await asyncio.gather(
        _pbx_and_host(settings, config, ours),
        _redis(settings),
        database.examine(database_url(settings), settings.site),
        console.examine(settings.console),
        asyncio.gather(
            daemon.ask_readiness(metrics.host, metrics.port),
            daemon.ask_readiness(metrics.host, metrics.screen_port),
            _followed(settings),
        ),
    )
    return Examined(
        wanted,
        ours,
        pbx,
        store,
        records,
        agi,
        readiness,
        followed,
        machine,
        console=door,
        screening=screening if wanted.screen_metrics else NotSeen("no port of its own"),
    )


async def _verdict(settings: Settings) -> AgiSeen | NotSeen:
    """Ask for a verdict; again if it was slightly late: one late answer is not a slow daemon."""
    host, port = settings.agi.host, settings.agi.port
    first = await daemon.ask_for_verdict(host, port)
    if isinstance(first, AgiSeen) and settings.agi.deadline_ms < first.took < SECOND:
        return await daemon.ask_for_verdict(host, port)
    return first


async def _followed(settings: Settings) -> FollowedSeen | NotSeen:
    """Read the metrics of the tracking half, and of the screening half where it runs apart."""
    at, site = settings.metrics.host, settings.site
    pages = [MetricsPage(at, port, site) for port in (settings.metrics.port, settings.metrics.screen_port)]
    tracking, screening = await asyncio.gather(*map(daemon.ask_for_counts, pages), return_exceptions=True)
    if isinstance(tracking, ProbeError):
        return NotSeen(str(tracking))
    if isinstance(tracking, BaseException):
        raise tracking
    # The counts are comparable only if tracking began before the first question.
    if isinstance(screening, FollowedSeen) and screening.started >= tracking.started:
        return replace(tracking, asked=max(tracking.asked, screening.asked))
    return tracking


async def _pbx_and_host(
    settings: Settings, config: Path, ours: Shipped
) -> tuple[PbxSeen | NotSeen, HostSeen]:
    pbx = await ami.examine(
        ami_address(settings),
        ami.Sought(
            keys=tuple(ours.keys),
            queues=tuple(settings.pbx.queues),
            contexts=(*ours.contexts, *settings.pbx.trunk_contexts, *settings.pbx.ivr_contexts),
            trunks=tuple(settings.pbx.trunk_contexts),
            sections=lambda folder: host.sections(folder) if is_here(settings.ami.host) else None,
        ),
    )
    inside = pbx.inside if isinstance(pbx, PbxSeen) else None
    machine = await asyncio.to_thread(
        host.examine,
        config=config,
        ami_host=settings.ami.host,
        ami_ports=[settings.ami.port, *([inside.files.port] if inside and inside.files else [])],
        ami_user=USER_FILE,
        config_dir=inside.config_dir if inside else "",
        state_dir=settings.state_dir,
        queue_log=settings.pbx.queue_log,
        running={half: changed(told, settings) for half, told in running(settings.state_dir).items()},
        data_dir=inside.data_dir if inside else "",
        prompts={
            language: (*names, *([CONTACT] if settings.citizen.contact else []))
            for language, names in catalogue.prompts().items()
        },
    )
    return pbx, machine


async def _redis(settings: Settings) -> RedisSeen | NotSeen:
    client = connect(redis_url(settings))
    try:
        return await redis.examine(client, settings.site, settings.privacy.keep_calls)
    finally:
        await client.aclose()


def _wanted(settings: Settings, config: Path) -> Wanted:
    pbx, metrics = settings.pbx, settings.metrics
    return Wanted(
        config=str(config),
        ami=f"{settings.ami.host}:{settings.ami.port}",
        ami_host=settings.ami.host,
        username=settings.ami.username,
        secret=settings.ami.secret.get_secret_value(),
        trunk_contexts=tuple(pbx.trunk_contexts),
        numbers=tuple(pbx.numbers),
        ivr_contexts=tuple(pbx.ivr_contexts),
        queues=tuple(pbx.queues),
        queue_log=pbx.queue_log,
        agi_host=settings.agi.host,
        agi_port=settings.agi.port,
        deadline=settings.agi.deadline_ms,
        metrics=f"http://{metrics.host}:{metrics.port}/metrics",
        redis=masked(settings.redis.url.get_secret_value()),
        embedded=settings.embedded_redis,
        database=""
        if settings.embedded_database
        else masked_database(settings.database.url.get_secret_value()),
        state_dir=str(settings.state_dir),
        mode=settings.mode,
        spoken=settings.confirm == VOICE,
        held=Mode.OFF if held_off(settings) else None,
        ami_port=settings.ami.port,
        console=f"{settings.console.host}:{settings.console.port}",
        console_address=settings.console.address,
        console_tls=bool(settings.console.tls_cert),
        console_proxied=bool(settings.console.trusted_proxies),
        screen_metrics=f"http://{metrics.host}:{metrics.screen_port}/metrics"
        if metrics.screen_port != metrics.port
        else "",
        keep_calls=settings.privacy.keep_calls,
        unattested=settings.policy.trust.unattested,
        trunk_burst=settings.policy.trust.burst,
    )


def shipped() -> Shipped:
    """Read the files we ship."""
    return Shipped(
        contexts=parse(catalogue.text("asterisk/extensions_siaga112.conf")),
        filters=_values(catalogue.text("asterisk/manager.d/siaga112.conf"), "eventfilter = "),
        keys={
            line.partition("=>")[0].strip(): line.partition("=>")[2].strip()
            for line in catalogue.text("asterisk/features_siaga112.conf").splitlines()
            if line.startswith("siaga112-")
        },
    )


def _values(text: str, beginning: str) -> tuple[str, ...]:
    return tuple(line.removeprefix(beginning) for line in text.splitlines() if line.startswith(beginning))
