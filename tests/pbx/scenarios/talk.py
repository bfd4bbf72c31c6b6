"""Calls that were answered and then moved: held, parked, transferred, joined, listened to."""

from functools import partial
from typing import Any

from tests.lab.day import Witnessed
from tests.lab.phone import Leg
from tests.pbx.scenarios.scenario import NEVER_ANSWERS, Play, Scenario
from tests.pbx.scenarios.stage import Stage

ANSWERED = "answered operator"
LEFT = "abandoned left_queue"
PHONE = "PJSIP/101"


async def talking(stage: Stage) -> tuple[Witnessed, Leg]:
    """Connect a caller with the operator at phone 101."""
    call = await stage.call(presses="1")
    leg = await stage.phones["101"].ringing()
    await leg.answer()
    await stage.bridged()
    await call.until("BridgeEnter")
    return call, leg


async def bridged_again(stage: Stage, call: Witnessed, since: int) -> None:
    """Wait until the caller is in a bridge once more."""
    await stage.seen.wait_for(lambda e: e.name == "BridgeEnter" and e["Uniqueid"] == call.uid, since=since)


async def blind(stage: Stage, to: str, phone: str) -> None:
    """The operator sends the caller on to an extension; the phone that rings there is answered."""
    call, leg = await talking(stage)
    since = stage.seen.mark()
    leg.transfer(to)
    agency = await stage.phones[phone].ringing()
    await agency.answer()
    await bridged_again(stage, call, since)
    await call.call.hang_up()
    await agency.ended()


async def blind_to_busy_agency(stage: Stage) -> None:
    """The operator sends the caller to an agency that is busy."""
    call, leg = await talking(stage)
    leg.transfer("agency")
    (await stage.phones["agency"].ringing()).refuse()
    await call.call.ended()


async def blind_to_busy_tone(stage: Stage) -> None:
    """The operator sends the caller to a busy extension; the caller hears the busy tone and hangs up."""
    call, leg = await talking(stage)
    leg.transfer("engaged")
    await stage.event(lambda e: e.name == "BlindTransfer")
    await stage.never(call, "Hangup", within=1.2)
    await call.call.hang_up()


async def blind_left_ringing(stage: Stage) -> None:
    """The operator sends the caller to an agency; the caller hangs up while it rings."""
    call, leg = await talking(stage)
    leg.transfer("agency")
    agency = await stage.phones["agency"].ringing()
    await call.call.hang_up()
    await agency.ended()


async def blind_to_queue(stage: Stage) -> None:
    """The operator sends the caller back to the queue; another operator answers."""
    call, leg = await talking(stage)
    since = stage.seen.mark()
    leg.transfer("queue")
    leg = await stage.phones["101"].ringing()
    await leg.answer()
    await bridged_again(stage, call, since)
    await call.call.hang_up()
    await leg.ended()


async def blind_to_queue_left(stage: Stage) -> None:
    """The operator sends the caller back to the queue; the caller hangs up there."""
    call, leg = await talking(stage)
    leg.transfer("queue")
    leg = await stage.phones["101"].ringing()
    await call.call.hang_up()
    await leg.ended()


async def blind_to_queue_timeout(stage: Stage) -> None:
    """The operator sends the caller back to the queue, which gives up."""
    call, leg = await talking(stage)
    leg.transfer("queue")
    await call.call.ended(timeout=30)


async def consulting(stage: Stage) -> tuple[Witnessed, Leg, Leg, Leg]:
    """Have the operator put the caller on hold and talk to the fire brigade."""
    call, leg = await talking(stage)
    await leg.hold()
    await call.until("MusicOnHoldStart")
    consult = stage.phones["101"].call("agency")
    agency = await stage.phones["agency"].ringing()
    await agency.answer()
    await consult.taken()
    await stage.bridged("PJSIP/agency")
    return call, leg, consult, agency


async def attended(stage: Stage) -> None:
    """The operator asks the fire brigade first, then connects the caller."""
    call, leg, consult, agency = await consulting(stage)
    leg.join(consult)
    await stage.event(lambda e: e.name == "AttendedTransfer")
    await leg.ended()
    await call.call.hang_up()
    await agency.ended()


async def attended_cancelled(stage: Stage) -> None:
    """The operator asks the fire brigade, then takes the caller back."""
    call, leg, consult, agency = await consulting(stage)
    await consult.hang_up()
    await agency.ended()
    await leg.resume()
    await call.until("MusicOnHoldStop")
    await call.call.hang_up()
    await leg.ended()


async def attended_caller_leaves(stage: Stage) -> None:
    """The operator asks the fire brigade; meanwhile the caller hangs up."""
    call, leg, consult, _ = await consulting(stage)
    await call.call.hang_up()
    await leg.ended()
    await consult.hang_up()


