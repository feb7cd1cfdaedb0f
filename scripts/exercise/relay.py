"""Two addresses on this machine's loopback that lead into the exercise, for a person's own browser.

A process of its own: it listens on loopback only, and every outgoing socket is born in a namespace of the
exercise. Nothing is routed and no name of the host is touched.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.exercise import processes
from scripts.exercise.namespaces import socket_in
from scripts.exercise.place import Place

HIGHEST = 40  # ports tried after the wished one


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    name: str
    port: int  # wished on loopback; the next free one is taken if it is not
    machine: str  # whose network the connection comes from
    address: str
    target: int


WAYS = (
    Way(name="wizard", port=8801, machine="phone", address="10.86.86.1", target=80),
    Way(name="hq", port=8802, machine="desk", address="10.10.0.1", target=8080),  # staff sit in HQ's network
)


def start(place: Place, *, patience: float = 5.0) -> dict[str, int]:
    """Start the relay; the loopback port of each way by name."""
    ports = place.folder("relay") / "ports.json"
    ports.unlink(missing_ok=True)
    argv = (sys.executable, "-m", "scripts.exercise.relay", "--prefix", place.prefix)
    processes.start(place, "relay", argv, cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + patience
    while not ports.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the relay did not start: see logs/relay.log")
        time.sleep(0.02)
    found: dict[str, int] = json.loads(ports.read_text())
    return found


def stop(place: Place) -> None:
    processes.end(place, "relay")


def listen(wished: int) -> socket.socket:
    for port in range(wished, wished + HIGHEST):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError:
            listening.close()
            continue
        listening.listen()
        return listening
    raise OSError(f"no free port from {wished} on")


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (OSError, asyncio.CancelledError):
        writer.close()


async def _carry(place: Place, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        outgoing = socket_in(place.namespace(way.machine))
        outgoing.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.sock_connect(outgoing, (way.address, way.target)), 5)
        except BaseException:
            outgoing.close()
            raise
        far_reader, far_writer = await asyncio.open_connection(sock=outgoing)
    except (OSError, TimeoutError) as reason:
        body = f"The exercise's {way.name} does not answer yet ({reason}). Try again in a moment.\n".encode()
        writer.write(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Refresh: 2\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        writer.close()
        return
    try:
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
    finally:
        far_writer.close()
        writer.close()


async def serve(place: Place, ways: tuple[Way, ...] = WAYS) -> None:
    """Relay until cancelled."""
    ports: dict[str, int] = {}
    servers = []
    for way in ways:
        listening = listen(way.port)
        ports[way.name] = listening.getsockname()[1]

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way = way) -> None:
            await _carry(place, way, reader, writer)

        servers.append(await asyncio.start_server(carry, sock=listening))
    fresh = place.folder("relay") / "ports.json.new"
    fresh.write_text(json.dumps(ports))
    fresh.rename(fresh.with_suffix(""))
    print(f"relaying {[asdict(way) for way in ways]} on {ports}", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.exercise.relay")
    parser.add_argument("--prefix", default="noroshi")
    asyncio.run(serve(Place(parser.parse_args().prefix)))
