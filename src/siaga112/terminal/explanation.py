"""`calls --explain`: the facts seen of a call, as lines."""

from typing import cast

from siaga112.core.model import FactKind
from siaga112.terminal import labels
from siaga112.terminal.rows import Row
from siaga112.words import Language, Tongue, tongue


def explanation(row: Row, t: Tongue | None = None) -> list[str]:
    """Return the facts of a call, and which decided its outcome; `row` is one of `rows.explained`."""
    t = t or tongue()
    caller = row["caller"] or t("withheld")
    outcome, reason = (labels.cell(name, str(row[name]), t) for name in ("outcome", "reason"))
    told = [f"{row['call']}  {caller}  {outcome}: {reason}"]
    facts, deciding = cast("list[Row]", row["facts"]), cast("list[Row]", row["deciding"])
    for seen in facts:
        decided = f"  ← {t('decided')}" if seen in deciding else ""
        kind, detail = str(seen["fact"]), str(seen["detail"])
        if t.language is not Language.EN and kind in list(FactKind):
            said = labels.seen(FactKind(kind), detail, t)
            detail = detail if said is None else said
        line = f"  {str(seen['at'])[11:23]}  {labels.cell('fact', kind, t):<15} {detail}{decided}"
        told.append(line.rstrip())
    return told