async def press(stage: Stage, keys: str) -> None:
    """Have the PBX receive these keys from the operator's phone."""
    channel = stage.channel_like("PJSIP/101-")
    for key in keys:
        since = stage.seen.mark()
        await stage.do("PlayDTMF", Channel=channel, Digit=key, Duration="100", Receive="true")
        await stage.seen.wait_for(
            lambda e: e.name == "DTMFEnd" and e["Channel"] == channel and e["Direction"] == "Received",
            since=since,
        )


async def feature_consulting(stage: Stage) -> tuple[Witnessed, Leg, Leg]:
    """Have the operator ask colleague 102 with the PBX's own transfer key."""
    call, leg = await talking(stage)
    await press(stage, "*2")
    await call.until("MusicOnHoldStart")
    await press(stage, "102")
    other = await stage.phones["102"].ringing()
    await other.answer()
    await stage.bridged("PJSIP/102-")
    return call, leg, other


async def feature_completed(stage: Stage) -> None:
    """The operator asks a colleague with the PBX's transfer key, and hangs up: the two are connected."""
    call, leg, other = await feature_consulting(stage)
    since = stage.seen.mark()
    await leg.hang_up()
    await stage.seen.wait_for(lambda e: e.name == "AttendedTransfer", since=since)
    await call.call.hang_up()
    await other.ended()


async def feature_refused(stage: Stage) -> None:
    """The colleague hangs up; the operator is back with the caller."""
    call, leg, other = await feature_consulting(stage)
    since = stage.seen.mark()
    await other.hang_up()
    await stage.bridged(since=since)
    await call.call.hang_up()
    await leg.ended()


async def three_way(stage: Stage) -> None:
    """The operator makes a conference of the caller, a colleague and himself."""
    call, leg, other = await feature_consulting(stage)
    since = stage.seen.mark()
    await press(stage, "*3")
    await stage.seen.wait_for(
        lambda e: e.name == "BridgeEnter" and e["BridgeNumChannels"] == "3", since=since
    )
    await leg.hang_up()
    await call.call.hang_up()
    await other.hang_up()


async def held(stage: Stage) -> None:
    """The operator puts the caller on hold and takes him back."""
    call, leg = await talking(stage)
    await leg.hold()
    await call.until("MusicOnHoldStart")
    await leg.resume()
    await call.until("MusicOnHoldStop")
    await leg.hang_up()
    await call.call.ended()


async def held_and_left(stage: Stage) -> None:
    """The caller hangs up while on hold."""
    call, leg = await talking(stage)
    await leg.hold()
    await call.until("MusicOnHoldStart")
    await call.call.hang_up()
    await leg.ended()


async def parked_by_operator(stage: Stage) -> None:
    """The operator parks the caller; a colleague takes him from there."""
    call, leg = await talking(stage)
    leg.transfer("700")
    await stage.event(lambda e: e.name == "ParkedCall")
    since = stage.seen.mark()
    colleague = stage.phones["102"].call("701")
    await bridged_again(stage, call, since)
    await call.call.hang_up()
    await colleague.ended()


async def parked_and_left(stage: Stage) -> None:
    """The operator parks the caller, who hangs up there."""
    call, leg = await talking(stage)
    leg.transfer("700")
    await stage.event(lambda e: e.name == "ParkedCall")
    await leg.ended()
    await call.call.hang_up()


async def left_in_parking(stage: Stage) -> None:
    """The dialplan parks the caller before anybody answered; the caller hangs up."""
    call = await stage.call(presses="1")
    await stage.event(lambda e: e.name == "ParkedCall")
    await stage.never(call, "Hangup", within=1.1)
    await call.call.hang_up()


async def taken_from_parking(stage: Stage) -> None:
    """The dialplan parks the caller; an operator takes him from there."""
    call = await stage.call(presses="1")
    await stage.event(lambda e: e.name == "ParkedCall")
    since = stage.seen.mark()
    operator = stage.phones["102"].call("701")
    await stage.seen.wait_for(
        lambda e: e.name == "BridgeEnter" and e["Uniqueid"] == call.uid and e["BridgeType"] == "basic",
        since=since,
    )
    await call.call.hang_up()
    await operator.ended()


async def left_in_music(stage: Stage) -> None:
    """The dialplan plays music to the caller, who hangs up."""
    call = await stage.call(presses="1")
    await call.until("MusicOnHoldStart")
    await stage.never(call, "Hangup", within=1.1)
    await call.call.hang_up()


async def left_queue_with_music(stage: Stage) -> None:
    """The queue plays music; the caller hangs up."""
    call = await stage.call(presses="1")
    await call.until("MusicOnHoldStart")
    await call.until("DialBegin")
    await call.call.hang_up()


