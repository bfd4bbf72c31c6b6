"""Misuse: what the pranks are, what is done about them, and whether that hit anybody in need."""

from typing import Final

from grafana_foundation_sdk.models.dashboard import Dashboard

from config.grafana.board import board
from config.grafana.looks import LEVELS, OUTCOMES
from config.grafana.panels import Panel, bars, lines, mode, numbers, ranks
from config.grafana.queries import now, over_time

MARKS: Final = {
    "genuine": ("Genuine", "green"),
    "information": ("Information", "blue"),
    "prank": ("Prank", "orange"),
}
VERDICTS: Final = {
    "not_blocked": ("Not blocked", "green"),
    "allow_listed": ("Allow-listed", "dark-green"),
    "withheld": ("Withheld number", "#8e8e8e"),
    "blocked": ("Blocked", "blue"),
    "would_block": ("Would block", "light-blue"),
    "let_through": ("Let through", "yellow"),
}
TREATMENTS: Final = {
    "reject": ("Reject", "red"),
    "announce": ("Announce", "orange"),
    "challenge": ("Challenge", "yellow"),
    "deprioritise": ("Serve last", "blue"),
}


def dashboard() -> Dashboard:
    """Make it."""
    panels = (*_at_a_glance(), *_kinds(), *_measures(), *_answers(), *_effects())
    return board("Misuse", "What the pranks are, and what is done about them.", panels,
                 since="now-30d", refresh="1m")  # fmt: skip


def _at_a_glance() -> tuple[Panel, ...]:
    return (
        mode(3, 4),
        numbers(
            "Strikes, 24 h",
            "Misuses held against callers within the last 24 hours.",
            (3, 4),
            now('sum by (site) (site_outcome:siaga112_strikes:increase1d{site="$site"})'),
        ),
        numbers(
            "Blocks, 24 h",
            "Blocks imposed within the last 24 hours, by level.",
            (4, 4),
            now(
                'sum by (level) (site_level_origin:siaga112_blocks_imposed:increase1d{site="$site"})',
                "{{level}}",
            ),
            shown=LEVELS,
            named=True,
        ),
        numbers(
            "Blocks in force",
            "Callers who are blocked now, by level (siaga112 blocks).",
            (4, 4),
            now('max by (level) (siaga112_blocks_active{site="$site"})', "{{level}}"),
            shown=LEVELS,
            named=True,
        ),
        numbers(
            "Proposals",
            "Blocks that wait for a supervisor's decision (siaga112 blocks --proposed).",
            (3, 4),
            now('max by (site) (siaga112_blocks_proposed{site="$site"})'),
            steps=((0, "green"), (1, "orange")),
        ),
        numbers(
            "Blocked, then genuine, 24 h",
            "Calls marked genuine whose callers had been blocked before. Each is one too many: siaga112 why.",
            (4, 4),
            now('site:siaga112_blocked_then_genuine:increase1d{site="$site"}'),
            steps=((0, "green"), (0.5, "red")),
        ),
        numbers(
            "Genuine per 1,000",
            "Of a thousand calls of the last 24 hours, how many an operator marked as genuine.",
            (3, 4),
            now('site:siaga112_genuine:per_thousand1d{site="$site"}'),
            decimals=1,
        ),
    )


def _kinds() -> tuple[Panel, ...]:
    calls = "site_outcome:siaga112_calls:increase1d"
    misuse = f'{calls}{{site="$site", outcome=~"ivr_prank|abandoned"}}'
    marks = 'site_mark:siaga112_marks:increase1d{site="$site", mark="prank"}'
    return (
        bars(
            "Calls by category",
            "Calls that ended within each bar's time, by outcome.",
            (16, 9),
            ('sum by (outcome) (increase(siaga112_calls_total{site="$site"}[$__interval]))', "{{outcome}}"),
            shown=OUTCOMES,
        ),
        ranks(
            "Three kinds of misuse, 24 h",
            "Ended in the voice menu; left before an operator answered (may be real: no strike by default); "
            "answered, and marked a prank.",
            (8, 9),
            now(f"sum by (outcome) ({misuse})", "{{outcome}}"),
            now(f"max by (mark) ({marks})", "marked"),
            shown={
                **{kind: OUTCOMES[kind] for kind in ("ivr_prank", "abandoned")},
                "marked": ("Answered, a prank", "yellow"),
            },
        ),
    )


