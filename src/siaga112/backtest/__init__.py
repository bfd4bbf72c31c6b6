"""Past calls, as the files that a centre already has tell them: queue_log, CEL, CDR, our captures.

`columns` recognises a file; `cel`, `cdr` and `queue` turn its rows into calls, with facts, for the one
classifier; `history` collects the calls of all files; `backtest` runs policies over them.
"""
