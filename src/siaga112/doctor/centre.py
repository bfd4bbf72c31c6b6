"""Checks of the centre: queues, operators, their keys, and prompts."""

from collections.abc import Iterator
from typing import Final

from siaga112.doctor.lines import Line, fail, ok, unchecked, unread, warn
from siaga112.doctor.observations import (
    UNREACHED,
    Contexts,
    Examined,
    Member,
    PbxFiles,
    PbxInside,
    PbxSeen,
    Shipped,
    Step,
    Wanted,
)

OPERATOR: Final = "siaga112-operator"
"""Our context that gives an operator's leg its keys."""

CONTACT: Final = "siaga112/contact"
"""The centre's own prompt: where a blocked caller can object, if `[citizen] contact` is set."""

_FREEPBX: Final = "VQ_GOSUB"
"""The channel variable that FreePBX passes as the Gosub of Queue()."""
_QGOSUB: Final = "QGOSUB"


def queues(pbx: PbxSeen, wanted: Wanted) -> Iterator[Line]:
    """Check the configured queues, and how their operators are reached."""
    if pbx.queues is None:
        yield unchecked("the PBX does not tell its queues (app_queue is not loaded, or it has none)")
        return
    for name in wanted.queues:
        members = pbx.queues.get(name)
        if members is None:
            known = ", ".join(pbx.queues) or "none"
            yield fail(
                f"the PBX has no queue {name} (it has: {known})",
                f"in [pbx] of {wanted.config}: queues = as in queues.conf",
            )
            continue
        plain = [one.place for one in members if _loses_keys(one.place)]
        if plain:
            yield warn(
                f"operators of {name} as {plain[0]}: the operator's keys are lost with such a channel",
                wanted.places.member.format(queue=name, line=f"{plain[0]}/n"),
            )
        else:
            yield ok(f"queue {name}, {len(members)} operator{'' if len(members) == 1 else 's'} logged in")


def _loses_keys(place: str) -> bool:
    return place.startswith("Local/") and "n" not in place.removeprefix("Local/").partition("/")[2]


def phones(pbx: PbxSeen, wanted: Wanted) -> Iterator[Line]:
    """Check that the phones of the logged-in operators can be rung."""
    here = {name: members for name in wanted.queues if (members := (pbx.queues or {}).get(name)) is not None}
    if not here:
        yield unchecked("the PBX shows none of our queues")
    for queue, members in here.items():
        away = [one for one in members if one.state in UNREACHED]
        hidden = [one for one in members if one.state is None]
        if not members:
            yield warn(
                f"nobody is logged in to {queue}: callers wait for nobody",
                f"operators log in; or {wanted.places.member.format(queue=queue, line='PJSIP/101,0,NAME')}",
            )
        elif away:
            none = "; nobody else is there" if len(away) == len(members) else ""
            yield warn(
                f"logged in to {queue}, but the phone cannot be reached: "
                f"{', '.join(_named(one) for one in away)}{none}",
                "is the phone on, and registered? on the PBX: asterisk -rx 'pjsip show contacts' (chan_sip: "
                f"'sip show peers'); who is not there: asterisk -rx 'queue remove member {away[0].place} "
                f"from {queue}'",
            )
        elif all(one.paused for one in members):
            yield warn(
                f"all who are logged in to {queue} are paused: {', '.join(one.name for one in members)}",
                f"on the PBX: asterisk -rx 'queue show {queue}' says since when; operators end their pause",
            )
        if hidden:
            yield unchecked(
                f"the PBX does not show the phone behind {hidden[0].place}",
                wanted.places.member.format(queue=queue, line=f"{hidden[0].place},0,NAME,PJSIP/101"),
            )
        elif members and not away and not all(one.paused for one in members):
            yield ok(f"all who are logged in to {queue} can be rung")


def _named(member: Member) -> str:
    return member.name if member.name == member.place else f"{member.name} ({member.place})"


def keys(files: PbxFiles, wanted: Wanted, shipped: Shipped) -> Iterator[Line]:
    """Check the operator's keys in features.conf."""
    missing = [name for name in shipped.keys if not files.keys.get(name)]
    if missing:
        yield warn(
            f"operators cannot mark calls: features.conf [applicationmap] lacks {', '.join(missing)}",
            wanted.places.keys,
        )
    elif strange := [name for name, does in shipped.keys.items() if not _same(files.keys[name], does)]:
        yield warn(
            f"features.conf has {strange[0]} => {files.keys[strange[0]]}, which is not of this version",
            f"{strange[0]} => {shipped.keys[strange[0]]} (siaga112 files asterisk --to /etc/asterisk --diff)",
        )
    else:
        yield ok("the operators' keys are in features.conf")


