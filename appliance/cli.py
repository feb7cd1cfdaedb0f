"""`noroshi`: a table of verbs, one small function each. It talks to the door, or starts what stands behind it."""

from __future__ import annotations

import ipaddress
import json
import socket
import sys
from pathlib import Path
from typing import Any

import click

from appliance import VERSION
from appliance.control import Refused, Unreachable, ask
from appliance.core.words import trial_words

LANGUAGE = click.option(
    "--language", type=click.Choice(["ja", "en"]), default="ja", help="Language of the answer."
)


def _door() -> Path:
    from appliance.host.surroundings import folders

    return folders()[1] / "door"


def _ask(request: dict[str, Any], language: str = "ja") -> dict[str, Any]:
    """The door's answer; a refusal becomes words and exit code 1."""
    try:
        return ask(_door(), request)
    except Refused as error:
        sentence = error.sentence
        what, do = (
            (sentence.what_ja, sentence.do_ja) if language == "ja" else (sentence.what_en, sentence.do_en)
        )
        raise click.ClickException(f"{what} ({sentence.number})\n  → {do}") from error
    except Unreachable as error:
        raise _not_running() from error


def _not_running() -> click.ClickException:
    return click.ClickException("noroshi が動いていません。 / The daemon does not run.\n  → noroshi daemon")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="noroshi")
def main() -> None:
    """Noroshi (狼煙): a box that opens a field office, and the hub it reports to."""


# ---------------------------------------------------------------------------------------------- both


@main.command()
def daemon() -> None:
    """Run the box, or the hub where `noroshi hq init` was done."""
    from appliance.serve import run_daemon

    run_daemon()


@main.command()
def block() -> None:
    """Close the machine before its network is there; the image runs this first."""
    from appliance.host import firewall_boot, surroundings

    firewall_boot.close(surroundings.machine())


@main.command()
def plan() -> None:
    """Print the steps that are still to do, secrets masked."""
    steps = _steps()
    for step in steps:
        click.echo(step)
    if not steps:
        click.echo("何もすることはありません / nothing to do")


def _steps() -> list[str]:
    """What the daemon saw last against what it wants; masked by the door already."""
    from appliance.core.codec import load
    from appliance.core.machine import Desired, Observed
    from appliance.core.plan import plan as make_plan

    snapshot = _ask({"ask": "snapshot"})
    steps = make_plan(load(Desired, snapshot["desired"]), load(Observed, snapshot["observed"]))
    return [repr(x) for x in steps]


# ------------------------------------------------------------------------------------------- the box


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@LANGUAGE
def status(as_json: bool, language: str) -> None:
    """What the box is doing, why, and what to do."""
    found = _ask({"ask": "status"}, language)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    words = found["words"][language]
    click.echo(f"{found['phase']}  {words['what']} ({found['number']})\n  → {words['do']}")
    if found["site"]:
        click.echo(f"  {found['site']} / {found['hq_name']}")
    for x in found["desktops"]:
        click.echo(f"  {'○' if x['open'] and x['answer'] == 'answers' else '×'} {x['title']}  {x['address']}")


@main.command()
@LANGUAGE
def doctor(language: str) -> None:
    """What is wrong, and the one thing to do about it. Exit code 1 when something is."""
    from appliance.doctor import findings

    found = findings(_ask({"ask": "status"}, language), _steps(), language)
    for x in found:
        click.echo(f"{'○' if x.good else '×'} {x.what}")
        if x.do and not x.good:
            click.echo(f"  → {x.do}")
    sys.exit(0 if all(x.good for x in found[:1]) else 1)


