"""Who calls, on which number, and how the dialplan leads to the menu."""

from functools import partial
from typing import Any

from tests.lab.agi_stub import BLOCK_AND_REJECT
from tests.pbx.scenarios.menu import at_the_question, during_the_prompt, nonsense, silence
from tests.pbx.scenarios.queue import leave_when_ringing, leave_while_told, talk_and_leave, wait_it_out
from tests.pbx.scenarios.scenario import NEVER_ANSWERS, Centre, Scenario
from tests.pbx.scenarios.stage import CALLER, OTHER_CALLER, Stage

LEFT_MENU = "ivr_prank left_menu"
ANSWERED = "answered operator"

RINGING = Centre(
    "ringing",
    "from-ringing",
    frozenset({"main-menu"}),
    """
[from-ringing]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Ringing()
 same => n,Wait(1.3)
 same => n,NoOp(later)
 same => n,Wait(60)
""",
)
"""A centre that lets the caller hear ringing before it answers."""

SHARED = Centre(
    "shared",
    "from-shared",
    frozenset({"shared-menu"}),
    """
[from-shared]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(shared-menu,s,1)
exten => 0254200100,1,Answer()
 same => n,Background(siaga112/goodbye)
 same => n,WaitExten(10)
[shared-menu]
exten => s,1,Answer()
 same => n,Background(siaga112/goodbye)
 same => n,WaitExten(10)
""",
    frozenset({"112"}),
)
"""A town hall whose trunk also carries calls to its office's number."""

SUBROUTINE = Centre(
    "subroutine",
    "from-subroutine",
    frozenset({"ask"}),
    """
[from-subroutine]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Answer()
 same => n,Gosub(ask,start,1(112))
 same => n,Queue(siaga112,r)
[ask]
exten => start,1,Background(siaga112/goodbye)
 same => n,WaitExten(10)
exten => 1,1,Return()
""",
)
"""A menu that is a subroutine."""

INCLUDED = """
[from-{name}]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(s,1)
include => menu-of-{name}
[menu-of-{name}]
include => keys-of-{name}
exten => s,1,Answer()
 same => n,Background(siaga112/goodbye)
 same => n,WaitExten(10)
[keys-of-{name}]
exten => 5,1,Queue(siaga112,r)
"""
INCLUDE = Centre("include", "from-include", frozenset({"from-include"}), INCLUDED.format(name="include"))
"""A menu that is included: for Asterisk the caller is in the including context, which the settings name.

Its key is not 1: in the trunk's context that could be the beginning of 112."""

INCLUDE_NAIVE = Centre("naive", "from-naive", frozenset({"menu-of-naive"}), INCLUDED.format(name="naive"))
"""The same, but the settings name the context in which the menu is written: no caller is ever in it."""

NESTED = Centre(
    "nested",
    "from-nested",
    frozenset({"language", "service"}),
    """
[from-nested]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(language,s,1)
[language]
exten => s,1,Answer()
 same => n,Background(siaga112/goodbye)
 same => n,WaitExten(10)
exten => 1,1,Goto(service,s,1)
[service]
exten => s,1,Read(CHOICE,siaga112/goodbye,1,,1,2)
 same => n,GotoIf($["${CHOICE}" = "2"]?information,s,1)
 same => n,Hangup()
[information]
exten => s,1,Playback(siaga112/menu)
 same => n,Hangup()
""",
)
"""A menu that leads to a second one, which asks with Read() and ends the call unless the key is 2."""

INSIDE = Centre(
    "inside",
    "from-inside",
    frozenset({"all-in-one"}),
    """
[from-inside]
exten => 112,1,Gosub(siaga112-screen,s,1)
 same => n,Goto(all-in-one,s,1)
[all-in-one]
exten => s,1,Answer()
 same => n,Background(siaga112/goodbye)
 same => n,WaitExten(10)
exten => 1,1,Queue(siaga112,r,,,${SIAGA_QUEUE_TIMEOUT})
 same => n,Playback(siaga112/no-operator)
 same => n,Goto(s,2)
exten => t,1,Goto(1,1)
""",
)
"""Everything in one context: the menu, the queue, and the announcement that nobody is free."""

