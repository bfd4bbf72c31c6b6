"""Every panel's and every variable's query, tried on a real Prometheus."""

import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from grafana_foundation_sdk.models.dashboard import Panel
from grafana_foundation_sdk.models.prometheus import Dataquery, PromQueryFormat

from tests.grafana.asking import View, legend, load, named, panels, queries, variables
from tests.lab.prometheus import Found, RefusedError


@dataclass(frozen=True, slots=True)
class Tried:
    """One panel or variable: how many queries it has, and what is wrong with them."""

    dashboard: str
    title: str
    queries: int
    faults: tuple[str, ...]


async def check(name: str, view: View) -> AsyncIterator[Tried]:
    """Run all queries of a dashboard."""
    dashboard = load(name)
    for variable in variables(dashboard):
        values = await view.values(variable)
        wanted = {view.site} if variable.name == "site" else set()
        wrong = () if values and wanted <= set(values) else (f"{values} for {variable.query}",)
        yield Tried(name, f"${variable.name}", 1, wrong)
    for panel in panels(dashboard):
        yield Tried(name, str(panel.title), len(queries(panel)), await faults(view, panel))


async def faults(view: View, panel: Panel) -> tuple[str, ...]:
    """Return what is wrong with a panel's queries."""
    wrong: list[str] = []
    for query in queries(panel):
        try:
            found = await view.ask(panel, query)
        except (RefusedError, ValueError) as error:
            wrong.append(f"{error} in {query.expr}")
        else:
            wrong += _lacking(panel, query, found)
    return tuple(wrong)


def _lacking(panel: Panel, query: Dataquery, found: list[Found]) -> Iterator[str]:
    """Yield the fault of a query without data, or of a series for which its panel has no settings."""
    if all(math.isnan(value) for series in found for _, value in series.samples):
        yield f"nothing for {query.expr}"
    looks = named(panel)
    if looks and query.format_val != PromQueryFormat.TABLE:
        strange = {legend(query, series) for series in found} - looks
        yield from (f"no look for the series {name!r} of {query.expr}" for name in sorted(strange))


def summary(tried: list[Tried]) -> str:
    """Return how many queries were tested, and how many passed."""
    shown = [one for one in tried if not one.title.startswith("$")]
    asked = sum(one.queries for one in tried)
    passed = asked - sum(len(one.faults) for one in tried)
    return (
        f"{len(shown)} panels and {len(tried) - len(shown)} variables, "
        f"{asked} queries tested, {passed} passed"
    )