def _same(theirs: str, ours: str) -> bool:
    """Compare what a key does; the key itself is the centre's choice."""
    return [part.strip() for part in theirs.split(",")][1:] == [part.strip() for part in ours.split(",")][1:]


def keys_in_queues(_: PbxSeen, inside: PbxInside, wanted: Wanted, shipped: Shipped) -> Iterator[Line]:
    """Check that operators connected by a queue get the keys: from the queue, or from Queue() itself."""
    if inside.files is None:
        yield unread()
        return
    for queue in wanted.queues:
        gosub = inside.files.member_gosubs.get(queue, "")
        context = gosub.partition(",")[0]
        if context == OPERATOR or _gives_keys(inside.contexts, context, shipped):
            yield ok(f"operators of {queue} get their keys: membergosub = {gosub}")
        elif any(_queues_with_keys(step, queue) for step in _steps(inside.contexts)):
            yield ok(f"operators of {queue} get their keys: Queue() with {OPERATOR}")
        elif _handed_on(inside.contexts, queue):
            yield ok(f"operators of {queue} get their keys: {_FREEPBX}={OPERATOR}, which goes to Queue()")
        elif gosub:
            yield warn(
                f"operators of {queue} have no keys to mark calls: membergosub = {gosub} gives them none",
                f"{wanted.places.dialplan} [{context}], before Return(): same => n,Gosub({OPERATOR},s,1)",
            )
        else:
            yield warn(
                f"operators of {queue} have no keys to mark calls: queues.conf [{queue}] has no membergosub",
                wanted.places.queue_keys.format(queue),
            )


def marks_confirmed(_: PbxSeen, inside: PbxInside, wanted: Wanted, __: Shipped) -> Iterator[Line]:
    """Compare the configured confirmation of marks with the dialplan's."""
    spoken = inside.confirm == "voice"
    if spoken == wanted.spoken:
        yield ok("marks are spoken to the operator" if spoken else "marks are confirmed by beeps")
    elif wanted.spoken:
        yield warn(
            "marks are confirmed by beeps, though [operators] confirm is voice",
            f"{wanted.places.variables}: SIAGA_CONFIRM=voice",
        )
    else:
        yield warn(
            "marks are spoken to the operator, though [operators] confirm is beeps",
            f'in [operators] of {wanted.config}: confirm = "voice"',
        )


def _gives_keys(contexts: Contexts, context: str, shipped: Shipped) -> bool:
    here = _steps({context: contexts[context]}) if context in contexts else ()
    return any(OPERATOR in step.data or any(key in step.data for key in shipped.keys) for step in here)


def _queues_with_keys(step: Step, queue: str) -> bool:
    return (
        step.application.lower() == "queue" and step.data.partition(",")[0] == queue and OPERATOR in step.data
    )


def _handed_on(contexts: Contexts, queue: str) -> bool:
    """Return whether FreePBX passes to Queue() what our line in its custom context sets."""
    takes = any(
        step.application.lower() == "queue"
        and step.data.partition(",")[0] == queue
        and f"${{{_QGOSUB}}}" in step.data
        for step in _steps(contexts)
    )
    return takes and any(f"{_FREEPBX}={OPERATOR}" in step.data for step in _steps(contexts))


def _steps(contexts: Contexts) -> Iterator[Step]:
    return (step for context in contexts.values() for steps in context.extensions.values() for step in steps)


def prompts(seen: Examined) -> Iterator[Line]:
    """Check that our prompts are among Asterisk's sounds."""
    missing = seen.host.missing_prompts
    if missing is None:
        yield unchecked(
            "Asterisk's sounds are not on this machine, or not for us to read",
            "on the PBX: ls /usr/share/asterisk/sounds/id/siaga112 "
            "(siaga112 files sounds --to /usr/share/asterisk/sounds)",
        )
        return
    folder = seen.pbx.inside.data_dir if isinstance(seen.pbx, PbxSeen) and seen.pbx.inside else ""
    for language, lacking in missing.items():
        names = [name for name in lacking if name != CONTACT]
        if names:
            yield warn(
                f"Asterisk lacks {len(names)} of our prompts in {language}: {names[0]}"
                + (", …" if len(names) > 1 else ""),
                f"siaga112 files sounds --to {folder}/sounds",
            )
        if CONTACT in lacking:
            yield warn(
                f"a blocked caller does not hear in {language} where to object: there is no {CONTACT}",
                f"record {folder}/sounds/{language}/{CONTACT}.wav, or in our source: "
                f"make prompts CONFIG={seen.wanted.config} TO={folder}/sounds",
            )
        if not lacking:
            yield ok(f"our prompts in {language} are there")
