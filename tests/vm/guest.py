"""One virtual machine that runs: started, spoken with, and always ended, by its pid.

Its processes are the exercise's: whatever becomes of the test, `topology.down` ends them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scripts.exercise import processes
from scripts.exercise.place import Place
from tests.vm import control, hardware
from tests.vm.hardware import Hardware

NAME, SHELL, STICK = "vm", "vm-shell", "stick"
HOME = ("nsenter", "--net=/proc/1/ns/net", "--")  # sshd lives in a namespace of its own


class NoAnswer(TimeoutError):
    """The guest did not do it in time; the text says where its console can be read."""


def free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        port: int = asking.getsockname()[1]
        return port


@dataclass(slots=True)
class Guest:
    """`hardware` is complete but for the folder, the firmware's variables and the control port."""

    place: Place
    hardware: Hardware
    more: tuple[str, ...] = ()  # further lines of the script that is handed in
    keys: control.Keys | None = field(default=None, init=False)
    started: float = field(default=0.0, init=False)  # seconds since the epoch

    @property
    def folder(self) -> Path:
        return self.place.folder("vm", mode=0o700)

    @property
    def console(self) -> Path:
        return self.folder / "serial.log"

    def start(self, *descriptors: int) -> float:
        """Power on; `descriptors` are the taps of its sockets, which this process lets go of."""
        port = free_port()
        self.keys = control.make(self.folder, port, *self.more)
        variables = self.folder / "variables.fd"
        if not variables.exists():
            shutil.copyfile(hardware.OVMF_VARS, variables)
        self.console.unlink(missing_ok=True)
        self.hardware = replace(
            self.hardware,
            folder=self.folder,
            variables=variables,
            control_port=port,
            credentials=self.keys.credentials,
        )
        self.started = time.time()
        argv = ("nice", "-n", "5", *hardware.command(self.hardware))
        processes.start(self.place, NAME, argv, pass_fds=descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return self.started

    @property
    def runs(self) -> bool:
        found = processes.recorded(self.place, NAME)
        return found is not None and found.alive

    def end(self) -> None:
        """The plug is pulled: nothing in the guest hears of it."""
        for name in (SHELL, NAME):
            processes.end(self.place, name, patience=0.0)
        for left in ("ssh", "qmp"):
            (self.folder / left).unlink(missing_ok=True)

    # ------------------------------------------------------------------------------ from outside

    def qmp(self, command: str, **arguments: Any) -> Any:
        """One command of QEMU's machine protocol, and its answer."""
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(20)
            channel.connect(str(self.folder / "qmp"))
            with channel.makefile("rw") as stream:
                stream.readline()  # the greeting
                for order in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                    stream.write(json.dumps(order) + "\n")
                    stream.flush()
                    answer = json.loads(stream.readline())
                    while "event" in answer:
                        answer = json.loads(stream.readline())
                    if "error" in answer:
                        raise RuntimeError(f"{command}: {answer['error']['desc']}")
                return answer["return"]

    def cable(self, number: int, *, there: bool) -> None:
        """Pull the cable of a socket, or put it in: the guest sees its carrier."""
        self.qmp("set_link", name=f"socket{number}", up=there)

    def plug_stick(self, image: Path) -> None:
        """Into one of its sockets for sticks (`Hardware.usb`)."""
        file = {"driver": "file", "filename": str(image)}
        self.qmp("blockdev-add", **{"driver": "raw", "node-name": STICK, "file": file})
        stick = {"driver": "usb-storage", "id": STICK, "drive": STICK, "bus": f"{hardware.USB}.0"}
        self.qmp("device_add", **stick, removable=True)

    def pull_stick(self) -> None:
        """It is gone for the guest at once; QEMU lets go of the file a moment later."""
        self.qmp("device_del", id=STICK)

        def free() -> bool:
            try:
                self.qmp("blockdev-del", **{"node-name": STICK})
            except RuntimeError:
                return False
            return True

        self._until("keeps the stick", free, 30)

    def reset(self) -> None:
        self.qmp("system_reset")

    def said(self) -> str:
        """All that the console printed so far."""
        try:
            return self.console.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_for_words(self, words: str, patience: float) -> float:
        """Until the console prints them; the moment it was seen."""
        return self._until(f"did not print {words!r}", lambda: words in self.said(), patience)

    # ------------------------------------------------------------------------------ from inside

    def _ssh(self, *options: str) -> tuple[str, ...]:
        assert self.keys is not None, "it was never switched on"
        settings = {
            "ControlPath": self.folder / "ssh",
            "UserKnownHostsFile": self.keys.known_hosts,
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "60",
            "LogLevel": "ERROR",
        }
        words = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        port = str(self.hardware.control_port)
        return (
            "ssh",
            "-F",
            "none",
            *words,
            "-i",
            str(self.keys.ours),
            "-p",
            port,
            *options,
            "root@127.0.0.1",
        )

    def tell(self, *argv: str, text: str = "", timeout: float = 120, space: str = "") -> tuple[int, str]:
        """Run a program in the guest as root; its exit code and what it printed, errors too. `space`: in this
        network namespace instead of the machine's own."""
        where = ("ip", "netns", "exec", space) if space else HOME
        line = shlex.join((*where, *argv)) + " 2>&1"
        try:
            done = subprocess.run(
                (*self._ssh(), line), input=text, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as slow:
            raise NoAnswer(f"{shlex.join(argv)} took more than {timeout:.0f} s in the guest") from slow
        return done.returncode, done.stdout + done.stderr

    def succeed(self, *argv: str, text: str = "", timeout: float = 120, space: str = "") -> str:
        code, told = self.tell(*argv, text=text, timeout=timeout, space=space)
        if code:
            raise RuntimeError(f"in the guest: {shlex.join(argv)} failed ({code}): {told.strip()[-2000:]}")
        return told

    def wait_for_shell(self, patience: float = 300) -> float:
        """Until a shell can be had; the moment it was. From then on the daemon's door is where the exercise looks for
        the box's, so that everything that asks it works as ever."""
        door = self.place.folder("box", "run") / "door"
        options = ("-M", "-N", "-o", "StreamLocalBindUnlink=yes", "-L", f"{door}:/run/noroshi/door")

        def answers() -> bool:
            found = processes.recorded(self.place, SHELL)
            if found is None or not found.alive:
                processes.start(self.place, SHELL, self._ssh(*options))
                time.sleep(1.0)
            try:
                return (self.folder / "ssh").exists() and self.tell("true", timeout=40)[0] == 0
            except NoAnswer:  # a connection from before a restart, which nobody ended
                processes.end(self.place, SHELL, patience=0.0)
                (self.folder / "ssh").unlink(missing_ok=True)
                return False

        return self._until("has no shell", answers, patience, pause=0.5)

    def _until(self, complaint: str, look: Any, patience: float, pause: float = 0.2) -> float:
        deadline = time.monotonic() + patience
        while not look():
            if not self.runs:
                raise NoAnswer(f"the guest ended: see {self.place.root}/logs/{NAME}.log and {self.console}")
            if time.monotonic() > deadline:
                raise NoAnswer(f"the guest {complaint} in {patience:.0f} s: see {self.console}")
            time.sleep(pause)
        return time.time()


@contextlib.contextmanager
def running(guest: Guest, *descriptors: int) -> Iterator[Guest]:
    """Switched on, and off again whatever happens."""
    try:
        guest.start(*descriptors)
        yield guest
    finally:
        guest.end()
