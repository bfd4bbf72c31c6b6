"""Write each dashboard's JSON beside its code: `python -m config.grafana`."""

from config.grafana import health, misuse, wall
from config.grafana.board import FOLDER, written

if __name__ == "__main__":
    for name, module in (("wall", wall), ("misuse", misuse), ("health", health)):
        (FOLDER / f"{name}.json").write_text(written(module.dashboard()), "utf-8")
