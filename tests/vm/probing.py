"""The leak list's volleys around and inside a booted box, for as long as somebody wants them: from a laptop that knows the
box's hardware address and needs no lease, from the registered one, and from people on the box itself.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field

from scripts.exercise.processes import run
from tests.net.leaks import volley
from tests.net.leaks.volley import NOBODY
from tests.vm.field import Site
from tests.vm.hardware import socket_names

PAUSE = 4.0  # seconds between volleys: an emulated box shall have time for something else
OUTSIDE = "/proc/1/ns/net"
COURIER = 64302
# Rules away and a packet sent at once, before a turn of the daemon can mend it.
BARE = (
    "import socket, subprocess as s\n"
    "s.run(['nft', 'flush', 'ruleset'], check=True)\n"
    "x = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "x.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'{link}')\n"
    "x.sendto(b'noroshi leak probe', ('192.0.2.80', 53))\n"
)


@dataclass(slots=True)
class Probing:
    site: Site
    volleys: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """The phone becomes a stranger's laptop: an address that nobody gave it, and the way by the box."""
        told = self.site.guest.succeed("ip", "-o", "link", "show", "dev", "lan0", space="field")
        box = told.split("link/ether ")[1].split()[0]
        gateway = self.site.laptop.dhcp.wait(patience=60).gateway
        stranger = f"{gateway.rpartition('.')[0]}.61"
        self.site.phone.dhcp.leave()
        space = self.site.place.namespace("phone")
        lines = (
            f"address replace {stranger}/26 dev eth0",
            f"route replace default via {gateway} dev eth0",
            f"neighbour replace {gateway} lladdr {box} dev eth0 nud permanent",
        )
        run("ip", "-n", space, "-batch", "-", text="\n".join(lines) + "\n")
        self._thread = threading.Thread(target=self._run, name="probing", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        stations = [volley.from_laptop(self.site.place.namespace(x)) for x in ("laptop", "phone")]
        while not self._over.wait(PAUSE):
            with contextlib.suppress(OSError, RuntimeError):
                volley.fire(stations)
                self.volleys += 1

    def inside(self) -> None:
        """People on the box: anybody where the uplinks are, nobody and the courier where the tunnel is."""
        links = socket_names(self.site.guest.hardware.sockets)[:1]
        stations = (
            *volley.from_box(OUTSIDE, (0, NOBODY), links),
            *volley.from_box("field", (NOBODY, COURIER), (), behind=True),
        )
        script = volley.INSIDE.read_text()
        self.site.guest.succeed("/usr/bin/python3", "-I", "-S", "-c", script, text=volley.orders(stations))
        self.volleys += 1

    def bare(self) -> None:
        """The rules where the uplinks are, taken away; the daemon puts them back."""
        link = socket_names(self.site.guest.hardware.sockets)[0]
        self.site.guest.tell("/usr/bin/python3", "-c", BARE.format(link=link))

    def end(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(30)
