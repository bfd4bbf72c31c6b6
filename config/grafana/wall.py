"""The wall: for the room. How it stands now, and how the last 24 hours have been."""

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from config.grafana.board import board
from config.grafana.looks import OUTCOMES, PROMISE, STAGES
from config.grafana.panels import Panel, bars, lines, mode, numbers, ranks, rows
from config.grafana.queries import TARGET, WITHIN, against, cells, now, over_time

A_DAY: Final = "A day is the 24 hours that end now: at the site's midnight, the calendar day."
SHARE: Final = "percentunit"
PRESENTED: Final = "siaga112_service_level_of_presented"
LONGEST: Final = 'max by (site) (siaga112_queue_longest_wait_seconds{site="$site"})'
OLDEST: Final = 'max by (site) (siaga112_callbacks_oldest_timestamp_seconds{site="$site"})'
PENDING: Final = 'max by (site) (siaga112_callbacks_pending{site="$site"})'


def dashboard() -> Dashboard:
    """Make it."""
    panels = (*_now(), *_service_level(), *_calls(), *_in_detail())
    return board("Wall", "The room: now, and the last 24 hours.", panels, since="now-24h", refresh="10s")


def _now() -> tuple[Panel, ...]:
    return (
        mode(3, 5),
        numbers(
            "Calls now",
            "Calls in progress, by where they are.",
            (7, 5),
            now('sum by (stage) (siaga112_calls_in_progress{site="$site"})', "{{stage}}"),
            shown=STAGES,
            named=True,
        ),
        numbers(
            "Longest wait",
            "How long the first in the queue has waited. Red: longer than [service_level] answer_within.",
            (3, 5),
            now(against(LONGEST, WITHIN, "<="), "{{promise}}"),
            unit="s",
            decimals=None,
            shown={"kept": ("in time", "semi-dark-green"), "missed": ("too long", "semi-dark-red")},
            filled=True,
        ),
        numbers(
            "Operators",
            "Operators who are logged in, by what they do.",
            (5, 5),
            now('max by (state) (siaga112_operators{site="$site"})', "{{state}}"),
            shown={
                "available": ("Available", "green"),
                "busy": ("On a call", "blue"),
                "paused": ("Paused", "orange"),
            },
            named=True,
        ),
        numbers(
            "Call-backs",
            "Callers who left before an operator answered and were not reached since: siaga112 callbacks.",
            (3, 5),
            now(PENDING),
            steps=((0, "green"), (1, "orange")),
        ),
        numbers(
            "Oldest call-back",
            "How long ago the longest waiting of them called. Red: half an hour, when an alert comes.",
            (3, 5),
            now(f"(time() - {OLDEST}) * on (site) clamp_max({PENDING}, 1)"),
            unit="s",
            decimals=None,
            steps=((0, "green"), (1, "orange"), (1800, "red")),
        ),
    )


def _service_level() -> tuple[Panel, ...]:
    return (
        numbers(
            "Service level, 24 h",
            "Of the calls that were to reach an operator (answered, abandoned, unserved), the share answered "
            f"within [service_level] answer_within. Green: at or above [service_level] target. {A_DAY}",
            (6, 8),
            now(against(f'site:{PRESENTED}:ratio1d{{site="$site"}}', TARGET), "{{promise}}"),
            unit=SHARE,
            decimals=1,
            shown=PROMISE,
            filled=True,
            named=True,
        ),
        lines(
            "Service level",
            "The same over time: of the hour and of the day before each instant, against the target.",
            (12, 8),
            over_time(f'site:{PRESENTED}:ratio1h{{site="$site"}}', "hour"),
            over_time(f'site:{PRESENTED}:ratio1d{{site="$site"}}', "day"),
            over_time(TARGET, "target"),
            unit=SHARE,
            shown={"hour": ("Hour", "blue"), "day": ("Day", "green"), "target": ("Target", "red")},
            dashed=("target",),
            least=0.5,
            most=1,
        ),
        ranks(
            "Service level by formula, 24 h",
            "Of answered: answered in time / answered. Of presented: answered in time / (answered + "
            "abandoned + unserved). Of offered: answered at any time / all calls.",
            (6, 8),
            now('site:siaga112_service_level_of_answered:ratio1d{site="$site"}', "answered"),
            now(f'site:{PRESENTED}:ratio1d{{site="$site"}}', "presented"),
            now('site:siaga112_service_level_of_offered:ratio1d{site="$site"}', "offered"),
            now(TARGET, "target"),
            unit=SHARE,
            decimals=1,
            most=1,
            shown={
                "answered": ("Of answered", "light-green"),
                "presented": ("Of presented", "green"),
                "offered": ("Of offered", "dark-green"),
                "target": ("Target", "red"),
            },
        ),
    )


def _calls() -> tuple[Panel, ...]:
    return (
        ranks(
            "Calls, 24 h",
            f"Calls that ended, each with its one outcome. {A_DAY}",
            (8, 9),
            now('sum by (outcome) (site_outcome:siaga112_calls:increase1d{site="$site"})', "{{outcome}}"),
            shown=OUTCOMES,
        ),
        bars(
            "Calls over time",
            "Calls that ended within each bar's time, by outcome.",
            (16, 9),
            ('sum by (outcome) (increase(siaga112_calls_total{site="$site"}[$__interval]))', "{{outcome}}"),
            shown=OUTCOMES,
        ),
    )


def _in_detail() -> tuple[Panel, ...]:
    wait = "siaga112_answer_wait_seconds"
    return (
        rows(
            "Shifts",
            "Calls of the last 24 hours by the shift in which they began; service level of those presented.",
            (11, 6),
            "shift",
            {
                "Answered": (cells(_of_shift("answered")), "none"),
                "Abandoned": (cells(_of_shift("abandoned")), "none"),
                "IVR-prank": (cells(_of_shift("ivr_prank")), "none"),
                "Service level": (
                    cells(f'max by (shift) (site_shift:{PRESENTED}:ratio1d{{site="$site"}})'),
                    SHARE,
                ),
            },
        ),
        rows(
            "Queues",
            "The last 24 hours by queue: service level and abandon rate of calls presented; average wait.",
            (8, 6),
            "queue",
            {
                "Service level": (
                    cells(f'max by (queue) (site_queue:{PRESENTED}:ratio1d{{site="$site"}})'),
                    SHARE,
                ),
                "Abandoned": (
                    cells('max by (queue) (site_queue:siaga112_abandoned:ratio1d{site="$site"})'),
                    SHARE,
                ),
                "Wait": (cells(f'max by (queue) (site_queue:{wait}:avg1d{{site="$site"}})'), "s"),
            },
        ),
        numbers(
            "Time to answer, 24 h",
            "Of answered calls: the average, and what 90 and 95 of 100 did not exceed (to the next bucket).",
            (5, 6),
            now(f'site:{wait}:avg1d{{site="$site"}}', "average"),
            now(f'site:{wait}:p90_1d{{site="$site"}}', "90 of 100"),
            now(f'site:{wait}:p95_1d{{site="$site"}}', "95 of 100"),
            unit="s",
            decimals=1,
            named=True,
        ),
    )


def _of_shift(outcome: str) -> str:
    calls = "site_shift_outcome:siaga112_calls:increase1d"
    return f'sum by (shift) ({calls}{{site="$site", outcome="{outcome}"}})'
