"""Calls that reach the queue: left, given up by the queue, or answered."""

from functools import partial

from tests.lab import Event
from tests.pbx.scenarios.scenario import ANSWERS, BUSY, HANGS_UP, NEVER_ANSWERS, Scenario
from tests.pbx.scenarios.stage import OTHER_CALLER, Stage

LEFT = "abandoned left_queue"
TIMEOUT = "unserved queue_timeout"
ANSWERED = "answered operator"
PHONE = "PJSIP/101"


async def leave_at_once(stage: Stage) -> None:
    """Hang up right after joining the queue."""
    call = await stage.call(presses="1")
    await call.until("QueueCallerJoin")
    await call.call.hang_up()


async def leave_when_ringing(stage: Stage, presses: str = "1") -> None:
    """Hang up while an operator's phone rings."""
    call = await stage.call(presses=presses)
    await call.until("DialBegin")
    await call.call.hang_up()


async def leave_after_unanswered_ring(stage: Stage) -> None:
    """Hang up once the queue has stopped ringing a phone that nobody answered (after its 3 s)."""
    call = await stage.call(presses="1")
    await call.until("AgentRingNoAnswer")
    await call.call.hang_up()


async def leave_during_gosub(stage: Stage) -> None:
    """Hang up after the operator has picked up and before the queue has connected the two."""
    call = await stage.call(presses="1")
    await call.until("DialBegin")
    await stage.event(
        lambda e: e.name == "Newexten" and e["Context"] == "slow-operator" and e["Application"] == "Wait"
    )
    await call.call.hang_up()


async def leave_during_announcement(stage: Stage) -> None:
    """Hang up after the operator has picked up, during the announcement that only the operator hears."""
    call = await stage.call(presses="1")
    leg = await stage.phones["101"].ringing()
    await leg.answer()
    await stage.event(lambda e: e.name == "DialEnd" and e["DialStatus"] == "ANSWER")
    await stage.never(call, "AgentConnect", within=0.5)
    await call.call.hang_up()
    await leg.ended()


async def wait_it_out(stage: Stage) -> None:
    """Stay until the PBX ends the call."""
    call = await stage.call(presses="1")
    await call.call.ended(timeout=30)


async def leave_while_told(stage: Stage) -> None:
    """Hang up during the announcement that nobody is free."""
    call = await stage.call(presses="1")
    await call.until("Newexten", Application="Playback", AppData="siaga112/no-operator")
    await call.call.hang_up()


async def leave_the_second_queue(stage: Stage) -> None:
    """Be passed on to a second queue, and hang up there."""
    call = await stage.call(presses="1")
    await call.until("QueueCallerJoin", Queue="overflow-left-2")
    await call.call.hang_up()


async def second_finds_it_full(stage: Stage) -> None:
    """One caller waits; a second one finds the queue full."""
    first = await stage.call(presses="1")
    await first.until("QueueCallerJoin")
    second = await stage.call(OTHER_CALLER, presses="1")
    await second.call.ended(timeout=30)
    await first.call.hang_up()


async def operator_logs_out(stage: Stage) -> None:
    """The only operator logs out while the caller waits."""
    call = await stage.call(presses="1")
    await call.until("QueueCallerJoin")
    await stage.do("QueueRemove", Queue="leave-empty", Interface=NEVER_ANSWERS)
    await call.call.ended(timeout=30)


async def operator_pauses(stage: Stage) -> None:
    """The only operator is on a break; the caller waits, then hangs up."""
    await stage.do("QueuePause", Queue="siaga112", Interface=NEVER_ANSWERS, Paused="true")
    call = await stage.call(presses="1")
    await call.until("QueueCallerJoin")
    await stage.never(call, "DialBegin", within=0.5)
    await call.call.hang_up()


async def withdrawn(stage: Stage) -> None:
    """Somebody at the console takes the caller out of the queue."""
    call = await stage.call(presses="1")
    joined = await call.until("QueueCallerJoin")
    await stage.do("QueueWithdrawCaller", Queue="withdrawn", Caller=joined["Channel"])
    await call.call.ended(timeout=30)


async def talk_and_leave(stage: Stage) -> None:
    """Talk to an operator; the caller ends the call."""
    call = await stage.call(presses="1")
    await call.until("BridgeEnter")
    await call.call.hang_up()


