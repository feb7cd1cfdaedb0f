"""A real client opens the signed file against a real server that insists on NLA, as an own desk PC does."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from appliance.core.desktop_profiles import GreetingKind
from appliance.core.desktops import desktop_from_profile
from appliance.core.machine import Answer
from appliance.core.model import Desktop, DesktopKind, NetworkClass
from appliance.core.rdp_file import encoded, file_name, rdp_text
from appliance.host.greeting import greet, greet_desktop
from appliance.host.profiles import packaged_profiles
from appliance.host.rdp_signature import make_publisher, sign

NEEDED = ("freerdp-shadow-cli", "winpr-hash", "xfreerdp", "Xvfb")
pytestmark = pytest.mark.skipif(not all(shutil.which(x) for x in NEEDED), reason=f"needs {', '.join(NEEDED)}")


@dataclass(frozen=True)
class DeskPC:
    port: int
    home: Path
    environment: dict[str, str]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskPC]:
    home = tmp_path_factory.mktemp("desk")
    digest = subprocess.run(
        ["winpr-hash", "-u", "soumu", "-p", "tadashii"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    ).stdout.strip()
    (home / "sam").write_text(f"soumu:::{digest}:::\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reads, writes = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(writes), "-screen", "0", "640x480x24"],
        pass_fds=[writes],
        stderr=subprocess.DEVNULL,
    ) as screen:
        os.close(writes)
        with os.fdopen(reads) as number:
            display = f":{number.readline().strip()}"
        command = ["freerdp-shadow-cli", f"/port:{port}", "/sec:nla", f"/sam-file:{home}/sam"]
        environment = {**os.environ, "DISPLAY": display, "HOME": str(home)}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as server:
            try:
                end = time.monotonic() + 15
                while greet("127.0.0.1", port, GreetingKind.RDP).answer is Answer.REFUSED:
                    assert time.monotonic() < end, "the desk PC did not come up"
                    time.sleep(0.05)
                yield DeskPC(port=port, home=home, environment=environment)
            finally:
                server.kill()
                screen.terminate()  # it removes its lock file


def desktop(port: int, certificate: str = "") -> Desktop:
    made = desktop_from_profile(
        packaged_profiles()["rdp"],
        name="soumu",
        title="総務課 1番",
        kind=DesktopKind.OWN_PC,
        network=NetworkClass.LGWAN,
        hosts={"host": ["127.0.0.1"]},
        desktops_network="127.0.0.0/8",
        certificate=certificate,
    )
    return replace(made, endpoints=tuple(replace(x, port=port) for x in made.endpoints))


def test_a_desk_pc_with_nla_answers_and_its_pin_is_held(desk: DeskPC) -> None:
    shown = greet("127.0.0.1", desk.port, GreetingKind.RDP).certificate
    assert len(shown) == 64
    for pin, answer in (("", Answer.ANSWERS), (shown, Answer.ANSWERS), ("ab" * 32, Answer.WRONG_CERTIFICATE)):
        assert greet_desktop(desktop(desk.port, pin), packaged_profiles(), now=1.0).answer is answer


@pytest.mark.parametrize(("password", "opens"), [("tadashii", True), ("machigai", False)])
def test_a_real_client_opens_the_signed_file(desk: DeskPC, password: str, opens: bool) -> None:
    made = desktop(desk.port)
    file = desk.home / file_name(made)
    file.write_bytes(encoded(sign(rdp_text(made), make_publisher("上越市", time.time()))))
    command = ["xfreerdp", str(file), "/cert:ignore", "/u:soumu", f"/p:{password}", "+auth-only"]
    done = subprocess.run(command, env=desk.environment, capture_output=True, timeout=30, check=False)
    # 147 is FreeRDP's word for a sign-in that failed; 0 and 147 are both from beyond the greeting.
    assert done.returncode == (0 if opens else 147), done.stdout.decode(errors="replace")