@main.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long to wait for the result.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def prove(seconds: float, as_json: bool) -> None:
    """Try what must pass and what must not, as a laptop would. Exit code 1 unless all of it is as it should be."""
    import time

    _ask({"ask": "prove"})
    deadline = time.monotonic() + seconds
    while True:
        time.sleep(0.2)
        proof = _ask({"ask": "status"})["proof"]
        if proof and not proof["running"]:
            break
        if time.monotonic() > deadline:
            raise click.ClickException("まだ終わりません / not done yet")
    if as_json:
        click.echo(json.dumps(proof, ensure_ascii=False, indent=1))
    else:
        for x in proof["rows"]:
            click.echo(
                f"{'○' if x['ok'] else '×'} {trial_words(x['what'], 'ja')} {x['target']:<28} {x['outcome']}"
            )
    sys.exit(0 if proof["ok"] else 1)


@main.command()
@click.argument("ticket")
@LANGUAGE
def join(ticket: str, language: str) -> None:
    """Join HQ with TICKET: the text itself, or a file that holds it."""
    path = Path(ticket)
    text = path.read_text(errors="replace")[:16384] if len(ticket) < 256 and path.is_file() else ticket
    site = _ask({"ask": "redeem", "ticket": text}, language)["site"]
    click.echo(f"「{site}」として役所につないでいます / joining as {site}")


# --------------------------------------------------------------------------------------------- HQ


@main.group()
def hq() -> None:
    """What HQ does: set up, invite, start missions, look at the board."""


@hq.command()
@click.option("--name", prompt="本部の名前 (例: 上越市 災害対策本部)", help="HQ's name as people call it.")
@click.option(
    "--endpoint", prompt="外から見た入口 (住所または名前:ポート)", multiple=False, help="Public HOST[:PORT]."
)
@click.option("--desktops-network", prompt="デスクトップのある網 (例: 10.10.0.0/24)", help="IPv4 network.")
@click.option("--admin", default="admin", show_default=True, help="Name of the first administrator.")
@click.option("--password-file", type=click.Path(dir_okay=False), help="Take the password from this file.")
@click.option("--staff-address", default="", help="Address inside HQ where the staff's pages listen.")
def init(
    name: str, endpoint: str, desktops_network: str, admin: str, password_file: str | None, staff_address: str
) -> None:
    """Make a working HQ from three answers. Prints the first administrator's password once."""
    from appliance.hub.setup import ALREADY, Bad, initialize

    password = Path(password_file).read_text().strip() if password_file else ""
    try:
        made = initialize(
            name=name,
            endpoint=endpoint,
            desktops_network=desktops_network,
            admin=admin,
            password=password,
            staff_address=staff_address,
        )
    except Bad as error:
        hint = (
            "別の場所で始めるか、いまの設定を使ってください"
            if str(error) == ALREADY
            else "値を見直してください"
        )
        raise click.ClickException(f"{error}\n  → {hint}") from error
    click.echo(f"本部ができました: {name}\n  入口 {', '.join(made.endpoints)}\n  公開鍵 {made.public_key}")
    click.echo(f"  最初の管理者 {admin}  パスワード {made.password if not password else '(指定のとおり)'}")
    click.echo("  次: noroshi daemon を動かし、noroshi hq desktop add でデスクトップを登録します")


@hq.command()
@click.argument("site")
@click.option("--days", default=7, show_default=True, help="Days until the ticket expires.")
@click.option(
    "--mission",
    type=click.Choice(["disaster", "drill", "home", "venue", "permanent"]),
    help="The ticket carries a mission that starts when the box joins.",
)
@click.option("--mission-days", default=7, show_default=True)
@click.option("--png", type=click.Path(dir_okay=False), help="Write the QR code as PNG.")
@click.option("--svg", type=click.Path(dir_okay=False), help="Write the QR code as SVG.")
@click.option("--text", type=click.Path(dir_okay=False), help="Write the text.")
@click.option("--quiet", is_flag=True, help="No QR code in the terminal.")
def ticket(
    site: str,
    days: int,
    mission: str | None,
    mission_days: int,
    png: str | None,
    svg: str | None,
    text: str | None,
    quiet: bool,
) -> None:
    """Invite one box: print a QR code for SITE, and write it as PNG, SVG and text."""
    import getpass
    import io

    import segno

    wished = {"kind": mission, "days": mission_days} if mission else None
    by = f"{getpass.getuser()} (noroshi hq ticket)"
    made = _ask({"ask": "issue-ticket", "site": site, "days": days, "by": by, "mission": wished})
    code = segno.make(made["text"], error="m", boost_error=False)
    for path, kind in ((png, "png"), (svg, "svg")):
        if path:
            buffer = io.BytesIO()
            code.save(buffer, kind=kind, scale=6, border=4)
            _write_secret(Path(path), buffer.getvalue())
    if text:
        _write_secret(Path(text), made["text"].encode() + b"\n")
    if not quiet:
        code.terminal(compact=True)
        click.echo(made["text"])
    click.echo(f"「{made['site']}」 {days}日間有効。1台だけが使えます", err=True)


