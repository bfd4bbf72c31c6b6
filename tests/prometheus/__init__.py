"""The rules and alerts of config/prometheus, tested with Prometheus's own tools."""
