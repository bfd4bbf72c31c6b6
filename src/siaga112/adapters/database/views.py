"""Views to read with `sqlite3`, `psql`, Grafana or Metabase: readable times, masked numbers.

Grant a read-only user these views and not the tables: no view shows a whole number.
"""

from collections.abc import Iterator
from typing import Final

_WORDS: Final = {
    "sqlite": {
        "time": "datetime({0} / 1000, 'unixepoch')",
        "day": "date({0} / 1000, 'unixepoch')",
        "now": "CAST(strftime('%s', 'now') AS INTEGER) * 1000",
    },
    "postgresql": {
        "time": "to_timestamp({0} / 1000.0)",
        "day": "(to_timestamp({0} / 1000.0) AT TIME ZONE 'UTC')::date",
        "now": "(extract(epoch FROM now()) * 1000)::bigint",
    },
}

_MASKED: Final = "substr({0}, 1, 6) || '****' || substr({0}, length({0}) - 2)"

_VIEWS: Final = {
    "calls": """
        SELECT site.name AS site, call.id AS call, {started} AS started, {ended} AS ended,
               {caller} AS caller, outcome, reason, queue, verdict, mark, operator, handed_to,
               kind, district, strike, spared,
               ivr / 1000.0 AS ivr_seconds, wait / 1000.0 AS wait_seconds, ring / 1000.0 AS ring_seconds,
               talk / 1000.0 AS talk_seconds, trunk
        FROM call JOIN site ON site.id = call.site
    """,
    "blocks_now": """
        SELECT site.name AS site, {caller} AS caller, level, {since} AS since, {until} AS until, origin,
               reason, "by"
        FROM block JOIN site ON site.id = block.site
        WHERE lifted_at IS NULL AND (until IS NULL OR until > {now})
    """,
    "misuse_by_day": """
        SELECT site.name AS site, {day} AS day, count(*) AS calls,
               sum(CASE WHEN outcome = 'answered' THEN 1 ELSE 0 END) AS answered,
               sum(CASE WHEN mark = 'genuine' THEN 1 ELSE 0 END) AS genuine,
               sum(CASE WHEN outcome = 'ivr_prank' OR mark = 'prank' THEN 1 ELSE 0 END) AS pranks,
               sum(CASE WHEN strike THEN 1 ELSE 0 END) AS misuses,
               sum(CASE WHEN outcome = 'blocked' THEN 1 ELSE 0 END) AS rejected
        FROM call JOIN site ON site.id = call.site GROUP BY site.name, {day}
    """,
    "waiting_for_a_call_back": """
        SELECT site.name AS site, {caller} AS caller, count(*) AS calls, {first} AS since
        FROM missed_call JOIN site ON site.id = missed_call.site GROUP BY site.name, missed_call.caller
    """,
    "handovers": """
        SELECT site.name AS site, handover.call AS call, {handed} AS at, how, target, agency,
               (handover.at - call.started) / 1000.0 AS after_seconds, reached / 1000.0 AS reached_seconds
        FROM handover JOIN site ON site.id = handover.site
             JOIN call ON call.site = handover.site AND call.id = handover.call
    """,
    "decisions": """
        SELECT site.name AS site, {at} AS at, "by", action, detail, reason, via
        FROM audit JOIN site ON site.id = audit.site
    """,
}

NAMES: Final = tuple(_VIEWS)


def drop() -> Iterator[str]:
    """Yield the statements that drop the views, before the tables below them change."""
    for name in NAMES:
        yield f"DROP VIEW IF EXISTS {name}"


def create(dialect: str) -> Iterator[str]:
    """Yield the statements that create the views."""
    words = _WORDS[dialect]
    parts = {column: words["time"].format(column) for column in ("started", "ended", "since", "until", "at")}
    parts |= {"caller": _MASKED.format("caller"), "first": words["time"].format("min(at)")}
    parts |= {"handed": words["time"].format("handover.at")}
    parts |= {"day": words["day"].format("started"), "now": words["now"]}
    for name, text in _VIEWS.items():
        yield f"CREATE VIEW {name} AS {' '.join(text.format(**parts).split())}"
