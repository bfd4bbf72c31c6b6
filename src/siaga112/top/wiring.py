"""Wire `siaga112 top`: from the settings to the store and the daemons' pages."""

from siaga112.adapters.scrape import MetricsPage
from siaga112.app.records import held_off, now, require_running
from siaga112.service.ports import Store
from siaga112.settings.schema import Settings
from siaga112.top.probe import DaemonProbe
from siaga112.top.watching import Watcher


def open_watcher(settings: Settings, store: Store) -> Watcher:
    """Return the watcher for `siaga112 top`."""
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
        require_store=lambda: require_running(settings),
    )
