"""One real Asterisk in a temporary folder, with siaga112's shipped files in it."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

from tests.lab import ports
from tests.lab.ami import ActionError, Observer
from tests.lab.unpack import AsteriskRoot
from tests.waiting import killed, output

SHIPPED: Final = Path(__file__).resolve().parents[2] / "asterisk"
SHIPPED_SECRET: Final = "change-me"
LAB_USER: Final = "lab"
LAB_SECRET: Final = "lab"
RTP_PORTS: Final = 200
BOOT_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.05
STOP_SECONDS: Final = 10.0

# Modules that are not loaded, by the start of their names: they open a port, need a service, or complain.
UNLOADED: Final = (
    *("aeap", "app_adsi", "app_agent_pool", "app_alarm", "app_amd", "app_audiosocket"),
    *("app_confbridge", "app_dahdi", "app_festival", "app_flash", "app_followme"),
    *("app_getcpeid", "app_ices", "app_image", "app_jack", "app_macro", "app_meetme"),
    *("app_minivm", "app_mysql", "app_nbscat", "app_osplookup", "app_page", "app_speech"),
    *("app_stasis", "app_url", "app_voicemail", "cdr_", "cel_", "chan_a", "chan_console"),
    *("chan_dahdi", "chan_iax2", "chan_mgcp", "chan_misdn", "chan_mobile", "chan_motif"),
    *("chan_ooh323", "chan_oss", "chan_phone", "chan_rtp", "chan_sip", "chan_skinny"),
    *("chan_unistim", "chan_vpb", "chan_websocket", "func_odbc", "pbx_ael", "pbx_dundi"),
    *("pbx_lua", "res_adsi", "res_aeap", "res_ari", "res_audiosocket", "res_calendar"),
    *("res_chan_stats", "res_clialiases", "res_config_", "res_corosync", "res_endpoint_stats"),
    *("res_fax", "res_geolocation", "res_hep", "res_http_media_cache", "res_monitor"),
    *("res_musiconhold", "res_odbc", "res_parking", "res_phoneprov", "res_pjsip_config_wizard"),
    *("res_pjsip_geolocation", "res_pjsip_notify", "res_pjsip_phoneprov", "res_pjsip_stir"),
    *("res_prometheus", "res_resolver_unbound", "res_rtp_multicast", "res_smdi", "res_snmp"),
    *("res_speech_aeap", "res_stasis_broadcast", "res_statsd", "res_stir_shaken"),
    *("res_stun_monitor", "res_websocket_client", "res_xmpp"),
)
# Files whose absence Asterisk logs; empty ones have the same effect without the noise.
EMPTY: Final = (
    *("acl.conf", "ccss.conf", "cdr.conf", "cel.conf", "cli_permissions.conf", "dnsmgr.conf"),
    *("dsp.conf", "enum.conf", "pjproject.conf", "stasis.conf", "udptl.conf", "codecs.conf"),
    *("http.conf", "websocket_client.conf"),
)

# What the queue plays as ringing.
INDICATIONS: Final = """
[general]
country = id
[id]
description = Indonesia
ringcadence = 1000,4000
ring = 425/1000,0/4000
"""

# Queue members are Local/101@operators/n; the global OPERATOR, read at every call, says what they do.
OPERATORS: Final = r"""
[operators]
exten => _XXX,1,Goto(${OPERATOR},1)

exten => answer,1,Ringing()
 same => n,Wait(0.3)
 same => n,Answer()
 same => n(stay),Wait(3600)

exten => answer_then_hangup,1,Ringing()
 same => n,Wait(0.3)
 same => n,Answer()
 same => n,Wait(1)
 same => n,Hangup()

exten => never,1,Ringing()
 same => n,Wait(3600)

exten => busy,1,Busy()

exten => mark_prank,1,Set(KEYS=*71)
 same => n,Goto(mark,1)
exten => mark_genuine,1,Set(KEYS=*72)
 same => n,Goto(mark,1)
exten => mark_information,1,Set(KEYS=*73)
 same => n,Goto(mark,1)
exten => mark_silent,1,Set(KEYS=*74)
 same => n,Goto(mark,1)
; The keys count only once the queue has bridged the two: BRIDGEPEER on the other half says so.
exten => mark,1,Ringing()
 same => n,Wait(0.3)
 same => n,Answer()
 same => n(until_bridged),Wait(0.1)
 same => n,GotoIf($["${IMPORT(${CUT(CHANNEL,\;,1)}\;1,BRIDGEPEER)}" = ""]?until_bridged)
 same => n,SendDTMF(${KEYS})
 same => n,Goto(answer,stay)
