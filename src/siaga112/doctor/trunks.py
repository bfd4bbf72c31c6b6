"""Checks of trunks: whether the configured trunk contexts are the ones in use."""

from collections.abc import Iterator

from siaga112.doctor.lines import Line, ok, unchecked, warn
from siaga112.doctor.observations import PbxInside, PbxSeen, Shipped, Wanted
from siaga112.doctor.walk import takes

_SHOW = "on the PBX: asterisk -rx 'pjsip show endpoint NAME', of each trunk: its context"


def contexts(pbx: PbxSeen, inside: PbxInside, wanted: Wanted, _: Shipped) -> Iterator[Line]:
    """Compare [pbx] trunk_contexts with the loaded contexts in which calls arrive."""
    if inside.sources is None:
        yield unchecked("the PBX does not show its trunks (func_pjsip_endpoint.so)", _SHOW)
        return
    used = {source.context: source.name for source in inside.sources}
    for name in wanted.trunk_contexts:
        if name in used:
            yield ok(f"{used[name]} sends its calls to [{name}]")
        elif inside.unseen:
            yield unchecked(
                f"what sends calls to [{name}] ({', '.join(inside.unseen)} does not show it)", _SHOW
            )
        else:
            trunks = sorted({one.context for one in inside.sources if one.trunk})
            yield warn(
                f"no trunk sends its calls to [{name}]: none from there is followed",
                f"in [pbx] of {wanted.config}: trunk_contexts = the context of your trunks "
                f"({wanted.places.trunks}); there are: {', '.join(trunks) or 'none'}",
            )
    if not inside.all_shown and pbx.reloaded != pbx.up:
        yield unchecked("a trunk that was added since the PBX began and has had no call is not shown", _SHOW)
    phones = {member.place for members in (pbx.queues or {}).values() for member in members}
    left_out = [
        one
        for one in inside.sources
        if one.trunk
        and one.name not in phones
        and one.context not in wanted.trunk_contexts
        and takes(inside.elsewhere, one.context, wanted.numbers)
    ]
    for one in inside.sources:
        if one.name in phones and one.context in wanted.trunk_contexts:
            yield warn(
                f"the operator's phone {one.name} dials in [{one.context}], a trunk's context here: "
                "whatever it dials counts as a citizen's call",
                "give that phone a context of its own (pjsip.conf: context)",
            )
    for one in left_out:
        names = ", ".join(f'"{name}"' for name in (*wanted.trunk_contexts, one.context))
        yield warn(
            f"the trunk {one.name} sends its calls to [{one.context}], which is no trunk's context here: "
            "they come into no ledger",
            f"in [pbx] of {wanted.config}: trunk_contexts = [{names}] (not if no 112 call comes from there)",
        )
