"""Phone, laptop cable and loopback relay, against stand-ins that know nothing of Noroshi."""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.exercise import processes, relay, topology
from scripts.exercise.browser import PageStuck
from scripts.exercise.dhcp import Client
from scripts.exercise.phone import Phone
from scripts.exercise.place import Place
from scripts.exercise.processes import run, within

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

# A wizard with the marks of ours, and one page more: line, ticket, site, joining, done.
WIZARD = """
import http.server, time
FORM = '<form method="post" data-step="%s">%s<button data-primary>OK</button></form>'
PAGES = {
    "line": "<meta http-equiv=refresh content=1>",
    "ticket": FORM % ("ticket", '<textarea name="ticket"></textarea>'),
    "site": FORM % ("site", "") ,
    "joining": "<meta http-equiv=refresh content=1>",
    "done": "",
}
NEXT = dict(zip(PAGES, list(PAGES)[1:]))
state = ["line"]

class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def answer(self):
        step = state[0]
        phase = {"done": "PROTECTED"}.get(step, "SETUP")
        body = f'<!doctype html><body data-step="{step}" data-phase="{phase}">{PAGES[step]}'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer()
        if self.path == "/" and state[0] in ("line", "joining"):
            state[0] = NEXT[state[0]]
    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if state[0] != "ticket" or b"NOROSHI%3Aok" in sent:
            state[0] = NEXT[state[0]]
        self.answer()

http.server.HTTPServer(("10.86.86.1", 80), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """A box that is a bridge with an address and a DHCP server."""
    place = Place(f"exp{os.getpid()}")
    topology.up(place)
    box = place.namespace("box")
    bridge = ("link add lan type bridge", "address add 10.86.86.1/24 dev lan", "link set lan up")
    ports = (f"link set {port} master lan" for port in ("port1", "port2"))
    for words in (*bridge, *ports, "link set port2 up"):
        run("ip", "-n", box, *words.split())
    for key in ("iptables", "arptables", "ip6tables"):
        switch = Path(f"/proc/sys/net/bridge/bridge-nf-call-{key}")
        if switch.exists():
            run(*within(box, ("sysctl", "-qw", f"net.bridge.bridge-nf-call-{key}=0")))
    server = (
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-ping",
        "--port=0",
        "--pid-file=",
    )
    ranges = ("--interface=lan", "--bind-interfaces", "--dhcp-range=10.86.86.10,10.86.86.90,5m")
    lasting = (
        f"--dhcp-leasefile={place.folder('box')}/leases",
        "--dhcp-authoritative",
        "--dhcp-option=option:dns-server,10.86.86.1",
    )
    processes.start(place, "box-dhcp", within(box, (*server, *ranges, *lasting)))
    try:
        yield place
    finally:
        topology.down(place)


@pytest.fixture
def wizard(place: Place) -> Iterator[None]:
    argv = (sys.executable, "-c", WIZARD)
    processes.start(place, "box-web", within(place.namespace("box"), argv))
    yield
    processes.end(place, "box-web")


@pytest.fixture(scope="module")
def phone(place: Place) -> Iterator[Phone]:
    phone = Phone(place)
    phone.browser.start()
    phone.dhcp.start()
    phone.dhcp.wait(patience=10)
    yield phone
    phone.browser.stop()


@pytest.mark.usefixtures("wizard")
def test_the_thumb_walks_a_wizard_by_its_marks_alone(phone: Phone, tmp_path: Path) -> None:
    walk = phone.walk("NOROSHI:ok", tmp_path / "shots", patience=30)
    assert walk.steps[-4:] == ("ticket", "site", "joining", "done")
    assert [Path(page["screenshot"]).name for page in walk.pages][-1].endswith("-done.png")
    assert all(Path(page["screenshot"]).stat().st_size > 500 for page in walk.pages)


@pytest.mark.usefixtures("wizard")
def test_a_walk_that_does_not_end_says_where_it_stands(phone: Phone, tmp_path: Path) -> None:
    with pytest.raises(PageStuck, match="ticket"):
        phone.walk("NOROSHI:torn", tmp_path / "shots", patience=3)


def test_a_cable_put_in_asks_for_an_address_by_itself(place: Place) -> None:
    laptop = Client(place, "laptop")
    laptop.start()
    time.sleep(0.3)
    assert laptop.lease() is None, "guard: nobody is at the cable's other end"
    run("ip", "-n", place.namespace("box"), "link", "set", "port1", "up")
    lease = laptop.wait("10.86.86.0/24", patience=5, again_every=60)
    assert lease.gateway == "10.86.86.1"
    laptop.pull_cable()
    laptop.put_cable()
    deadline = time.monotonic() + 5
    while (again := laptop.lease()) is None or again.at <= lease.at:
        assert time.monotonic() < deadline, "the cable came back and nobody asked"
        time.sleep(0.02)
    laptop.stop()


def test_the_hosts_own_resolver_settings_are_untouched(place: Place, phone: Phone) -> None:
    assert phone.dhcp.lease() is not None
    assert "10.86.86.1" not in Path("/etc/resolv.conf").read_text()
    assert "10.86.86.1" in run(*within(place.namespace("phone"), ("cat", "/etc/resolv.conf")))


def test_loopback_leads_to_the_wizard_and_says_so_while_it_does_not(place: Place, phone: Phone) -> None:
    assert phone.dhcp.lease() is not None
    ports = relay.start(place)
    address = f"http://127.0.0.1:{ports['wizard']}/"
    with pytest.raises(urllib.error.HTTPError, match="503") as silent:
        urllib.request.urlopen(address, timeout=10)
    assert b"does not answer yet" in silent.value.read()
    silent.value.close()
    argv = (sys.executable, "-c", WIZARD)
    processes.start(place, "box-web", within(place.namespace("box"), argv))
    deadline = time.monotonic() + 5
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as page:
                assert b"data-step" in page.read()
            break
        except urllib.error.HTTPError as not_yet:
            not_yet.close()
            assert time.monotonic() < deadline
    processes.end(place, "box-web")
    relay.stop(place)


def test_a_taken_port_makes_the_relay_take_the_next_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wished = taken.getsockname()[1]
        with relay.listen(wished) as listening:
            host, port = listening.getsockname()
    assert host == "127.0.0.1"
    assert wished < port <= wished + relay.HIGHEST
