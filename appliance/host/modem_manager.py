"""ModemManager, asked over the system's message bus: which modems there are, and what one of them is to do. Decides nothing.

A thread asks whenever ModemManager says that something changed, and every few seconds; an order has a thread of its own,
because a carrier may take minutes to answer. Nobody's turn waits for either. A message bus and not `mmcli`: a contract's
password would stand on its command line, and each look would be three processes.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from jeepney import (
    DBusAddress,
    HeaderFields,
    MatchRule,
    MessageFlag,
    MessageType,
    message_bus,
    new_method_call,
)
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from appliance.core.codec import Invalid
from appliance.core.modem import (
    BEARER,
    MODEM,
    MOST_MODEMS,
    NAME,
    Mobile,
    Modem,
    Order,
    bearers_of,
    read,
)
from appliance.host.hardware import SYS, has_modem

ROOT = "/" + NAME.replace(".", "/")
SIMPLE = f"{MODEM}.Simple"
LOOK_AGAIN = 5.0  # seconds, when nothing was said meanwhile
ANSWER_WITHIN, DONE_WITHIN = 10.0, 180.0  # seconds for a look; for a carrier
BREATH = 0.3  # seconds between two looks: a modem that is switched on says fifty things at once
_AUTH = {"pap": 1 << 1, "chap": 1 << 2}  # MMBearerAllowedAuth
_PLAIN_LIMIT = 6  # levels of a value that are looked into


class Unanswered(RuntimeError):
    """ModemManager is not there, or refused; the text is the error's name."""


class Modems:
    """`look` at any time. `bus`: the message bus, as jeepney takes it."""

    def __init__(self, wake: Callable[[], None], bus: str = "SYSTEM", classes: Path = SYS.parent) -> None:
        self._wake, self._bus, self._classes = wake, bus, classes
        self._seen = Mobile()
        self._lock = threading.Lock()
        self._started = False

    def look(self) -> Mobile:
        """What was heard last. Where no hardware ever was, nobody is asked."""
        hardware = has_modem(self._classes)
        if hardware and not self._started:
            self._started = True
            threading.Thread(target=self._run, name="modems", daemon=True).start()
        return replace(self._seen, hardware=hardware)

    def do(self, order: Order) -> None:
        """Begin with it. While one is being carried out, others are passed over."""
        with self._lock:
            if self._seen.busy:
                return
            self._seen = replace(self._seen, busy=True)
        threading.Thread(target=self._carry_out, args=(order,), name="modem-order", daemon=True).start()

    # ------------------------------------------------------------------------------------ in threads

    def _run(self) -> None:
        while True:
            with contextlib.suppress(OSError, Unanswered, Invalid, EOFError):
                self._follow()
            self._tell(modems=())
            time.sleep(LOOK_AGAIN)

    def _follow(self) -> None:
        """Until the bus goes away."""
        news = MatchRule(type="signal", path_namespace=ROOT)
        with open_dbus_connection(self._bus) as bus, bus.filter(news, bufsize=1) as said:
            _call(bus, message_bus.AddMatch(news))
            while True:
                try:
                    self._tell(modems=_ask(bus))
                except Unanswered:
                    self._tell(modems=())
                with contextlib.suppress(TimeoutError):
                    bus.recv_until_filtered(said, timeout=LOOK_AGAIN)
                time.sleep(BREATH)
                said.clear()

    def _carry_out(self, order: Order) -> None:
        error = ""
        try:
            with open_dbus_connection(self._bus) as bus:
                for message in _messages(order):
                    _call(bus, message, DONE_WITHIN)
        except (OSError, Unanswered, EOFError) as problem:
            error = str(problem)[:200] or type(problem).__name__
            sys.stderr.write(f"noroshi: modem: {error}\n")
        with contextlib.suppress(OSError, Unanswered, EOFError), open_dbus_connection(self._bus) as bus:
            self._tell(modems=_ask(bus))
        failed = self._seen.failed + 1 if error else 0 if order.connect else self._seen.failed
        self._tell(busy=False, failed=failed, error=error)

    def _tell(self, **news: Any) -> None:
        with self._lock:
            before = self._seen
            self._seen = replace(before, **news)
        if self._seen != before:
            self._wake()


def _messages(order: Order) -> Iterator[Any]:
    simple = DBusAddress(order.path, bus_name=NAME, interface=SIMPLE)
    if order.hang_up:
        yield new_method_call(simple, "Disconnect", "o", ("/",))
    if order.connect:
        yield new_method_call(simple, "Connect", "a{sv}", (_wishes(order),))
    else:
        yield new_method_call(DBusAddress(order.path, bus_name=NAME, interface=MODEM), "Enable", "b", (True,))


def _wishes(order: Order) -> dict[str, tuple[str, object]]:
    """An empty access point is the SIM's own; without the word ModemManager refuses. Other carriers' networks are paid
    for by the byte: only where the contract has them."""
    told: dict[str, tuple[str, object]] = {"apn": ("s", order.apn), "allow-roaming": ("b", order.roaming)}
    for key, text in (("user", order.user), ("password", order.password.reveal())):
        if text:
            told[key] = ("s", text)
    if order.auth in _AUTH:
        told["allowed-auth"] = ("u", _AUTH[order.auth])
    return told


def _ask(bus: DBusConnection) -> tuple[Modem, ...]:
    objects = DBusAddress(ROOT, bus_name=NAME, interface="org.freedesktop.DBus.ObjectManager")
    (told,) = _call(bus, new_method_call(objects, "GetManagedObjects"))
    found = []
    for path, interfaces in sorted(told.items())[:MOST_MODEMS]:
        modem = interfaces.get(MODEM, {})
        bearers = tuple(_properties(bus, x) for x in bearers_of(modem))
        read_one = read(path, interfaces, bearers)
        if read_one is not None:
            found.append(read_one)
    return tuple(found)


def _properties(bus: DBusConnection, path: str) -> dict[str, object]:
    """A connection's; one that has gone meanwhile has none."""
    at = DBusAddress(path, bus_name=NAME, interface="org.freedesktop.DBus.Properties")
    try:
        (told,) = _call(bus, new_method_call(at, "GetAll", "s", (BEARER,)))
    except Unanswered:
        return {}
    return told if isinstance(told, dict) else {}


def _call(bus: DBusConnection, message: Any, within: float = ANSWER_WITHIN) -> tuple[Any, ...]:
    """What comes back, in plain values. Starts nobody: who keeps ModemManager running is decided elsewhere."""
    message.header.flags |= MessageFlag.no_auto_start
    try:
        reply = bus.send_and_get_reply(message, timeout=within)
    except TimeoutError as error:
        raise Unanswered("timeout") from error
    if reply.header.message_type is MessageType.error:
        raise Unanswered(str(reply.header.fields.get(HeaderFields.error_name, "error")))
    return tuple(_plain(x) for x in reply.body)


def _plain(value: object, depth: int = 0) -> object:
    """Variants as what is in them."""
    if depth > _PLAIN_LIMIT:
        return None
    if isinstance(value, dict):
        return {k: _plain(_inner(v), depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(x, depth + 1) for x in value]
    return value


def _inner(value: object) -> object:
    """jeepney gives a variant as (signature, value); dictionaries of ModemManager hold variants or dictionaries."""
    is_variant = isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)
    return value[1] if is_variant else value  # type: ignore[index]