def _measures() -> tuple[Panel, ...]:
    imposed = 'increase(siaga112_blocks_imposed_total{site="$site"}[$__interval])'
    return (
        bars(
            "Strikes",
            "Strikes given within each bar's time, by the outcome of the call (answered: marked a prank).",
            (8, 8),
            (
                'max by (outcome) (increase(siaga112_strikes_total{site="$site"}[$__interval]))',
                "{{outcome}}",
            ),
            shown=OUTCOMES,
        ),
        bars(
            "Blocks imposed",
            "Blocks imposed within each bar's time, by level and by whom.",
            (8, 8),
            (f"max by (level, origin) ({imposed})", "{{level}}, {{origin}}"),
            shown={
                "temporary, automatic": ("Temporary", "light-blue"),
                "permanent, automatic": ("Permanent", "dark-blue"),
                "temporary, manual": ("Temporary, by a person", "yellow"),
                "permanent, manual": ("Permanent, by a person", "orange"),
            },
        ),
        lines(
            "Blocks in force over time",
            "Callers who were blocked at each instant, by level.",
            (8, 8),
            over_time('max by (level) (siaga112_blocks_active{site="$site"})', "{{level}}"),
            shown=LEVELS,
            stepped=True,
        ),
    )


def _answers() -> tuple[Panel, ...]:
    reasons = f'site="$site", reason=~"{"|".join(VERDICTS)}"'
    return (
        bars(
            "Verdicts",
            "Answers to the dialplan's question within each bar's time, by reason. The dashboard Health has "
            "those that failed open.",
            (10, 8),
            (
                f"sum by (reason) (increase(siaga112_agi_verdicts_total{{{reasons}}}[$__interval]))",
                "{{reason}}",
            ),
            shown=VERDICTS,
        ),
        bars(
            "Treatments",
            "What the dialplan did with blocked callers' calls within each bar's time.",
            (7, 8),
            (
                'sum by (treatment) (increase(siaga112_treatments_total{site="$site"}[$__interval]))',
                "{{treatment}}",
            ),
            shown=TREATMENTS,
        ),
        bars(
            "Operators' marks",
            "What operators said of answered calls within each bar's time.",
            (7, 8),
            ('max by (mark) (increase(siaga112_marks_total{site="$site"}[$__interval]))', "{{mark}}"),
            shown=MARKS,
        ),
    )


def _effects() -> tuple[Panel, ...]:
    return (
        lines(
            "Shares",
            "IVR-pranks of all calls of a day; calls of an hour without a number that could be blocked.",
            (10, 8),
            over_time('site:siaga112_ivr_prank:ratio1d{site="$site"}', "ivr"),
            over_time('site:siaga112_withheld:ratio1h{site="$site"}', "withheld"),
            unit="percentunit",
            most=1,
            shown={"ivr": ("IVR-prank, day", "purple"), "withheld": ("Withheld number, hour", "#8e8e8e")},
        ),
        lines(
            "Operators' time saved, a day",
            "Calls rejected within the day before each instant, times what a call that earned a strike cost "
            "on average over 30 days, in seconds of an operator's talk.",
            (7, 8),
            over_time('site:siaga112_misuse_saved_operator_seconds:increase1d{site="$site"}', "saved"),
            unit="s",
            shown={"saved": ("Saved", "green")},
        ),
        bars(
            "Blocked, then genuine",
            "Calls marked genuine whose callers had been blocked before, within each bar's time.",
            (7, 8),
            (
                'max by (site) (increase(siaga112_blocked_then_genuine_total{site="$site"}[$__interval]))',
                "genuine",
            ),
            shown={"genuine": ("Genuine calls", "red")},
        ),
    )
