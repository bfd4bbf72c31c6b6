"""Write each dashboard's JSON: `python -m config.grafana`."""

from config.grafana import health, misuse, wall
from config.grafana.board import WRITTEN, written

if __name__ == "__main__":
    for name, module in (("wall", wall), ("misuse", misuse), ("health", health)):
        (WRITTEN / f"{name}.json").write_text(written(module.dashboard()), "utf-8")