def _write_secret(path: Path, content: bytes) -> None:
    """An invitation is a secret until it is used: for its owner's eyes."""
    path.touch(mode=0o600)
    path.write_bytes(content)


@hq.group()
def desktop() -> None:
    """The register of desktops."""


@desktop.command("add")
@click.argument("name")
@click.option("--title", required=True, help="As people read it.")
@click.option("--host", "hosts", required=True, multiple=True, help="ADDRESS, or ROLE=ADDRESS[,ADDRESS…].")
@click.option("--profile", default="rdp", show_default=True, help="Product; see desktop_profiles.toml.")
@click.option(
    "--kind", type=click.Choice(["own-pc", "shared-host", "virtual"]), default="own-pc", show_default=True
)
@click.option(
    "--network", type=click.Choice(["lgwan", "mynumber", "internet"]), default="lgwan", show_default=True
)
@click.option("--certificate", default="", help="SHA-256 fingerprint of its TLS certificate.")
@click.option("--drill", is_flag=True, help="Opens in drills, and only then.")
def desktop_add(
    name: str,
    title: str,
    hosts: tuple[str, ...],
    profile: str,
    kind: str,
    network: str,
    certificate: str,
    drill: bool,
) -> None:
    """Register a desktop NAME ([a-z0-9-])."""
    roles: dict[str, list[str]] = {}
    for x in hosts:
        role, separator, addresses = x.rpartition("=")
        roles.setdefault(role if separator else "host", []).extend(addresses.split(","))
    request = {
        "name": name,
        "title": title,
        "hosts": roles,
        "profile": profile,
        "kind": kind,
        "network": network,
    }
    _ask({"ask": "add-desktop", **request, "certificate": certificate, "drill": drill, "by": "root"})
    click.echo(f"登録しました: {title}")


@desktop.command("remove")
@click.argument("name")
def desktop_remove(name: str) -> None:
    """Take a desktop away; it closes for running sessions, too."""
    _ask({"ask": "remove-desktop", "name": name, "by": "root"})


@hq.group()
def device() -> None:
    """The register of laptops: which hardware address may open which desktops."""


@device.command("add")
@click.argument("name")
@click.option("--title", default="", help="As HQ's people read it.")
@click.option(
    "--mac", "macs", required=True, multiple=True, help="Hardware address; several for several sockets."
)
@click.option(
    "--desktop", "desktops", required=True, multiple=True, help="Name of a desktop; '*' alone for every one."
)
def device_add(name: str, title: str, macs: tuple[str, ...], desktops: tuple[str, ...]) -> None:
    """Register a laptop by its asset number NAME."""
    wanted = {"name": name, "title": title, "macs": list(macs), "desktops": list(desktops)}
    _ask({"ask": "add-device", **wanted, "by": "root"})
    click.echo(f"登録しました: {name}")


@device.command("remove")
@click.argument("name")
def device_remove(name: str) -> None:
    """Take a laptop out of the register; its desktops close for running sessions, too."""
    _ask({"ask": "remove-device", "name": name, "by": "root"})


