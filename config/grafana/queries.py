"""What is asked of Prometheus, and how."""

from typing import Final, Literal

from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
TARGET: Final = 'max by (site) (siaga112_service_level_target_ratio{site="$site"})'
MODE: Final = " + ".join(
    f'{weight} * max by (site) (siaga112_mode{{site="$site", mode="{mode}"}})'
    for mode, weight in {"observe": 1, "enforce": 2}.items()
)
"""0 off, 1 observe, 2 enforce; 3 while one process has switched and another has not yet."""
WITHIN: Final = 'max by (site) (siaga112_service_level_answer_within_seconds{site="$site"})'


def against(value: str, promise: str, kept: Literal[">=", "<="] = ">=") -> str:
    """Return the value as one series; its label `promise` says whether it is kept or missed.

    So that its colour can follow a promise that is itself a metric: Grafana's thresholds are fixed figures.
    """
    missed = {">=": "<", "<=": ">"}[kept]
    return (
        f'label_replace({value} {kept} on (site) {promise}, "promise", "kept", "", "")'
        f' or label_replace({value} {missed} on (site) {promise}, "promise", "missed", "", "")'
    )


def now(expression: str, legend: str = "__auto") -> Dataquery:
    """Ask for the present value."""
    return Dataquery().expr(expression).instant().legend_format(legend)


def over_time(expression: str, legend: str = "__auto") -> Dataquery:
    """Ask for the values over the dashboard's time."""
    return Dataquery().expr(expression).range().legend_format(legend)


def cells(expression: str) -> Dataquery:
    """Ask for the present values as rows of a table."""
    return now(expression).format(PromQueryFormat.TABLE)