FREEPBX = Centre(
    "freepbx",
    "from-trunk",
    frozenset({"ivr-1"}),
    """
[from-trunk]
include => from-trunk-custom
include => from-pstn-freepbx
[from-pstn-freepbx]
include => from-pstn-custom
include => ext-did
include => ext-did-catchall
[ext-did]
include => ext-did-custom
include => ext-did-0001
[ext-did-0001]
exten => 112,1,Set(__DIRECTION=INBOUND)
 same => n,Gosub(siaga112-screen,s,1)
 same => n,Set(__FROM_DID=${EXTEN})
 same => n,Goto(ivr-1,s,1)
[ext-did-catchall]
exten => _.,1,Goto(app-blackhole,hangup,1)
[from-trunk-custom]
exten => unused,1,NoOp()
[from-pstn-custom]
exten => unused,1,NoOp()
[ext-did-custom]
exten => unused,1,NoOp()
[ivr-1-custom]
exten => unused,1,NoOp()
[ivr-1]
include => ivr-1-custom
exten => s,1,Set(INVALID_LOOPCOUNT=0)
 same => n,Set(_IVR_CONTEXT_${CONTEXT}=${IVR_CONTEXT})
 same => n,Set(_IVR_CONTEXT=${CONTEXT})
 same => n,Set(__IVR_RETVM=)
 same => n,Answer()
 same => n,Set(IVR_MSG=siaga112/menu)
 same => n(start),Set(TIMEOUT(digit)=3)
 same => n,ExecIf($["${IVR_MSG}" != ""]?Background(${IVR_MSG}))
 same => n,WaitExten(2,)
exten => 1,1,Set(__IVR_RETVM=)
 same => n,Goto(ext-queues,600,1)
exten => i,1,Set(INVALID_LOOPCOUNT=$[${INVALID_LOOPCOUNT}+1])
 same => n,GotoIf($[${INVALID_LOOPCOUNT} > 1]?final)
 same => n,Set(IVR_MSG=siaga112/goodbye)
 same => n,Goto(s,start)
 same => n(final),Playback(siaga112/goodbye)
 same => n,Goto(app-blackhole,hangup,1)
exten => t,1,Playback(siaga112/goodbye)
 same => n,Goto(app-blackhole,hangup,1)
exten => h,1,Hangup()
[app-blackhole]
exten => hangup,1,NoOp(Blackhole Dest: Hangup)
 same => n,Hangup()
[ext-queues]
exten => 600,1,Set(__FROMQUEUEEXTEN=${CALLERID(number)})
 same => n,Answer()
 same => n,Set(QUEUENUM=600)
 same => n,Queue(siaga112,t,,,${SIAGA_QUEUE_TIMEOUT})
 same => n,Goto(app-blackhole,hangup,1)
exten => h,1,Hangup()
""",
    hangup_contexts=frozenset({"app-blackhole"}),
)
"""A dialplan as FreePBX writes it: includes, an IVR that speaks by ExecIf(), hang-ups in app-blackhole."""

ANNOUNCED = ("SET VARIABLE SIAGA_TREATMENT announce", "SET VARIABLE SIAGA_VERDICT BLOCK")
LAST = ("SET VARIABLE SIAGA_TREATMENT deprioritise", "SET VARIABLE SIAGA_VERDICT BLOCK")
OBSERVED = ("SET VARIABLE SIAGA_REASON would_block", "SET VARIABLE SIAGA_VERDICT ALLOW")


async def leave_ringing(stage: Stage) -> None:
    """Hang up before the PBX has answered, but not at once."""
    call = await stage.call()
    await call.until("Newexten", Application="NoOp", AppData="later")
    await call.call.hang_up()


async def leave_ringing_at_once(stage: Stage) -> None:
    """Hang up in the first moment, before the PBX has answered."""
    call = await stage.call()
    await call.until("Newexten", Application="Wait")
    await call.call.hang_up()


async def from_caller(stage: Stage, **caller: Any) -> None:
    """Call with these caller details, listen to the menu, and hang up."""
    call = await stage.call(**caller)
    await call.until("Newexten", Application="WaitExten")
    await call.call.hang_up()


async def two_at_once(stage: Stage) -> None:
    """Call twice from one number: hang up the first call in the menu while the second is connected."""
    first = await stage.call()
    second = await stage.call(presses="1")
    await second.until("BridgeEnter")
    await first.until("Newexten", Application="WaitExten")
    await first.call.hang_up()
    await second.call.hang_up()


async def rejected(stage: Stage) -> None:
    """Be rejected, perhaps after an announcement."""
    call = await stage.call()
    assert (await call.call.ended(timeout=70)).status == 403


async def leave_while_rejected(stage: Stage) -> None:
    """Hang up during the announcement that the number is blocked."""
    call = await stage.call()
    await call.until("Newexten", Context="siaga112-blocked", Application="Playback")
    await call.call.hang_up()


async def leave_screening(stage: Stage) -> None:
    """Hang up while the dialplan asks the daemon."""
    call = await stage.call()
    await call.until("Newexten", Application="AGI")
    await call.call.hang_up()


