#!/usr/bin/python3 -IS
"""Relays one phone's TCP to ports 80 and 443, and its name questions, by the sockets it was given; see relay.py. Ends
when its standard input does, and after its time. Runs as nobody in particular, without the project."""

import asyncio
import contextlib
import os
import socket
import struct
import sys

PORTS = (80, 443)
SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h
CONNECT_WITHIN, ANSWER_WITHIN = 10.0, 5.0
AT_ONCE = 64


def meant_for(channel: socket.socket) -> tuple[str, int]:
    """Where the phone wanted to go, before the rules turned it our way."""
    _, port, address = struct.unpack("!HH4s8x", channel.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16))
    return socket.inet_ntoa(address), port


async def pump(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while data := await loop.sock_recv(source, 65536):
            await loop.sock_sendall(target, data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


async def one(phone: socket.socket, line: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with phone, line, contextlib.suppress(OSError, TimeoutError):
        phone.setblocking(False)
        address, port = meant_for(phone)
        if port in PORTS:
            await asyncio.wait_for(loop.sock_connect(line, (address, port)), CONNECT_WITHIN)
            await asyncio.gather(pump(phone, line), pump(line, phone))


async def streams(listener: socket.socket, lines: list[socket.socket]) -> None:
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    while lines:
        phone, _ = await loop.sock_accept(listener)
        if len(tasks) >= AT_ONCE:
            phone.close()
            continue
        task = asyncio.ensure_future(one(phone, lines.pop()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    listener.close()  # every socket was used: nothing more leaves


async def names(listener: socket.socket, line: socket.socket, server: str, lock: asyncio.Lock) -> None:
    """One question at a time for each of our sockets; the phone asks again by itself."""
    loop = asyncio.get_running_loop()
    while True:
        async with lock:
            question, phone = await loop.sock_recvfrom(listener, 1500)
        with contextlib.suppress(OSError, TimeoutError):
            await loop.sock_sendto(line, question, (server, 53))
            answer = await asyncio.wait_for(right_answer(line, question, server), ANSWER_WITHIN)
            await loop.sock_sendto(listener, answer, phone)


async def right_answer(line: socket.socket, question: bytes, server: str) -> bytes:
    while True:
        answer, source = await asyncio.get_running_loop().sock_recvfrom(line, 4096)
        if source == (server, 53) and answer[:2] == question[:2]:
            return answer


async def held() -> None:
    """Until the daemon lets go of us, or dies."""
    ended = asyncio.Event()
    os.set_blocking(0, False)

    def look() -> None:
        with contextlib.suppress(BlockingIOError):
            if not os.read(0, 64):
                ended.set()

    asyncio.get_running_loop().add_reader(0, look)
    await ended.wait()


async def main() -> None:
    seconds, *groups = sys.argv[1:5]
    (tcp, udp), lines, questions = (
        [socket.socket(fileno=int(x)) for x in group.split(",")] for group in groups
    )
    servers, lock = sys.argv[5:], asyncio.Lock()
    work = [asyncio.ensure_future(streams(tcp, lines))]
    for place, line in enumerate(questions if servers else ()):
        work.append(asyncio.ensure_future(names(udp, line, servers[place % len(servers)], lock)))
    await asyncio.wait([asyncio.ensure_future(held())], timeout=float(seconds))
    os._exit(0)  # whatever is still on its way ends here


if __name__ == "__main__":
    asyncio.run(main())