async def talk_until_ended(stage: Stage) -> None:
    """Talk to an operator, who ends the call."""
    call = await stage.call(presses="1")
    await call.until("BridgeEnter")
    await call.call.ended(timeout=30)


async def phone_refuses_first(stage: Stage) -> None:
    """One operator refuses the call on the phone, another answers."""
    call = await stage.call(presses="1")
    (await stage.phones["101"].ringing()).refuse()
    leg = await stage.phones["102"].ringing()
    await leg.answer()
    await call.until("BridgeEnter")
    await leg.hang_up()
    await call.call.ended()


async def phone_ends(stage: Stage) -> None:
    """A SIP phone answers and hangs up."""
    call = await stage.call(presses="1")
    leg = await stage.phones["101"].ringing()
    await leg.answer()
    await stage.bridged()
    await call.until("BridgeEnter")
    await leg.hang_up()
    await call.call.ended()


async def caller_ends(stage: Stage) -> None:
    """A SIP phone answers; the caller hangs up."""
    call = await stage.call(presses="1")
    leg = await stage.phones["101"].ringing()
    await leg.answer()
    await stage.bridged()
    await call.until("BridgeEnter")
    await call.call.hang_up()
    await leg.ended()


async def caller_leaves_phone(stage: Stage) -> None:
    """A SIP phone rings; the caller hangs up."""
    call = await stage.call(presses="1")
    leg = await stage.phones["101"].ringing()
    await stage.event(lambda e: e.name == "DialBegin" and e["DestChannel"].startswith("PJSIP/101-"))
    await call.call.hang_up()
    await leg.ended()


async def one_of_three(stage: Stage) -> None:
    """Three phones ring at once; the second answers."""
    call = await stage.call(presses="1")
    legs = [await stage.phones[name].ringing() for name in ("101", "102", "103")]
    await legs[1].answer()
    await call.until("BridgeEnter")
    await legs[0].ended()
    await legs[2].ended()
    await legs[1].hang_up()
    await call.call.ended()


async def none_of_three(stage: Stage) -> None:
    """Three phones ring at once; the caller hangs up."""
    call = await stage.call(presses="1")
    legs = [await stage.phones[name].ringing() for name in ("101", "102", "103")]
    await call.call.hang_up()
    for leg in legs:
        await leg.ended()


async def press_out(stage: Stage) -> None:
    """Leave the queue with a key that the centre offers."""
    call = await stage.call(presses="1")
    await call.until("QueueCallerJoin")
    await call.call.ended(timeout=30)


async def marked(stage: Stage, mark: str) -> None:
    """The operator marks the call with a key."""
    await stage.seen.set_global("OPERATOR", f"mark_{mark}")
    call = await stage.call(presses="1")
    await call.marked()
    await call.call.hang_up()


async def marked_later(stage: Stage) -> None:
    """The operator hangs up, marks the call from the phone, and then corrects the mark."""
    call = await stage.call(presses="1")
    leg = await stage.phones["101"].ringing()
    await leg.answer()
    await stage.bridged()
    await leg.hang_up()
    await call.call.ended()
    for number, mark in (("*71", "prank"), ("*73", "information")):
        later = stage.phones["101"].call(number)
        await stage.event(partial(_marks, mark))
        await later.ended()


def _marks(mark: str, event: Event) -> bool:
    return event.name == "UserEvent" and event["UserEvent"] == "SiagaMark" and event["Mark"] == mark