async def call_back(stage: Stage) -> None:
    """An operator calls a citizen over the trunk; they talk."""
    operator = stage.phones["101"].call(CALLER)
    citizen = await stage.phones["citizen"].ringing()
    await citizen.answer()
    await stage.event(lambda e: e.name == "BridgeEnter" and e["BridgeNumChannels"] == "2")
    await citizen.hang_up()
    await operator.ended()


async def call_back_in_vain(stage: Stage) -> None:
    """An operator calls a citizen over the trunk, who does not answer."""
    operator = stage.phones["101"].call(CALLER)
    (await stage.phones["citizen"].ringing()).refuse()
    await operator.ended()


async def call_back_by_click(stage: Stage) -> None:
    """The PBX calls the citizen, then the operator, as a click on a number in a list does."""
    await stage.do(
        "Originate", Channel=f"PJSIP/{CALLER}@trunk-out", Context="phones", Exten="101", Priority="1",
        CallerID="112", Async="true",
    )  # fmt: skip
    citizen = await stage.phones["citizen"].ringing()
    await citizen.answer()
    operator = await stage.phones["101"].ringing()
    await operator.answer()
    await stage.event(lambda e: e.name == "BridgeEnter" and e["BridgeNumChannels"] == "2")
    await citizen.hang_up()
    await operator.ended()


async def office_and_112(stage: Stage) -> None:
    """One caller dials the office, another 112; each hangs up in the menu there."""
    office = await stage.call(dialled="0254200100")
    ours = await stage.call(OTHER_CALLER)
    await office.until("Newexten", Application="WaitExten")
    await ours.until("Newexten", Application="WaitExten")
    await office.call.hang_up()
    await ours.call.hang_up()


async def leave_reading(stage: Stage) -> None:
    """Choose a language, and hang up when asked with Read()."""
    call = await stage.call(presses="1", turns=1)
    await call.until("Newexten", Application="Read")
    await stage.never(call, "Newexten", Context="service", Application="GotoIf", within=1.2)
    await call.call.hang_up()


async def hear_information(stage: Stage) -> None:
    """Choose information, and hang up while it is played."""
    call = await stage.call(presses="12")
    await call.until("Newexten", Context="information", Application="Playback")
    await stage.never(call, "Newexten", Application="Hangup", within=1.2)
    await call.call.hang_up()


async def back_in_menu(stage: Stage) -> None:
    """Wait until the queue gives up and the dialplan returns to the menu; hang up there."""
    call = await stage.call(presses="1")
    await call.until("VarSet", Variable="QUEUESTATUS", Value="TIMEOUT")
    since = stage.seen.mark()
    await stage.seen.wait_for(
        lambda e: e.name == "Newexten" and e["Application"] == "BackGround", since=since
    )
    await call.call.hang_up()


async def read_in_vain(stage: Stage) -> None:
    """Choose a language, then nothing, until the PBX ends the call."""
    call = await stage.call(presses="1", turns=1)
    await call.until("Newexten", Application="Read")
    await call.call.ended(timeout=30)


