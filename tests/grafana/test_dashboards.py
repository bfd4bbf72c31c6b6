"""The dashboards' JSON: what the code makes, complete, and about metrics that exist."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from config.grafana import health, misuse, wall
from config.grafana.board import FOLDER, WRITTEN, written
from config.grafana.queries import SOURCE
from tests.adapters.figures import full
from tests.grafana.asking import NAMES, View, load, panels, place, queries, variables

CODE: Final = {"wall": wall.dashboard, "misuse": misuse.dashboard, "health": health.dashboard}
ALL: Final = [(name, panel) for name in NAMES for panel in panels(load(name))]
EACH: Final = pytest.mark.parametrize("name", NAMES)


def known_names() -> set[str]:
    """Return the names of all series that a daemon exports or a rule records."""
    rules = yaml.safe_load((FOLDER.parent / "prometheus" / "siaga112.rules.yml").read_text("utf-8"))
    shown = {sample.name for family in full().registry.collect() for sample in family.samples}
    return shown | {rule["record"] for group in rules["groups"] for rule in group["rules"]}


@EACH
def test_the_json_is_what_the_code_makes(name: str) -> None:
    """Each JSON file is what the code makes: `make dashboards` was run after the last change."""
    assert (WRITTEN / f"{name}.json").read_text("utf-8") == written(CODE[name]())


@EACH
def test_the_json_reads_and_writes_through_the_types(name: str) -> None:
    """Each JSON file survives the SDK's types unchanged, so nothing in it is unknown to them."""
    assert written(load(name)) == (WRITTEN / f"{name}.json").read_text("utf-8")


def test_there_is_no_other_json() -> None:
    """The folder has no other JSON file, because Grafana would read it."""
    assert {path.stem for path in WRITTEN.glob("*.json")} == set(NAMES)


@EACH
def test_a_dashboard_is_found_at_a_fixed_place(name: str) -> None:
    """A dashboard has a fixed uid and no id, and cannot be edited in Grafana."""
    dashboard = load(name)
    assert (dashboard.uid, dashboard.id_val, dashboard.editable) == (f"siaga112-{name}", None, False)


@EACH
def test_a_dashboard_lets_one_choose_data_source_and_site(name: str) -> None:
    """A dashboard's variables are data source and site, and every panel uses both."""
    dashboard = load(name)
    assert [variable.name for variable in variables(dashboard)] == ["datasource", "site"]
    for panel in panels(dashboard):
        assert panel.datasource
        assert panel.datasource.uid == SOURCE.uid
        for query in queries(panel):
            selectors = re.findall(r"siaga112_\w+(?::\w+)?(\{[^}]*\})?", query.expr)
            assert selectors == [] or all('site="$site"' in selector for selector in selectors), query.expr


@EACH
def test_panels_fill_the_grid_without_gaps(name: str) -> None:
    """Each row of panels is 24 columns wide, and no panel lies on another."""
    taken = [
        (x, y)
        for left, top, width, height in map(place, panels(load(name)))
        for x in range(left, left + width)
        for y in range(top, top + height)
    ]
    assert len(taken) == len(set(taken))
    assert set(taken) == {(x, y) for x in range(24) for y in range(max(y for _, y in taken) + 1)}


def units(panel: Any) -> list[object]:
    """Return the unit of each figure that a panel shows, None for one without."""
    match panel.type_val:
        case "heatmap":
            return [panel.options.y_axis.unit]
        case "table":
            columns = [{p.id_val: p.value for p in one.properties} for one in panel.field_config.overrides]
            assert len(columns) == len(queries(panel))
            return [column.get("unit") for column in columns]
        case _:
            return [panel.field_config.defaults.unit]


@pytest.mark.parametrize(("name", "panel"), ALL, ids=lambda part: getattr(part, "title", part))
def test_a_panel_explains_itself(name: str, panel: Any) -> None:
    """Every panel has a title, a description, a query and a unit (in a table: each column)."""
    assert panel.title
    assert panel.description
    assert panel.description.endswith("."), name
    assert queries(panel)
    assert all(units(panel)), panel.title


def test_titles_and_ids_are_unique() -> None:
    """Within a dashboard no two panels have the same title or id."""
    for name in NAMES:
        titles = [panel.title for where, panel in ALL if where == name]
        ids = [panel.id_val for where, panel in ALL if where == name]
        assert len(set(titles)) == len(titles)
        assert len(set(ids)) == len(ids)


def test_queries_read_only_series_that_there_are() -> None:
    """Every name in a query is exported by a daemon or recorded by a rule."""
    known = known_names()
    for _, panel in ALL:
        for query in queries(panel):
            names = set(re.findall(r"[\w:]*siaga112_[\w:]+", query.expr))
            assert names <= known, query.expr


def test_counts_over_a_day_are_recorded_ones() -> None:
    """No panel sums up hours or days itself; it reads what a rule has recorded."""
    for _, panel in ALL:
        for query in queries(panel):
            assert not re.search(r"\[\d+[hd]\]", query.expr), query.expr


def test_variables_are_put_in_as_grafana_does() -> None:
    """24 hours on 30 points are steps of an hour, and a rate looks back one scrape further."""
    view = View(None, "lab", since=0, until=86_400, scrape=15)  # type: ignore[arg-type]  # nothing is asked
    over_time = next(panel for _, panel in ALL if panel.title == "Calls over time")
    assert view.step(over_time) == 3_600
    text = 'rate(x{site="$site"}[$__rate_interval]) + y[$__interval] + z[${__range}]'
    assert view.written(text, 3_600) == 'rate(x{site="lab"}[3615s]) + y[3600s] + z[86400s]'
    with pytest.raises(ValueError, match=r"\$nowhere"):
        view.written("$nowhere", 15)


def test_provisioning_points_at_what_is_there() -> None:
    """The data source has our Prometheus' scrape interval, and the JSON's folder is the documented one."""
    folder = FOLDER / "provisioning"
    source = read(folder / "datasources" / "siaga112.yaml")["datasources"][0]
    prometheus = read(FOLDER.parent / "prometheus" / "prometheus.yml")
    assert source["type"] == SOURCE.type_val
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    provider = read(folder / "dashboards" / "siaga112.yaml")["providers"][0]
    assert provider["options"]["path"] in (FOLDER.parents[1] / "docs" / "dashboards.md").read_text("utf-8")


def read(path: Path) -> Any:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text("utf-8"))


def test_the_page_says_how_much_is_tested() -> None:
    """docs/dashboards.md has the last line that the check prints."""
    asked = [query for _, panel in ALL for query in queries(panel)]
    choices = [variable for name in NAMES for variable in variables(load(name))]
    count = len(asked) + len(choices)
    line = f"{len(ALL)} panels and {len(choices)} variables, {count} queries tested, {count} passed"
    assert line in (FOLDER.parents[1] / "docs" / "dashboards.md").read_text("utf-8")