THREE = (PHONE, "PJSIP/102", "PJSIP/103")
SCENARIOS = (
    Scenario("queue_left_at_once", "The caller joins the queue and hangs up at once.",
             (LEFT,), leave_at_once, operators=(NEVER_ANSWERS,)),
    Scenario("queue_left_after_3s", "A phone rings for 3 s in vain; the caller hangs up.",
             (LEFT,), leave_after_unanswered_ring, serve=("Queue(left-after-3s,r)",),
             queues={"left-after-3s": f"timeout=3\nretry=5\nmember => {NEVER_ANSWERS}"}),
    Scenario("queue_left_ringing", "The caller hangs up while an operator's phone rings.",
             (LEFT,), leave_when_ringing, operators=(NEVER_ANSWERS,)),
    Scenario("queue_left_before_connect", "The operator has picked up, the queue has not connected them yet, "
             "the caller hangs up.", (LEFT,), leave_during_gosub, serve=("Queue(left-before-connect,r)",),
             queues={"left-before-connect": f"membergosub=slow-operator\nmember => {ANSWERS}"}),
    Scenario("queue_left_during_announcement",
             "The caller hangs up while the operator hears the announcement.",
             (LEFT,), leave_during_announcement, serve=("Queue(left-announcement,r)",),
             queues={"left-announcement": f"announce=siaga112/notice\nmember => {PHONE}"}),
    Scenario("queue_timeout", "No operator answers; the queue gives up and the PBX says so.",
             (TIMEOUT,), wait_it_out, operators=(NEVER_ANSWERS,), queue_timeout=1),
    Scenario("queue_timeout_then_left", "The queue gives up; the caller hangs up during the apology.",
             (TIMEOUT,), leave_while_told, operators=(NEVER_ANSWERS,), queue_timeout=1),
    Scenario("queue_operators_busy", "Every operator is busy until the queue gives up.",
             (TIMEOUT,), wait_it_out, operators=(BUSY,), queue_timeout=2),
    Scenario("queue_nobody_logged_in", "Nobody is logged in; the shipped queue waits, then gives up.",
             (TIMEOUT,), wait_it_out, operators=(), queue_timeout=1),
    Scenario("queue_full", "One caller waits, and leaves; a second one finds the queue full.",
             (LEFT, "unserved queue_full"), second_finds_it_full, serve=("Queue(full,r)",),
             queues={"full": f"maxlen=1\nmember => {NEVER_ANSWERS}"}),
    Scenario("queue_join_empty", "Nobody is logged in, and the queue takes nobody then.",
             ("unserved queue_empty",), wait_it_out, serve=("Queue(join-empty,r)",),
             queues={"join-empty": "joinempty=no"}),
    Scenario("queue_join_paused", "The only operator is on a break, and the queue takes nobody then.",
             ("unserved queue_empty",), wait_it_out,
             serve=("PauseQueueMember(join-paused,Local/never@operators/n)", "Queue(join-paused,r)"),
             queues={"join-paused": f"joinempty=paused,inuse,invalid\nmember => {NEVER_ANSWERS}"}),
    Scenario("queue_leave_empty", "The last operator logs out, and the queue lets go of its callers.",
             ("unserved queue_empty",), operator_logs_out,
             serve=("AddQueueMember(leave-empty,Local/never@operators/n)", "Queue(leave-empty,r)"),
             queues={"leave-empty": "leavewhenempty=yes\nretry=1\ntimeout=2"}),
    Scenario("queue_operator_paused", "The only operator is on a break; the caller waits, then hangs up.",
             (LEFT,), operator_pauses, operators=(NEVER_ANSWERS,)),
    Scenario("queue_withdrawn", "The caller is taken out of the queue at the console.",
             ("unserved queue_withdrawn",), withdrawn, serve=("Queue(withdrawn,r)",),
             queues={"withdrawn": f"timeout=1\nretry=1\nmember => {NEVER_ANSWERS}"}, versions=("22",)),
    Scenario("queue_refused_then_answered", "The first operator's phone is busy, the next answers.",
             (ANSWERED,), talk_and_leave, serve=("Queue(refused,r)",),
             queues={"refused": f"strategy=linear\nretry=1\nmember => {BUSY}\nmember => {ANSWERS}"}),
    Scenario("queue_phone_refuses", "An operator refuses the call on a SIP phone, another one answers.",
             (ANSWERED,), phone_refuses_first, operators=(PHONE, "PJSIP/102")),
    Scenario("overflow_answered", "The first queue gives up; an operator of the second answers.",
             (ANSWERED,), talk_and_leave,
             serve=("Queue(overflow-answered-1,r,,,1)", "Queue(overflow-answered-2,r)"),
             queues={"overflow-answered-1": f"member => {NEVER_ANSWERS}",
                     "overflow-answered-2": f"member => {ANSWERS}"}),
    Scenario("overflow_left", "The first queue gives up; the caller hangs up in the second.",
             (TIMEOUT,), leave_the_second_queue,
             serve=("Queue(overflow-left-1,r,,,1)", "Queue(overflow-left-2,r)"),
             queues={"overflow-left-1": f"member => {NEVER_ANSWERS}",
                     "overflow-left-2": f"member => {NEVER_ANSWERS}"}),
    Scenario("overflow_timeout", "Two queues give up, one after the other.",
             (TIMEOUT,), wait_it_out,
             serve=("Queue(overflow-timeout-1,r,,,1)", "Queue(overflow-timeout-2,r,,,1)", "Hangup()"),
             queues={"overflow-timeout-1": f"member => {NEVER_ANSWERS}",
                     "overflow-timeout-2": f"member => {NEVER_ANSWERS}"}),
    Scenario("overflow_to_mailbox", "The queue gives up; the caller is recorded.",
             (TIMEOUT,), wait_it_out,
             serve=("Queue(mailbox,r,,,1)", "Record(/dev/null.wav,1,1,q)", "Hangup()"),
             queues={"mailbox": f"member => {NEVER_ANSWERS}"}),
    Scenario("queue_left_by_key", "The caller leaves the queue with a key that the centre offers.",
             ("unknown no_evidence",), press_out, serve=("Queue(left-by-key,r)",),
             queues={"left-by-key": f"context=out-of-queue\nmember => {NEVER_ANSWERS}"}),
    Scenario("answered_ended_by_caller", "An operator answers; the caller hangs up.",
             (ANSWERED,), talk_and_leave),
    Scenario("answered_ended_by_operator", "An operator answers and hangs up.",
             (ANSWERED,), talk_until_ended, operators=(HANGS_UP,)),
    Scenario("answered_goes_on", "An operator hangs up, and the dialplan goes on with the caller.",
             (ANSWERED,), talk_until_ended,
             serve=("Queue(goes-on,rc)", "Playback(siaga112/goodbye)", "Hangup()"),
             queues={"goes-on": f"member => {HANGS_UP}"}),
    Scenario("answered_marked", "The operator marks the call as a prank with *71.",
             (ANSWERED,), partial(marked, mark="prank"), operators=("Local/101@operators/n",)),
    Scenario("answered_marked_silent", "The operator marks the call as silent with *74.",
             (ANSWERED,), partial(marked, mark="silent"), operators=("Local/101@operators/n",)),
    Scenario("answered_marked_later", "The operator hangs up, dials *71, and *73: it was no prank.",
             (ANSWERED,), marked_later, operators=(PHONE,)),
    Scenario("answered_recorded", "The PBX records the call.", (ANSWERED,), talk_and_leave,
             serve=("MixMonitor(${UNIQUEID}.wav)", "Queue(recorded,r)"),
             queues={"recorded": f"member => {ANSWERS}"}, needs=("app_mixmonitor",)),
    Scenario("phone_ended_by_caller", "A SIP phone is the operator's; the caller hangs up.",
             (ANSWERED,), caller_ends, operators=(PHONE,)),
    Scenario("phone_ended_by_operator", "A SIP phone is the operator's, who hangs up.",
             (ANSWERED,), phone_ends, operators=(PHONE,)),
    Scenario("phone_left_ringing", "A SIP phone rings; the caller hangs up.",
             (LEFT,), caller_leaves_phone, operators=(PHONE,)),
    Scenario("local_to_phone",
             "The queue calls a Local channel that calls a SIP phone; Asterisk takes it out.",
             (ANSWERED,), phone_ends, operators=("Local/101@phones",)),
    Scenario("local_to_phone_ended_by_caller", "The same; the caller hangs up.",
             (ANSWERED,), caller_ends, operators=("Local/101@phones",)),
    Scenario("local_n_to_phone", "The queue calls a Local channel (/n) that calls a SIP phone.",
             (ANSWERED,), phone_ends, operators=("Local/101@phones/n",)),
    Scenario("local_left_ringing", "A SIP phone behind a Local channel rings; the caller hangs up.",
             (LEFT,), caller_leaves_phone, operators=("Local/101@phones",)),
    Scenario("three_ring_one_answers", "Three phones ring at once, one answers.",
             (ANSWERED,), one_of_three, operators=THREE),
    Scenario("three_ring_none_answers", "Three phones ring at once; the caller hangs up.",
             (LEFT,), none_of_three, operators=THREE),
)  # fmt: skip
