"""A panel with Prometheus' answers, read as Grafana reads it: names, colours, figures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from grafana_foundation_sdk.models.dashboard import Panel

from tests.grafana.asking import legend, queries
from tests.grafana.style import PALETTE, color, figure
from tests.lab.prometheus import Found, Samples


@dataclass(frozen=True, slots=True)
class Series:
    """A series with the name and colour in which it is shown. `own`: the panel sets the colour."""

    name: str
    color: str
    own: bool
    dashed: bool
    samples: Samples

    @property
    def last(self) -> float:
        """The last value that is not NaN, as `lastNotNull` takes it."""
        return next((value for _, value in reversed(self.samples) if not math.isnan(value)), math.nan)


@dataclass(frozen=True, slots=True)
class Shown:
    """A panel, the answer to each of its queries, and the time span."""

    panel: Panel
    found: Sequence[list[Found]]
    since: float
    until: float
    step: float
    zone: ZoneInfo

    @property
    def kind(self) -> str:
        """The kind of panel."""
        return self.panel.type_val

    @property
    def options(self) -> Any:
        """The options of this kind of panel."""
        return self.panel.options

    @property
    def defaults(self) -> Any:
        """The settings for every series."""
        assert self.panel.field_config
        return self.panel.field_config.defaults

    @property
    def looks(self) -> Mapping[str, Mapping[str, Any]]:
        """The settings for series of a name."""
        assert self.panel.field_config
        looks: dict[str, dict[str, Any]] = {}
        for override in self.panel.field_config.overrides:
            settings = {one.id_val: one.value for one in override.properties}
            looks.setdefault(str(override.matcher.options), {}).update(settings)
        return looks

    def series(self) -> list[Series]:
        """Return all series with names and colours: first those that the panel knows, in its order."""
        looks = self.looks
        order = {name: number for number, name in enumerate(looks)}
        found = [
            (legend(query, one), one.samples)
            for query, answer in zip(queries(self.panel), self.found, strict=True)
            for one in sorted(answer, key=lambda one: sorted(one.labels.items()))
        ]
        found.sort(key=lambda pair: order.get(pair[0], len(order)))
        palette = iter(PALETTE * 9)
        shown = []
        for name, samples in found:
            look = looks.get(name, {})
            own = "color" in look
            tint = color(look["color"]["fixedColor"]) if own else next(palette)
            shown.append(
                Series(look.get("displayName", name), tint, own, "custom.lineStyle" in look, samples)
            )
        return shown

    def tint(self, series: Series) -> str:
        """Return a figure's colour: its own, its mapping's, or that of the threshold it has reached."""
        if series.own:
            return series.color
        if mapped := self._mapped(series.last):
            return color(mapped.color)
        reached = [
            step.color
            for step in self.defaults.thresholds.steps
            if step.value is None or step.value <= series.last
        ]
        return color(reached[-1])

    def written(self, series: Series) -> str:
        """Return a series' last value as text."""
        if mapped := self._mapped(series.last):
            return str(mapped.text)
        return figure(series.last, self.defaults.unit, self.defaults.decimals)

    def _mapped(self, value: float) -> Any:
        """Return the word and colour that stand for a value, if any."""
        for mapping in self.defaults.mappings or []:
            if found := mapping.options.get(f"{value:g}"):
                return found
        return None
