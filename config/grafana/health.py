"""Health: whether siaga112 itself does its work, and why not."""

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from config.grafana.board import board
from config.grafana.looks import STAGES
from config.grafana.panels import Panel, bars, heat, lights, lines, mode, numbers
from config.grafana.queries import now, over_time

CAUSES: Final = {
    "store_down": ("Redis down", "red"),
    "store_error": ("Redis broken", "dark-red"),
    "deadline": ("Too slow", "orange"),
    "bad_request": ("Not our question", "yellow"),
    "internal_error": ("Our own fault", "purple"),
    "starting": ("Starting", "light-blue"),
    "stopping": ("Stopping", "blue"),
}
UP: Final = {"1": ("up", "semi-dark-green"), "0": ("DOWN", "semi-dark-red")}
UPTIME: Final = 'time() - max by (site) (siaga112_start_time_seconds{site="$site"})'
VERSION: Final = 'max by (site, version) (siaga112_build_info{site="$site"})'


def dashboard() -> Dashboard:
    """Make it."""
    panels = (*_lamps(), *_verdicts(), *_failures(), *_events())
    return board("Health", "Whether siaga112 does its work.", panels, since="now-6h", refresh="30s")


def _lamps() -> tuple[Panel, ...]:
    return (
        mode(3, 4),
        lights(
            "PBX",
            "Whether siaga112 follows the PBX (AMI). Down: calls are not counted; verdicts go on.",
            (2, 4),
            now('max by (site) (siaga112_ami_connected{site="$site"})'),
            UP,
        ),
        lights(
            "Redis",
            "Whether Redis answers every process. Down: everybody gets through.",
            (2, 4),
            now('min by (site) (siaga112_redis_up{site="$site"})'),
            UP,
        ),
        lights(
            "Database",
            "Whether the database answers. Down: verdicts go on; ended calls wait on disk.",
            (2, 4),
            now('min by (site) (siaga112_database_up{site="$site"})'),
            UP,
        ),
        numbers(
            "Last event",
            "How long ago the PBX's last event was. Long only while nobody calls.",
            (2, 4),
            now('time() - max by (site) (siaga112_ami_last_event_timestamp_seconds{site="$site"})'),
            unit="s",
            decimals=None,
            steps=((0, "green"), (600, "orange"), (3600, "red")),
        ),
        numbers(
            "Outbox",
            "Ended calls that the database does not have yet.",
            (2, 4),
            now('sum by (site) (siaga112_outbox_pending{site="$site"})'),
            steps=((0, "green"), (10, "orange"), (100, "red")),
        ),
        numbers(
            "Failing open",
            "Share of the questions of 5 minutes that got ALLOW for want of an answer. Alert: 1 %.",
            (3, 4),
            now('site:siaga112_fail_open:ratio5m{site="$site"}'),
            unit="percentunit",
            decimals=1,
            steps=((0, "green"), (0.001, "orange"), (0.01, "red")),
            none="no questions",
        ),
        numbers(
            "Verdict, 99 of 100",
            "The time within which 99 of 100 questions of 5 minutes were answered. Alert: 0.1 s.",
            (3, 4),
            now('site:siaga112_agi_duration_seconds:p99_5m{site="$site"}'),
            unit="s",
            decimals=1,
            steps=((0, "green"), (0.05, "orange"), (0.1, "red")),
            none="no questions",
        ),
        numbers(
            "Alerts",
            "Alerts of siaga112 that fire now; docs/runbook.md has a section on each.",
            (2, 4),
            now('count(ALERTS{alertstate="firing", alertname=~"Siaga112.*", site=~"$site|"}) or vector(0)'),
            steps=((0, "green"), (1, "red")),
        ),
        numbers(
            "Running for",
            "Since the daemon was started, and its version.",
            (3, 4),
            now(f"({UPTIME}) * on (site) group_left (version) {VERSION}", "version {{version}}"),
            unit="s",
            decimals=None,
            named=True,
        ),
    )


def _verdicts() -> tuple[Panel, ...]:
    duration = 'siaga112_agi_duration_seconds_bucket{site="$site"}'
    rate = f"sum by (le) (rate({duration}[$__rate_interval]))"
    return (
        heat(
            "Verdict latency",
            "How long the dialplan waited for its verdicts: the colour says how many took so long.",
            (14, 9),
            f"sum by (le) (increase({duration}[$__interval]))",
            "s",
        ),
        lines(
            "Verdict latency, 50, 95 and 99 of 100",
            "The times within which so many of 100 questions were answered (as precise as the buckets).",
            (10, 9),
            over_time(f"histogram_quantile(0.50, {rate})", "50"),
            over_time(f"histogram_quantile(0.95, {rate})", "95"),
            over_time(f"histogram_quantile(0.99, {rate})", "99"),
            unit="s",
            shown={"50": ("50", "green"), "95": ("95", "yellow"), "99": ("99", "orange")},
        ),
    )


def _failures() -> tuple[Panel, ...]:
    return (
        bars(
            "Failing open, by cause",
            "Calls let through because there was no answer, within each bar's time.",
            (8, 8),
            ('sum by (cause) (increase(siaga112_fail_open_total{site="$site"}[$__interval]))', "{{cause}}"),
            shown=CAUSES,
        ),
        lines(
            "Redis, database and outbox",
            "Whether Redis and the database answered (1 or 0), and the ended calls that waited for it.",
            (8, 8),
            over_time('min by (site) (siaga112_redis_up{site="$site"})', "redis"),
            over_time('min by (site) (siaga112_database_up{site="$site"})', "database"),
            over_time('sum by (site) (siaga112_outbox_pending{site="$site"})', "pending"),
            over_time('sum by (site) (siaga112_outbox_lost_total{site="$site"})', "lost"),
            shown={
                "redis": ("Redis up", "green"),
                "database": ("Database up", "blue"),
                "pending": ("In the outbox", "orange"),
                "lost": ("Lost since the start", "red"),
            },
            stepped=True,
        ),
        bars(
            "Calls in progress",
            "The most calls that there were at each stage within each bar's time.",
            (8, 8),
            (
                'sum by (stage) (max_over_time(siaga112_calls_in_progress{site="$site"}[$__interval]))',
                "{{stage}}",
            ),
            shown=STAGES,
        ),
    )


def _events() -> tuple[Panel, ...]:
    return (
        lines(
            "AMI events per second",
            "Events from the PBX, by name.",
            (14, 8),
            over_time(
                'sum by (event) (rate(siaga112_ami_events_total{site="$site"}[$__rate_interval])) > 0',
                "{{event}}",
            ),
            unit="eps",
        ),
        bars(
            "AMI interruptions",
            "New attempts to connect by cause, stretches of events not seen, messages thrown away by kind.",
            (10, 8),
            (
                'sum by (cause) (increase(siaga112_ami_reconnects_total{site="$site"}[$__interval]))',
                "reconnect: {{cause}}",
            ),
            ('sum by (site) (increase(siaga112_ami_gaps_total{site="$site"}[$__interval]))', "gap"),
            (
                'sum by (kind) (increase(siaga112_ami_malformed_total{site="$site"}[$__interval]))',
                "malformed: {{kind}}",
            ),
        ),
    )
