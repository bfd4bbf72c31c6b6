"""The two flows, async but without drivers: events come in (pipeline), verdicts go out (screening)."""
