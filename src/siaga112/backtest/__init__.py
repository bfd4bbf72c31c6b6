"""Reads past calls from the files that a centre already has: queue_log, CEL, CDR, our captures.

`columns` recognises a file; `cel`, `cdr` and `queue_log` turn its rows into calls with facts, for the one
classifier; `history` collects the calls of all files; `simulation` runs policies over them.
"""
