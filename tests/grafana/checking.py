"""Every panel's and every variable's query, tried on a real Prometheus."""

import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

from config.grafana.house import SOURCE
from tests.grafana.asking import View, load, panels, queries, variables
from tests.lab.prometheus import Found, RefusedError


@dataclass(frozen=True, slots=True)
class Tried:
    """One panel or variable: how many queries it has, and what is wrong with them."""

    dashboard: str
    title: str
    queries: int
    faults: tuple[str, ...]


def _nothing(found: list[Found]) -> bool:
    return all(math.isnan(value) for series in found for _, value in series.samples)


async def check(name: str, view: View) -> AsyncIterator[Tried]:
    """Ask all that a dashboard asks."""
    dashboard = load(name)
    for variable in variables(dashboard):
        values = await view.values(variable)
        faults = () if values else (f"nothing to choose from: {variable.query}",)
        yield Tried(name, f"${variable.name}", 1, faults)
    for panel in panels(dashboard):
        wrong = []
        asked = queries(panel)
        if not asked:
            wrong.append("no query")
        for query in asked:
            if query.datasource is None or query.datasource.uid != SOURCE.uid:
                wrong.append(f"not of the data source chosen: {query.expr}")
            try:
                if _nothing(await view.ask(panel, query)):
                    wrong.append(f"nothing for {query.expr}")
            except (RefusedError, ValueError) as error:
                wrong.append(f"{error} in {query.expr}")
        yield Tried(name, str(panel.title), len(asked), tuple(wrong))