@device.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@LANGUAGE
def device_import(file: str, language: str) -> None:
    """Register laptops from a CSV FILE: asset number, title, hardware addresses, desktops. All of it or nothing."""
    from appliance.core.devices import MOST_TEXT, list_text
    from appliance.core.words import Refused as CoreRefused
    from appliance.core.words import refusal

    try:
        with Path(file).open("rb") as opened:
            text = list_text(opened.read(MOST_TEXT + 1))
    except CoreRefused as error:
        words = refusal(error.code).as_data()[language]
        raise click.ClickException(f"{words['what']}\n  → {words['do']}") from error
    answer = _ask({"ask": "import-devices", "text": text, "by": "root"}, language)
    for x in answer["problems"]:
        words = refusal(x["code"]).as_data()[language]
        click.echo(f"{x['line']}: {words['what']} ({x['value']})\n  → {words['do']}", err=True)
    if answer["problems"]:
        raise click.ClickException("何も変えていません / nothing was changed")
    click.echo(f"{answer['rows']}行を読み、{answer['devices']}台を登録しています")


@device.command("list")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def device_list(as_json: bool) -> None:
    """Which laptops are registered."""
    found = _ask({"ask": "devices"})["devices"]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    for x in found:
        click.echo(f"{x['name']:<20} {' '.join(x['macs'])}  {' '.join(x['desktops'])}  {x['title']}")


@hq.command()
@click.argument("box")
@click.option("--hours", type=float, required=True, help="At most 24; 0 ends it.")
def emergency(box: str, hours: float) -> None:
    """Let any laptop behind BOX reach its desktops for a while. It stays on record."""
    import getpass

    by = f"{getpass.getuser()} (noroshi hq emergency)"
    _ask({"ask": "emergency", "box": box, "hours": hours, "by": by})


@hq.group()
def mission() -> None:
    """Start and end missions."""


@mission.command("start")
@click.argument("box")
@click.option(
    "--kind", type=click.Choice(["disaster", "drill", "home", "venue", "permanent"]), default="disaster"
)
@click.option("--site", default="", help="Where; default: where the box is.")
@click.option("--hours", default=72.0, show_default=True)
def mission_start(box: str, kind: str, site: str, hours: float) -> None:
    """Open the desktops for BOX."""
    known = {x["name"]: x["site"] for x in _ask({"ask": "fleet"})["boxes"]}
    request = {
        "ask": "start-mission",
        "box": box,
        "kind": kind,
        "site": site or known.get(box, "?"),
        "hours": hours,
    }
    _ask({**request, "by": "root"})


@mission.command("end")
@click.argument("box")
def mission_end(box: str) -> None:
    """Close the desktops of BOX."""
    _ask({"ask": "end-mission", "box": box, "by": "root"})


@hq.command()
@click.argument("box")
def revoke(box: str) -> None:
    """Withdraw BOX: its routes and desktops are gone at once."""
    _ask({"ask": "revoke", "box": box, "by": "root"})


@hq.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def board(as_json: bool) -> None:
    """Which boxes are up, late or down, and why."""
    from appliance.host.surroundings import machine
    from appliance.hub.board import board_json
    from appliance.serve import database_url

    try:
        found = board_json(_door(), database_url(machine()))
    except Unreachable as error:
        raise _not_running() from error
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    for x in found["boxes"]:
        click.echo(f"{x['presence']:<6} {x['name']:<9} {x['phase'] or '-':<11} {x['site']}")


def resolve(endpoint: str, port: int) -> tuple[str, ...]:
    """HOST[:PORT] → literal endpoints, IPv4 first: boxes get addresses, not names."""
    host, separator, given = endpoint.rpartition(":")
    if not separator or not given.isdecimal():
        host, given = endpoint, str(port)
    host = host.strip("[]")
    found = {x[4][0] for x in socket.getaddrinfo(host, int(given), type=socket.SOCK_DGRAM)}
    addresses = sorted((ipaddress.ip_address(x) for x in found), key=lambda x: (x.version, int(x)))
    return tuple(f"{x}:{given}" if x.version == 4 else f"[{x}]:{given}" for x in addresses)


if __name__ == "__main__":
    main()
