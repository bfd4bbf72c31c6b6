"""What `siaga112 top` looks with: settings → the store and the daemons' pages."""

from siaga112.adapters.redis import embedded as redis_embedded
from siaga112.adapters.redis.store import RedisStore
from siaga112.adapters.scrape import MetricsPage
from siaga112.app.records import held_off, now
from siaga112.settings.schema import Settings
from siaga112.top.probe import DaemonProbe
from siaga112.top.watching import Watcher


def open_watcher(settings: Settings, store: RedisStore) -> Watcher:
    """Make what `siaga112 top` looks with."""
    host, site = settings.metrics.host, settings.site
    return Watcher(
        store=store,
        tracking=DaemonProbe(MetricsPage(host, settings.metrics.port, site)),
        screening=DaemonProbe(MetricsPage(host, settings.metrics.screen_port, site)),
        site=site,
        zone=settings.zone,
        configured=settings.mode,
        answer_within=settings.service_level.answer_within,
        held_off=lambda: held_off(settings),
        clock=now,
        require_store=lambda: (
            redis_embedded.require_running(settings.state_dir) if settings.embedded_redis else None
        ),
    )