"""


class AsteriskError(RuntimeError):
    """The PBX did not start, or ended; the message has the end of its log."""


class Asterisk:
    """A running PBX. Use `async with Asterisk.start(root) as pbx`."""

    def __init__(
        self,
        root: AsteriskRoot,
        folder: Path,
        *,
        context: str,
        dialplan: str,
        globals_: dict[str, str],
        operators: Sequence[str],
        siaga_secret: str,
        more: Mapping[str, str],
        load: tuple[str, ...],
    ) -> None:
        """Choose the ports; `start` does the rest."""
        self.version = root.version
        self.folder = folder
        self.log = folder / "log/messages.log"
        self.siaga_secret = siaga_secret
        self.sip_port = ports.free()
        self.ami_port = ports.free()
        self.agi_port = ports.free()
        self._rtp_port = ports.free(RTP_PORTS)
        self._root = root
        self._context = context
        self._dialplan = dialplan
        ours = {"OPERATOR": "answer", "SIAGA_AGI": f"agi://127.0.0.1:{self.agi_port}/screen"}
        self._globals = {**ours, **globals_}
        self._operators = operators
        self._more = more
        self._load = load
        self._companions: list[Callable[[], Awaitable[None]]] = []
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        root: AsteriskRoot,
        *,
        context: str = "siaga112-incoming",
        dialplan: str = "",
        globals_: dict[str, str] | None = None,
        operators: Sequence[str] = ("101",),
        siaga_secret: str = "lab-siaga112-made-up",  # noqa: S107 - of a PBX that lives for seconds
        keep_log: Path | None = None,
        more: Mapping[str, str] | None = None,
        load: tuple[str, ...] = (),
    ) -> AsyncIterator[Self]:
        """Run a PBX for as long as the block lasts.

        `context` is the trunk's; `dialplan` is appended to extensions.conf; `globals_` go into
        its [globals] (a value of "" removes even the lab's own one); `keep_log` receives
        Asterisk's log at the end; `more` is text to append to configuration files, by name;
        `load` names modules (without .so) that the lab otherwise leaves out.
        """
        # A short path: the control socket's name must fit into 107 bytes.
        with tempfile.TemporaryDirectory(prefix=f"siaga112-lab{root.version}-") as folder:
            pbx = cls(
                root,
                Path(folder),
                context=context,
                dialplan=dialplan,
                globals_=globals_ or {},
                operators=operators,
                siaga_secret=siaga_secret,
                more=more or {},
                load=load,
            )
            pbx._write_configuration()
            try:
                await pbx.boot()
                yield pbx
            finally:
                for end in pbx._companions:
                    await end()
                await pbx.stop()
                if keep_log is not None and pbx.log.is_file():
                    shutil.copyfile(pbx.log, keep_log)

    @property
    def pid(self) -> int:
        """The PBX's process id."""
        if self._process is None or self._process.returncode is not None:
            msg = "Asterisk is not running"
            raise AsteriskError(msg)
        return self._process.pid

    @property
    def console_command(self) -> tuple[str, ...]:
        """The command to which `-r` or `-rx …` is added to reach the console."""
        return (*self._root.command, "-C", str(self._configuration("asterisk.conf")))

    async def boot(self) -> None:
        """Start the process, on the same ports as before, and wait until it takes calls."""
        console = (self.folder / "log/console.log").open("ab")
        with console:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL"),  # so that it does not outlive a test that is killed
                *self.console_command,
                *("-f", "-q"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                # Its own session: Ctrl-C in the terminal should reach the test, which then stops the PBX.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(BOOT_SECONDS):
                observer = await self._first_login()
                async with observer:
                    await observer.wait_for(lambda e: e.name == "FullyBooted", timeout=BOOT_SECONDS)
        except (TimeoutError, ConnectionError) as error:
            raise AsteriskError(self._complaint("did not come up")) from error

    async def observe(self) -> Observer:
        """Connect an observer with all rights, which sees every event."""
        return await Observer.connect(self.ami_port, LAB_USER, LAB_SECRET)

    async def observe_as_siaga(self) -> Observer:
        """Connect as the shipped AMI user: with its rights and through its event filter."""
        return await Observer.connect(self.ami_port, "siaga112", self.siaga_secret)

    async def console(self, command: str) -> str:
        """Run one console command; return its output."""
        process = await asyncio.create_subprocess_exec(
            *self.console_command,
            *("-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await output(process, f"the console's {command!r}")
        return said.decode("utf-8", "replace")

    def pause(self) -> None:
        """Freeze the PBX (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Thaw the PBX (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    async def kill(self) -> None:
        """Kill the PBX, as a power cut would."""
        process = self._process
        if process is not None and process.returncode is None:
            await killed(process)

    def before_stop(self, end: Callable[[], Awaitable[None]]) -> None:
        """Await `end` before the PBX stops, so that nothing outlives the PBX."""
        self._companions.append(end)

    async def stop(self) -> None:
        """Stop the PBX in good order, also during calls; kill it if it does not stop."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            await self.kill()

    async def restart(self) -> None:
        """Stop and boot again: same ports, same configuration, no calls."""
        await self.stop()
        await self.boot()

    def warnings(self) -> list[str]:
        """Return the WARNING and ERROR lines of Asterisk's log so far; our files should cause none."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.is_file() else []
        return [line for line in lines if " WARNING[" in line or " ERROR[" in line]

    async def _first_login(self) -> Observer:
        began = time.monotonic()
        while time.monotonic() - began < BOOT_SECONDS:
            if self._process is None or self._process.returncode is not None:
                raise AsteriskError(self._complaint("ended at once"))
            try:
                return await self.observe()
            except (ConnectionError, asyncio.IncompleteReadError, ActionError):
                await asyncio.sleep(POLL_SECONDS)  # nothing tells us that the port is open
        raise TimeoutError

    def _complaint(self, what: str) -> str:
        logs = [log for log in (self.log, self.log.with_name("console.log")) if log.is_file()]
        last = "\n".join("\n".join(log.read_text("utf-8", "replace") for log in logs).splitlines()[-15:])
        return f"Asterisk {self.version} {what}:\n{last}"

    def _configuration(self, name: str) -> Path:
        return self.folder / "etc" / name

    def _write_configuration(self) -> None:
        for name in (
            "etc/manager.d",
            "data/sounds",
            "db",
            "keys/keys",
            "spool/recording",
            "run",
            "log/cel-custom",
            "log/cdr-csv",
            "agi-bin",
        ):
            (self.folder / name).mkdir(parents=True)
        for part in self._root.data.iterdir():
            if part.name != "sounds":
                (self.folder / "data" / part.name).symlink_to(part)
        for language in (SHIPPED / "sounds").iterdir():
            if language.is_dir():
                (self.folder / "data/sounds" / language.name).mkdir()
                (self.folder / "data/sounds" / language.name / "siaga112").symlink_to(language / "siaga112")
        user = (SHIPPED / "manager.d/siaga112.conf").read_text("utf-8")
        self._configuration("manager.d/siaga112.conf").write_text(
            user.replace(f"secret = {SHIPPED_SECRET}", f"secret = {self.siaga_secret}"), "utf-8"
        )
        texts = {**dict.fromkeys((*EMPTY, *self._more), ""), **self._texts()}
        for name, text in texts.items():
            self._configuration(name).write_text(f"{text}\n{self._more.get(name, '')}", "utf-8")

    def _leaves_out(self, module: str) -> bool:
        return module.startswith(UNLOADED) and module.removesuffix(".so") not in self._load

    def _texts(self) -> dict[str, str]:
        folder = self.folder
        members = "\n".join(f"member => Local/{operator}@operators/n" for operator in self._operators)
        variables = "\n".join(f"{name}={value}" for name, value in self._globals.items() if value)
        modules = sorted(module.name for module in self._root.modules.glob("*.so"))
        unloaded = "\n".join(f"noload = {name}" for name in modules if self._leaves_out(name))
        return {
            "asterisk.conf": f"""
[directories]
astetcdir => {folder}/etc
astmoddir => {self._root.modules}
astvarlibdir => {folder}/data
astdbdir => {folder}/db
astkeydir => {folder}/keys
astdatadir => {folder}/data
astagidir => {folder}/agi-bin
astspooldir => {folder}/spool
astrundir => {folder}/run
astlogdir => {folder}/log
[options]
nocolor = yes
""",
            "modules.conf": f"[modules]\nautoload = yes\n{unloaded}\n",
            "logger.conf": "[general]\n[logfiles]\nmessages.log => notice,warning,error\n",
            "indications.conf": INDICATIONS,
            "rtp.conf": f"[general]\nrtpstart={self._rtp_port}\nrtpend={self._rtp_port + RTP_PORTS - 1}\n",
            "pjsip.conf": f"""
[transport]
type = transport
protocol = udp
bind = 127.0.0.1:{self.sip_port}
[trunk]
type = endpoint
context = {self._context}
disallow = all
allow = ulaw,alaw
dtmf_mode = rfc4733
direct_media = no
media_address = 127.0.0.1
bind_rtp_to_media_address = yes
trust_id_inbound = yes
[trunk]
type = identify
endpoint = trunk
match = 127.0.0.1
""",
            "manager.conf": f"""
[general]
enabled = yes
bindaddr = 127.0.0.1
port = {self.ami_port}
timestampevents = yes
[{LAB_USER}]
secret = {LAB_SECRET}
read = all
write = all
writetimeout = 60000
#include "{folder}/etc/manager.d/siaga112.conf"
""",
            "queues.conf": f"""
[general]
#include "{SHIPPED}/queues_siaga112.conf"
[siaga112](+)
{members}
""",
            "features.conf": f'[general]\n#include "{SHIPPED}/features_siaga112.conf"\n',
            "extensions.conf": f"""
[globals]
{variables}
#include "{SHIPPED}/extensions_siaga112.conf"
#include "{SHIPPED}/extensions_siaga112_centre.conf"
{OPERATORS}
{self._dialplan}
""",
        }
