"""Both ends of the relay on loopback, with a stand-in for HQ's WireGuard that says back what it hears."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from appliance.host import relay_certificate
from appliance.relay import client, server
from appliance.relay.frames import framed
from appliance.relay.pipe import received

HELLO = b"\x01\0\0\0" + bytes(144)
ANSWER = b"\x02\0\0\0" + bytes(88)
DATA = b"\x04\0\0\0" + bytes(1276)


class WireGuard(asyncio.DatagramProtocol):
    """Answers hellos and gives data back, as long as it `knows` who asks."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.knows = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        self.heard.append(data)
        if self.knows:
            self.transport.sendto(ANSWER if data == HELLO else data, source)


class Local(asyncio.DatagramProtocol):
    """The tunnel's own socket on the box."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        self.heard.append(data)


@dataclass(slots=True)
class Stage:
    wireguard: WireGuard
    local: Local
    send: Callable[[bytes], None]
    door: int


def free_port() -> int:
    import socket

    with socket.socket() as channel:
        channel.bind(("127.0.0.1", 0))
        return int(channel.getsockname()[1])


@contextlib.asynccontextmanager
async def stage(folder: Path, pin: str = "") -> AsyncIterator[Stage]:
    loop = asyncio.get_running_loop()
    made = relay_certificate.make(folder / "relay", "hq.example", 0, time.time())
    hub, wireguard = await loop.create_datagram_endpoint(WireGuard, local_addr=("127.0.0.1", 0))
    door, mouth = free_port(), free_port()
    keys = (str(folder / "relay/certificate.pem"), str(folder / "relay/key.pem"))
    far = asyncio.create_task(server.serve(door, hub.get_extra_info("sockname")[1], *keys))
    way = {"port": mouth, "device": "lo", "address": "127.0.0.1", "to": door}
    near = asyncio.create_task(client.serve({"pin": pin or made, "name": "hq.example", "ways": [way]}))
    await asyncio.sleep(0.05)
    box, local = await loop.create_datagram_endpoint(Local, local_addr=("127.0.0.1", 0))
    try:
        yield Stage(wireguard, local, lambda x: box.sendto(x, ("127.0.0.1", mouth)), door)
    finally:
        for task in (near, far):
            task.cancel()
        await asyncio.gather(near, far, return_exceptions=True)
        box.close()
        hub.close()


async def until(look: Callable[[], object], patience: float = 5.0) -> None:
    deadline = time.monotonic() + patience
    while not look():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def on_stage(folder: Path, play: Callable[[Stage], Awaitable[None]], pin: str = "") -> None:
    async def whole() -> None:
        async with stage(folder, pin) as here:
            await play(here)

    asyncio.run(whole())


def test_a_hello_goes_there_and_its_answer_comes_back_then_data_both_ways(tmp_path: Path) -> None:
    async def play(here: Stage) -> None:
        here.send(HELLO)
        await until(lambda: here.local.heard == [ANSWER])
        for _ in range(200):
            here.send(DATA)
            await asyncio.sleep(0)
        await until(lambda: len(here.local.heard) == 201)

    on_stage(tmp_path, play)


def test_whoever_cannot_show_the_pinned_certificate_is_told_nothing(tmp_path: Path) -> None:
    async def play(here: Stage) -> None:
        here.send(HELLO)
        await asyncio.sleep(0.5)
        assert here.wireguard.heard == here.local.heard == []

    on_stage(tmp_path, play, pin="0" * 64)


def test_what_is_no_packet_of_the_tunnel_s_is_not_carried(tmp_path: Path) -> None:
    async def play(here: Stage) -> None:
        here.send(b"x" * 148)
        here.send(HELLO)
        await until(lambda: here.local.heard)
        assert here.wireguard.heard == [HELLO]

    on_stage(tmp_path, play)


async def _guest(here: Stage) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return await asyncio.open_connection("127.0.0.1", here.door, ssl=context)


def test_hq_s_end_hands_on_the_tunnel_s_packets_only_and_ends_with_a_stranger_s_first_word(
    tmp_path: Path,
) -> None:
    async def play(here: Stage) -> None:
        reader, writer = await _guest(here)
        writer.write(framed([b"x" * 148, HELLO]))
        await until(lambda: here.wireguard.heard == [HELLO])
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert (await asyncio.wait_for(reader.read(), 3)).endswith(ANSWER)
        writer.close()

    on_stage(tmp_path, play)


def test_whom_wireguard_does_not_answer_says_little(tmp_path: Path) -> None:
    async def play(here: Stage) -> None:
        here.wireguard.knows = False
        _, writer = await _guest(here)
        for _ in range(20):
            writer.write(framed([DATA] * 100))
            await writer.drain()
        await asyncio.sleep(0.3)
        assert 0 < len(here.wireguard.heard) <= server.STRANGER_BURST + server.STRANGER_PACKETS
        writer.close()

    on_stage(tmp_path, play)


def test_one_source_has_so_many_connections_and_no_more(tmp_path: Path) -> None:
    async def play(here: Stage) -> None:
        guests = [await _guest(here) for _ in range(server.FROM_ONE_SOURCE)]
        with pytest.raises((OSError, ssl.SSLError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(_guest(here), 3)
        guests[0][1].close()
        await asyncio.sleep(0.2)
        guests.append(await _guest(here))
        for _, writer in guests:
            writer.close()

    on_stage(tmp_path, play)


def test_the_relay_that_was_away_is_found_again(tmp_path: Path) -> None:
    async def play(here: Stage) -> None:
        here.send(HELLO)
        await until(lambda: here.local.heard)
        for task in [x for x in asyncio.all_tasks() if "House._serve" in repr(x)]:
            task.cancel()  # HQ's end drops the connection
        await asyncio.sleep(0.1)
        here.local.heard.clear()
        for _ in range(30):
            here.send(HELLO)
            await asyncio.sleep(0.1)
            if here.local.heard:
                return
        raise AssertionError("never again")

    on_stage(tmp_path, play)


def test_sources_are_counted_by_what_one_household_has() -> None:
    assert server.source_of("198.51.100.2") == server.source_of("::ffff:198.51.100.2") == "198.51.100.2"
    assert server.source_of("2001:db8::1") == server.source_of("2001:db8::2:3") == "2001:db8::/64"


def test_a_batch_ends_where_nothing_waits() -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        channel.setblocking(False)
        assert received(channel) == []
