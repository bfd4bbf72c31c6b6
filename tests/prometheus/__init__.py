"""The rules and alerts of config/prometheus, tried by Prometheus' own tool."""
