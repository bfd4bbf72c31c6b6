"""Print the metrics' table of docs/reference.md: `python -m tests.prometheus.reference`."""

from tests.adapters.figures import full

HEADER = "| metric | type | labels | is |\n|---|---|---|---|\n"


def table() -> str:
    """Write one row per metric, as the registry declares it."""
    rows = []
    for family in full().registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"site", "le"})
        told = ", ".join(f"`{label}`" for label in labels)
        rows.append(f"| `{name}` | {family.type} | {told} | {family.documentation} |\n")
    return HEADER + "".join(sorted(rows))


if __name__ == "__main__":
    print(table(), end="")
