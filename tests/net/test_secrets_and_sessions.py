"""Keys show up nowhere, and a change of the tunnel's settings does not end its session."""

from __future__ import annotations

from pathlib import Path

from scripts.exercise.processes import run
from tests.net.world import World, eventually


def _secrets(box: World) -> list[str]:
    """Everything that must never be seen: of the box, of HQ, of every invitation."""
    config, hub = box.config(), box.hub_config()
    return [
        config["keys"]["tunnel_private"],
        config["keys"]["report_private"],
        hub.private_key.reveal(),
        hub.signing_private.reveal(),
        *(x.ticket.invitation_key.reveal() for x in hub.invitations),
    ]


def test_no_key_is_ever_on_a_command_line_in_a_log_or_in_an_answer(box: World) -> None:
    box.power_on()
    box.until_line()
    text = box.ticket()
    lines: set[bytes] = set()
    box.ask_box("redeem", ticket=text)

    def look() -> bool:
        lines.update(_command_lines())
        return bool(box.status().get("phase") == "PROTECTED")

    eventually("PROTECTED", look)
    secrets = _secrets(box)
    assert len(secrets) > 4
    assert all(len(x) == 44 for x in secrets)
    said = [box.cli("box", x).stdout for x in ("status", "plan", "doctor")]
    logs = [x for x in box.place.root.rglob("*.log") if "desk" not in x.name]
    assert logs
    found = [*said, *(x.read_text(errors="replace") for x in logs), *(x.decode() for x in lines)]
    for secret in (*secrets, text.removeprefix("NOROSHI:")[40:100]):
        assert not [x for x in found if secret in x]
    private = [x for x in (box.run_folder()).rglob("*") if x.is_file() and x.suffix in (".json", ".conf")]
    for path in private:
        assert not [x for x in secrets if x in path.read_text()], path
    assert (box.state() / "config.json").stat().st_mode & 0o777 == 0o600
    assert (box.state("hq") / "hub.json").stat().st_mode & 0o777 == 0o600


def _command_lines() -> set[bytes]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(path.read_bytes())
        except OSError:
            continue
    return {x for x in found if b"\xff" not in x}


def test_a_change_of_peers_at_hq_keeps_every_session(box: World) -> None:
    name = box.protected()
    key = next(x.tunnel_public for x in box.hub_config().boxes if x.name == name)
    before = _handshake(box, key)
    assert before > 0
    for _ in range(3):
        box.ticket()  # each one is a peer more
    assert _handshake(box, key) == before
    box.add_desktop("kyufu", "10.10.0.77")
    box.ask_hub("remove-desktop", name="kyufu")
    assert _handshake(box, key) == before


def _handshake(box: World, key: str) -> int:
    lines = run("wg", "show", f"{box.place.prefix}-hub", "latest-handshakes").splitlines()
    return int(next(x for x in lines if x.startswith(key)).split()[1])


def test_the_tunnels_packets_are_marked_and_leave_no_other_way(box: World) -> None:
    box.protected()
    assert run("wg", "show", f"{box.place.prefix}-wg", "fwmark").strip() == "0x4e52"
    main = box.inside("box", "ip", "route", "show", "table", "main")
    assert "default" not in main, "without the mark there is no way out"
    assert "default" not in box.inside("field", "ip", "route")