async def spy(stage: Stage, how: str) -> Leg:
    """Have the supervisor at phone 103 listen in."""
    leg = stage.phones["103"].call(how)
    await stage.event(lambda e: e.name == "ChanSpyStart")
    return leg


async def spied_in_menu(stage: Stage) -> None:
    """A supervisor listens to a caller in the menu, who hangs up."""
    call = await stage.call()
    leg = await spy(stage, "spy")
    await call.until("Newexten", Application="WaitExten")
    await call.call.hang_up()
    await leg.hang_up()


async def spied_in_queue(stage: Stage) -> None:
    """A supervisor listens to a caller in the queue, who hangs up."""
    call = await stage.call(presses="1")
    await call.until("DialBegin")
    leg = await spy(stage, "barge")
    await call.call.hang_up()
    await leg.hang_up()


async def spied_talking(stage: Stage) -> None:
    """A supervisor listens to caller and operator."""
    call, leg = await talking(stage)
    supervisor = await spy(stage, "spy")
    await call.call.hang_up()
    await leg.ended()
    await supervisor.hang_up()


async def conference(stage: Stage) -> None:
    """The dialplan puts the caller into a conference; an operator comes into it."""
    call = await stage.call(presses="1")
    await call.until("ConfbridgeJoin")
    operator = stage.phones["102"].call("conference")
    await stage.event(lambda e: e.name == "ConfbridgeJoin" and e["Channel"].startswith("PJSIP/102-"))
    await stage.event(lambda e: e.name == "BridgeEnter" and e["BridgeNumChannels"] == "2")
    await call.call.hang_up()
    await operator.hang_up()


async def alone_in_conference(stage: Stage) -> None:
    """The dialplan puts the caller into a conference, to which nobody comes; the caller hangs up."""
    call = await stage.call(presses="1")
    await call.until("ConfbridgeJoin")
    await stage.never(call, "Hangup", within=1.1)
    await call.call.hang_up()


async def redirected(stage: Stage) -> None:
    """A supervisor takes the caller out of the queue and sends him to a colleague, who answers."""
    call = await stage.call(presses="1")
    joined = await call.until("QueueCallerJoin")
    await stage.do("Redirect", Channel=joined["Channel"], Context="phones", Exten="102", Priority="1")
    leg = await stage.phones["102"].ringing()
    await leg.answer()
    await call.until("BridgeEnter")
    await call.call.hang_up()
    await leg.ended()


async def redirected_left(stage: Stage) -> None:
    """A supervisor takes the caller out of the queue; he hangs up while the colleague's phone rings."""
    call = await stage.call(presses="1")
    joined = await call.until("QueueCallerJoin")
    await stage.do("Redirect", Channel=joined["Channel"], Context="phones", Exten="102", Priority="1")
    leg = await stage.phones["102"].ringing()
    await call.call.hang_up()
    await leg.ended()


async def picked_up(stage: Stage) -> None:
    """One operator's phone rings; another operator picks up the call."""
    call = await stage.call(presses="1")
    leg = await stage.phones["101"].ringing()
    other = stage.phones["102"].call("pickup")
    await call.until("BridgeEnter")
    await leg.ended()
    await call.call.hang_up()
    await other.ended()


async def forwarded(stage: Stage) -> None:
    """The operator's phone sends the call on to another one, which answers."""
    call = await stage.call(presses="1")
    (await stage.phones["101"].ringing()).forward("102")
    leg = await stage.phones["102"].ringing()
    await leg.answer()
    await call.until("BridgeEnter")
    await leg.hang_up()
    await call.call.ended()


async def forwarded_left(stage: Stage) -> None:
    """The operator's phone sends the call on to another one; the caller hangs up while that rings."""
    call = await stage.call(presses="1")
    (await stage.phones["101"].ringing()).forward("102")
    leg = await stage.phones["102"].ringing()
    await call.call.hang_up()
    await leg.ended()


async def forwarded_timeout(stage: Stage) -> None:
    """The operator's phone sends the call on to an extension that nobody answers; the queue gives up."""
    call = await stage.call(presses="1")
    (await stage.phones["101"].ringing()).forward("nobody")
    await call.call.ended(timeout=30)


def _scenario(name: str, what: str, play: Play, expect: str = ANSWERED, **more: Any) -> Scenario:
    return Scenario(name, what, (expect,), play, **{"operators": (PHONE,), **more})


