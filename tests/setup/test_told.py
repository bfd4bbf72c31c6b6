"""Parsing of console output, recorded on Asterisk 16.28 and 22.10, which print the same."""

from siaga112.doctor.observations import Step
from siaga112.setup import told
from siaga112.setup.conf import read
from siaga112.setup.doing import unlike
from siaga112.setup.steps import Dialplan
from siaga112.setup.ways import pending

DIALPLAN = r"""[ Context 'x' created by 'pbx_config' ]
  '101' =>          hint: PJSIP/101                               [extensions.conf:56]
  '112' (CID match '0812') =>  1. Hangup()                                   [extensions.conf:55]
  '_1[2-5]X' =>     1. NoOp(a\,b;c [z])                           [extensions.conf:53]
     [lab]          2. Set(X=${CALLERID(num)})                    [extensions.conf:54]
  Include =>        'menu,9:00-17:00,mon-fri,*,*'                 [pbx_config]

[ Context 'parkedcalls' created by 'res_parking' ]
  '700' =>          1. Park()                                     [res_parking]

-= 3 extensions (4 priorities) in 2 contexts. =-
"""

ENDPOINTS = """
 Endpoint:  <Endpoint/CID.....................................>  <State.....>  <Channels.>
   Identify:  <Identify/Endpoint.........................................................>
        Match:  <criteria.........................>
==========================================================================================

 Endpoint:  a-very-long-name-of-an-endpoint-of-some-telco-in-se  Unavailable   0 of inf
   Identify:  telco-in/a-very-long-name-of-an-endpoint-of-some-telco-in-serang
        Match: 192.0.2.9/32

 Endpoint:  101                                                  Unavailable   0 of inf
     InAuth:  101/101


Objects found: 2
"""

SETTINGS = """
PBX Core settings
-----------------
  Version:                     22.10.1
  Maximum calls:               Not set

* Directories
  -------------
  Configuration file:          /etc/asterisk/asterisk.conf
  Configuration directory:     /etc/asterisk
  Run/Sockets directory:       /var/run/asterisk
  PID file:                    /var/run/asterisk/asterisk.pid
  Data directory:              /usr/share/asterisk/

"""

QUEUES = """operators has 0 calls (max unlimited) in 'ringall' strategy (0s holdtime, 0s talktime), W:0
   Members:\x20
      Local/101@operators/n (ringinuse enabled) (Not in use) has taken no calls yet
      Siti (PJSIP/102) (ringinuse enabled) (Unavailable) has taken no calls yet
   Callers:\x20
      1. PJSIP/telco-00000001 (wait: 0:04, prio: 0)

"""


def test_the_dialplan_is_read_with_hints_and_sums_left_out() -> None:
    """Parses labels, caller ID matches, brackets in data, timed includes and the registrar."""
    loaded, registrars = told.dialplan(DIALPLAN)
    assert dict(registrars) == {"x": "pbx_config", "parkedcalls": "res_parking"}
    assert loaded["x"].includes == ("menu",)
    assert dict(loaded["x"].extensions) == {
        "112/0812": (Step(1, "", "Hangup", ""),),
        "_1[2-5]X": (Step(1, "", "NoOp", r"a\,b;c [z]"), Step(2, "lab", "Set", "X=${CALLERID(num)}")),
    }


def test_endpoints_are_known_by_their_identify_with_their_whole_name() -> None:
    """The table cuts long names off, the identify line does not. A phone has no identify line."""
    assert told.identified(ENDPOINTS) == ("a-very-long-name-of-an-endpoint-of-some-telco-in-serang",)
    assert told.parameter(" context                            : from-telco\n", "context") == "from-telco"


def test_the_version_is_found_below_what_asterisk_says_first() -> None:
    """Without a network card, Asterisk prints a warning before each output."""
    said = "No ethernet interface found for seeding global EID. You will have to set it manually.\n"
    assert told.version(f"{said}Asterisk 16.28.0~dfsg-0+deb11u4 built by nobody @ x\n") == (
        "Asterisk 16.28.0~dfsg-0+deb11u4"
    )


def test_members_are_of_a_queue_and_callers_are_not() -> None:
    """Members have the name or interface that the console prints."""
    assert told.queues(QUEUES) == {"operators": ("Local/101@operators/n", "Siti")}


def test_edits_that_are_not_in_force_yet_are_seen() -> None:
    """Edits that setup's reload would activate are found: an extension more, a step more, a context less."""
    text = "[x]\nexten => 112/0812,1,Hangup()\nexten => _1[2-5]X,1,NoOp()\nsame => n(lab),Set(X=1)\n[new]\n"
    loaded, registrars = told.dialplan(DIALPLAN)

    def other(written: str, users: str = "") -> str:
        texts = {"/e/extensions.conf": written, "/e/users.conf": users}
        conf, more = (read(path, texts, "/e") for path in texts)
        return pending(conf, more, loaded, registrars)

    assert other(text) == ""
    assert other(f"; of no weight\n{text}") == ""
    assert other(f"{text}exten => 1,1,Answer()\n") == "[new]"
    assert other(text.replace("NoOp()", "Answer()")) == "[x] _1[2-5]X"
    assert other(text.replace("exten => 112/0812,1,Hangup()\n", "")) == "[x] 112/0812"
    assert other("") == "[x]"
    assert other("", "[6001]\nhasexten = yes\n") == "", "users.conf may have made it"
    assert other("#exec /bin/true\n") == "", "nobody knows what that prints"
    assert other(f"{text}[x](+)\nEXTEN => _1[2-5]X,1,Answer()\n") == "", "of two the first is in force"


def test_a_reload_may_bring_the_question_and_nothing_else() -> None:
    """A killed setup may leave the activation of our line to the next reload; nothing else may change."""
    before, _ = told.dialplan(DIALPLAN)
    asking = DIALPLAN.replace(
        "=>  1. Hangup()", "=>  1. ExecIf(${DIALPLAN_EXISTS(siaga112-screen,s,1)}?Gosub(siaga112-screen,s,1))"
    ).replace("  '_1[2-5]X'", "                    2. Hangup()     [extensions.conf:56]\n  '_1[2-5]X'")
    assert unlike(before, told.dialplan(asking)[0], Dialplan()) == ""
    assert unlike(before, before, Dialplan()) == ""
    gone = told.dialplan(DIALPLAN.replace("Hangup()", "Answer()"))[0]
    assert "changed [x] 112/0812" in unlike(before, gone, Dialplan())
    assert "does not ask" in unlike(before, before, Dialplan(asking=(("x", "_1[2-5]X"),)))
    assert "does not come to the question" in unlike(before, before, Dialplan(calls=(("x", "121"),)))


def test_where_the_running_asterisk_has_its_files() -> None:
    """The core settings' paths are found, without a trailing slash, and no other setting is."""
    assert told.folders(SETTINGS) == {
        "Configuration file": "/etc/asterisk/asterisk.conf",
        "Configuration directory": "/etc/asterisk",
        "Run/Sockets directory": "/var/run/asterisk",
        "PID file": "/var/run/asterisk/asterisk.pid",
        "Data directory": "/usr/share/asterisk",
    }
