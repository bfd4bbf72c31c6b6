"""Print the metrics' tables of docs/reference.md: `python -m tests.prometheus.reference`."""

from prometheus_client import CollectorRegistry

from siaga112.doctor.watch import Findings
from tests.adapters.figures import SITE, full

HEADER = "| metric | type | labels | is |\n|---|---|---|---|\n"


def found() -> Findings:
    """Return what the doctor shows after an examination."""
    findings = Findings(SITE)
    findings.show([], 0, 0)
    return findings


def table(registry: CollectorRegistry) -> str:
    """Return a table with one row per metric, as the registry declares it."""
    rows = []
    for family in registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"site", "le"})
        told = ", ".join(f"`{label}`" for label in labels)
        rows.append(f"| `{name}` | {family.type} | {told} | {family.documentation} |\n")
    return HEADER + "".join(sorted(rows))


if __name__ == "__main__":
    print(table(full().registry), table(found().registry), sep="\n", end="")