SCENARIOS = (
    _scenario("transfer_blind",
              "The operator transfers the caller to an agency, which answers.",
              partial(blind, to="agency", phone="agency")),
    _scenario("transfer_over_the_trunk",
              "The operator transfers the caller to a number outside, over the trunk, which answers.",
              partial(blind, to="0254201113", phone="citizen")),
    _scenario("transfer_blind_busy", "The operator transfers the caller to an agency that is busy.",
              blind_to_busy_agency),
    _scenario("transfer_blind_busy_tone",
              "The operator transfers the caller to a busy extension; he hears its tone and hangs up.",
              blind_to_busy_tone),
    _scenario("transfer_blind_left",
              "The operator transfers the caller, who hangs up while the agency's phone "
              "rings.", blind_left_ringing),
    _scenario("transfer_to_queue", "The operator transfers the caller back to the queue; somebody answers.",
              blind_to_queue),
    _scenario("transfer_to_queue_left",
              "The operator transfers the caller back to the queue, where he hangs up.",
              blind_to_queue_left),
    _scenario("transfer_to_queue_timeout",
              "The operator transfers the caller back to the queue, which gives up.",
              blind_to_queue_timeout, queue_timeout=2),
    _scenario("transfer_attended", "The operator asks an agency first, then connects the two.", attended),
    _scenario("transfer_attended_cancelled", "The operator asks an agency, then takes the caller back.",
              attended_cancelled),
    _scenario("transfer_attended_left", "The caller hangs up while the operator asks an agency.",
              attended_caller_leaves),
    _scenario("transfer_by_key",
              "The operator connects the caller with a colleague by the PBX's transfer key.",
              feature_completed, serve=("Queue(transfer-by-key,rt)",),
              queues={"transfer-by-key": f"member => {PHONE}"}),
    _scenario("transfer_by_key_refused", "The colleague does not want the call; the operator is back.",
              feature_refused, serve=("Queue(transfer-refused,rt)",),
              queues={"transfer-refused": f"member => {PHONE}"}),
    _scenario("three_way", "The operator makes a conference of caller, colleague and himself.",
              three_way, serve=("Queue(three-way,rt)",), queues={"three-way": f"member => {PHONE}"}),
    _scenario("hold", "The operator puts the caller on hold and takes him back.", held),
    _scenario("hold_left", "The caller hangs up while on hold.", held_and_left),
    _scenario("park", "The operator parks the caller; a colleague takes him from there.", parked_by_operator),
    _scenario("park_left", "The operator parks the caller, who hangs up there.", parked_and_left),
    _scenario("park_unanswered_left", "The dialplan parks a caller whom nobody answered; he hangs up.",
              left_in_parking, "abandoned after_choice", serve=("Park()",)),
    _scenario("park_unanswered_taken", "The dialplan parks the caller; an operator takes him from there.",
              taken_from_parking, serve=("Park()",)),
    _scenario("music_left", "The dialplan plays music to the caller, who hangs up.",
              left_in_music, "abandoned after_choice", serve=("MusicOnHold()",)),
    _scenario("music_in_queue_left", "The queue plays music; the caller hangs up.",
              left_queue_with_music, LEFT, serve=("Queue(music)",),
              queues={"music": f"member => {NEVER_ANSWERS}"}),
    _scenario("spy_in_menu", "A supervisor listens to a caller in the menu, who hangs up.",
              spied_in_menu, "ivr_prank left_menu"),
    _scenario("spy_in_queue", "A supervisor barges in on a caller in the queue, who hangs up.",
              spied_in_queue, LEFT, operators=(NEVER_ANSWERS,)),
    _scenario("spy_talking", "A supervisor listens to caller and operator.", spied_talking),
    _scenario("conference", "The dialplan puts the caller into a conference; an operator comes into it.",
              conference, serve=("ConfBridge(1)",)),
    _scenario("conference_left", "The dialplan puts the caller into a conference to which nobody comes.",
              alone_in_conference, "unknown no_evidence", serve=("ConfBridge(1)",)),
    _scenario("redirect", "A supervisor takes the caller out of the queue to a colleague, who answers.",
              redirected, operators=(NEVER_ANSWERS,)),
    _scenario("redirect_left", "A supervisor takes the caller out of the queue; the caller hangs up.",
              redirected_left, "abandoned left_ringing", operators=(NEVER_ANSWERS,)),
    _scenario("pickup", "The phone of one operator rings; another one picks the call up.", picked_up),
    _scenario("forward", "The operator's phone forwards the call to another one, which answers.", forwarded),
    _scenario("forward_left", "The operator's phone forwards the call; the caller hangs up while that rings.",
              forwarded_left, LEFT),
    _scenario("forward_timeout", "The operator's phone forwards the call to where nobody answers.",
              forwarded_timeout, "unserved queue_timeout", queue_timeout=2),
)  # fmt: skip