SCENARIOS = (
    Scenario("ringing_left", "The caller hangs up while it still rings, before any answer.",
             ("abandoned before_menu",), leave_ringing, RINGING),
    Scenario("ringing_left_at_once", "The caller hangs up at the first ring, before any answer.",
             ("abandoned dropped_early",), leave_ringing_at_once, RINGING),
    Scenario("caller_without_number", "A caller without a number hangs up in the menu.",
             (LEFT_MENU,), partial(from_caller, number="", shown="<unknown>")),
    Scenario("caller_anonymous", "A caller who is anonymous by name hangs up in the menu.",
             (LEFT_MENU,), partial(from_caller, number="anonymous", private=True)),
    Scenario("caller_hidden", "A caller whose number is there but hidden hangs up in the menu.",
             (LEFT_MENU,),
             partial(from_caller, number="anonymous", asserted=CALLER, private=True, shown=CALLER)),
    Scenario("caller_with_a_hostile_name", "A caller whose name looks like an event hangs up in the menu.",
             (LEFT_MENU,), partial(from_caller, display="Event: Hangup")),
    Scenario("two_calls_from_one_number", "One number calls twice at the same time.",
             (LEFT_MENU, ANSWERED), two_at_once),
    Scenario("blocked_rejected", "A blocked caller is rejected.", ("blocked rejected",), rejected,
             screening=BLOCK_AND_REJECT),
    Scenario("blocked_announced",
             "A blocked caller hears the announcement and is rejected.", ("blocked rejected",), rejected,
             screening=ANNOUNCED),
    Scenario("blocked_announced_left",
             "A blocked caller hangs up during the announcement.", ("blocked rejected",),
             leave_while_rejected, screening=ANNOUNCED),
    Scenario("blocked_served_last", "A blocked caller is served, after everybody else.", (ANSWERED,),
             talk_and_leave, screening=LAST),
    Scenario("would_block", "A caller who would be blocked, in mode observe, hangs up in the menu.",
             (LEFT_MENU,), at_the_question, screening=OBSERVED),
    Scenario("daemon_silent", "The daemon says nothing; after 2 s the call goes on, an operator answers.",
             (ANSWERED,), talk_and_leave, screening=None),
    Scenario("daemon_silent_left", "The daemon says nothing; the caller hangs up meanwhile.",
             ("abandoned dropped_early",), leave_screening, screening=None),
    Scenario("daemon_closes", "The daemon closes without a word; the caller hangs up in the menu.",
             (LEFT_MENU,), at_the_question, screening=()),
    Scenario("call_back", "An operator calls a citizen back: no incoming call.", (), call_back),
    Scenario("call_back_in_vain",
             "An operator calls a citizen back, who does not answer.", (), call_back_in_vain),
    Scenario("call_back_by_click", "The PBX calls a citizen back and brings an operator in.", (),
             call_back_by_click),
    Scenario("office_number", "A call to the office's number on the same trunk, and one to 112.",
             (None, LEFT_MENU), office_and_112, SHARED),
    Scenario("gosub_menu_left", "The menu is a subroutine; the caller hangs up in it.",
             (LEFT_MENU,), at_the_question, SUBROUTINE),
    Scenario("gosub_menu_answered", "The menu is a subroutine; key 1 returns from it, an operator answers.",
             (ANSWERED,), talk_and_leave, SUBROUTINE),
    Scenario("included_menu_left",
             "The menu is included into the trunk's context, which is named as the menu's.",
             (LEFT_MENU,), at_the_question, INCLUDE),
    Scenario("included_menu_queue_left",
             "The queue is included into the trunk's context; the caller hangs up.",
             ("abandoned left_queue",), partial(leave_when_ringing, presses="5"), INCLUDE,
             operators=(NEVER_ANSWERS,)),
    Scenario("included_menu_not_named", "The menu is included, and the settings name the wrong context.",
             ("abandoned before_menu",), at_the_question, INCLUDE_NAIVE),
    Scenario("second_menu_left", "The caller hangs up in a second menu, which asks with Read().",
             (LEFT_MENU,), leave_reading, NESTED),
    Scenario("second_menu_ends", "Read() gets no answer, and the dialplan ends the call.",
             ("unknown no_evidence",), read_in_vain, NESTED),
    Scenario("information_left", "The caller chooses information and hangs up while it is played.",
             ("abandoned after_choice",), hear_information, NESTED),
    Scenario("inside_answered", "Queue() runs inside the menu's context; an operator answers.",
             (ANSWERED,), talk_and_leave, INSIDE),
    Scenario("inside_queue_left", "Queue() runs inside the menu's context; the caller hangs up in the queue.",
             ("abandoned left_queue",), leave_when_ringing, INSIDE, operators=(NEVER_ANSWERS,)),
    Scenario("inside_told_and_left",
             "\"Nobody is free\" is said inside the menu's context; the caller hangs up.",
             ("unserved queue_timeout",), leave_while_told, INSIDE,
             operators=(NEVER_ANSWERS,), queue_timeout=1),
    Scenario("inside_back_in_menu",
             "The queue gives up and leads back into the menu, where the caller hangs up.",
             ("unserved queue_timeout",), back_in_menu, INSIDE, operators=(NEVER_ANSWERS,), queue_timeout=1),
    Scenario("freepbx_left_in_prompt", "FreePBX's IVR speaks; the caller hangs up.",
             (LEFT_MENU,), partial(during_the_prompt, Context="ivr-1", Application="ExecIf"), FREEPBX),
    Scenario("freepbx_left_waiting", "FreePBX's IVR waits for a key; the caller hangs up.",
             (LEFT_MENU,), at_the_question, FREEPBX),
    Scenario("freepbx_wrong_keys", "FreePBX's IVR ends the call after wrong keys.",
             ("ivr_prank invalid_choice",), nonsense, FREEPBX),
    Scenario("freepbx_silence", "FreePBX's IVR ends the call of a caller who presses nothing.",
             ("ivr_prank no_choice",), silence, FREEPBX),
    Scenario("freepbx_answered",
             "FreePBX's queue; an operator answers.", (ANSWERED,), talk_and_leave, FREEPBX),
    Scenario("freepbx_queue_left", "FreePBX's queue; the caller hangs up.",
             ("abandoned left_queue",), leave_when_ringing, FREEPBX, operators=(NEVER_ANSWERS,)),
    Scenario("freepbx_queue_timeout", "FreePBX's queue gives up.",
             ("unserved queue_timeout",), wait_it_out, FREEPBX, operators=(NEVER_ANSWERS,), queue_timeout=1),
)  # fmt: skip
