"""The dashboards of config/grafana: every query tried on a real Prometheus, every panel drawn."""
