"""Grafana dashboards as code: wall, misuse, health. `make dashboards` writes their JSON."""
