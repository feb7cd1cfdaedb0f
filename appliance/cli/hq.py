"""HQ's verbs, `noroshi hq …`: set up, invite, register, start missions, look at the board."""

from __future__ import annotations

import json
from pathlib import Path

import click

from appliance.cli.asking import asked, door, who
from appliance.cli.policy import policy
from appliance.cli.record import recorded
from appliance.cli.registers import desktop, device
from appliance.cli.table import Table
from appliance.cli.update import update


@click.command()
@click.option("--name", prompt="本部の名前 (例: 上越市 災害対策本部)", help="HQ's name as people call it.")
@click.option(
    "--endpoint",
    prompt="外から見た入口 (住所または名前:ポート)",
    help="Public HOST[:PORT]; several with commas. Names are looked up now, and by boxes that hear nothing.",
)
@click.option("--desktops-network", prompt="デスクトップのある網 (例: 10.10.0.0/24)", help="IPv4 network.")
@click.option("--admin", default="admin", show_default=True, help="Name of the first administrator.")
@click.option("--password-file", type=click.Path(dir_okay=False), help="Take the password from this file.")
@click.option(
    "--udp-port",
    "udp_ports",
    type=int,
    multiple=True,
    default=(443, 4500, 53),
    show_default=True,
    help="Further doors for lines that close the first one, best first; 0 alone for none.",
)
@click.option(
    "--relay-port",
    default=443,
    show_default=True,
    help="TCP, for lines that let no UDP through; 0 for none.",
)
@click.option(
    "--relay-name",
    default="",
    help="Server name that boxes tell such a line (SNI); default: the endpoint's, where it is a name.",
)
@click.option("--staff-address", default="", help="Address inside HQ where the staff's pages listen.")
def init(
    name: str,
    endpoint: str,
    desktops_network: str,
    admin: str,
    password_file: str | None,
    udp_ports: tuple[int, ...],
    relay_port: int,
    relay_name: str,
    staff_address: str,
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
            udp_ports=udp_ports,
            relay_port=relay_port,
            relay_name=relay_name,
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
    click.echo("      noroshi hq phone 番号 で、箱の画面に出す本部の電話を決めます")


@click.command()
@click.argument("site")
@click.option("--days", default=7, show_default=True, help="Days until the ticket expires.")
@click.option(
    "--mission",
    type=click.Choice(["disaster", "drill", "home", "venue", "permanent"]),
    help="The ticket carries a mission that starts when the box joins.",
)
@click.option("--mission-days", default=7, show_default=True, help="Days that the mission lasts.")
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
    import io

    import segno

    wished = {"kind": mission, "days": mission_days} if mission else None
    with recorded() as note:
        made = asked({"ask": "issue-ticket", "site": site, "days": days, "by": who(), "mission": wished})
        note("issue-ticket", made["id"], site)
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


@click.command()
@click.argument("box")
@click.option("--hours", type=float, required=True, help="At most 24; 0 ends it.")
def emergency(box: str, hours: float) -> None:
    """Let any laptop behind BOX reach its desktops for a while. It stays on record."""
    with recorded() as note:
        asked({"ask": "emergency", "box": box, "hours": hours, "by": who()})
        note("emergency", box, f"{hours:g} h")
    click.echo(
        f"緊急の設定を始めました / any laptop may open the desktops: {box}, {hours:g} h"
        if hours
        else f"緊急の設定を終えました / ended: {box}"
    )


@click.command()
@click.argument("box")
@click.option("--blue", type=int, multiple=True, help="A socket for lines, counted from 1; again for more.")
def sockets(box: str, blue: tuple[int, ...]) -> None:
    """Declare which built-in sockets of BOX are blue (lines), all of them; the others are yellow (laptops). It counts from
    the box's next start. Without --blue: what was declared."""
    if blue:
        with recorded() as note:
            asked({"ask": "declare-blue", "box": box, "blue": list(blue), "by": who()})
            note("declare-blue", box, " ".join(map(str, blue)))
    told = {x["name"]: x["blue"] for x in asked({"ask": "fleet"})["boxes"]}
    if box not in told:
        raise click.ClickException(f"その箱は登録されていません / no such box: {box}")
    click.echo("青 / blue: " + (", ".join(map(str, told[box])) or "-"))


@click.command()
@click.argument("number", required=False)
@click.option("--none", "nothing", is_flag=True, help="Boxes show no number any more.")
def phone(number: str | None, nothing: bool) -> None:
    """HQ's telephone NUMBER, which boxes show to people on site. Without one: what they show."""
    if number or nothing:
        with recorded() as note:
            asked({"ask": "set-phone", "phone": number or "", "by": who()})
            note("set-phone", number or "-", "")
    click.echo("電話 / telephone: " + (asked({"ask": "fleet"})["phone"] or "-"))


@click.command("start")
@click.argument("box")
@click.option(
    "--kind",
    type=click.Choice(["disaster", "drill", "home", "venue", "permanent"]),
    default="disaster",
    show_default=True,
)
@click.option("--site", default="", help="Where; default: where the box is.")
@click.option("--hours", default=72.0, show_default=True, help="How long; it ends by itself.")
def mission_start(box: str, kind: str, site: str, hours: float) -> None:
    """Open the desktops for BOX."""
    known = {x["name"]: x["site"] for x in asked({"ask": "fleet"})["boxes"]}
    site = site or known.get(box, "?")
    request = {"ask": "start-mission", "box": box, "kind": kind, "site": site, "hours": hours}
    with recorded() as note:
        asked({**request, "by": who()})
        note("start-mission", box, f"{kind} · {site} · {hours:g} h")
    click.echo(
        f"任務を始めました。デスクトップが開きます / mission started: {box}「{site}」{kind}, {hours:g} h"
    )


@click.command("end")
@click.argument("box")
def mission_end(box: str) -> None:
    """Close the desktops of BOX."""
    with recorded() as note:
        asked({"ask": "end-mission", "box": box, "by": who()})
        note("end-mission", box, "")
    click.echo(f"任務を終えました。デスクトップは閉じています / mission ended, desktops closed: {box}")


@click.command()
@click.argument("box")
def revoke(box: str) -> None:
    """Withdraw BOX: its routes and desktops are gone at once."""
    sites = {x["name"]: x["site"] for x in asked({"ask": "fleet"})["boxes"]}
    with recorded() as note:
        asked({"ask": "revoke", "box": box, "by": who()})
        note("revoke", box, sites.get(box, ""))
    click.echo(f"利用を停止しました / withdrawn: {box}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def board(as_json: bool) -> None:
    """Which boxes are up, late or down, and why."""
    from appliance.host.surroundings import machine
    from appliance.hub.board import board_json
    from appliance.serve import database_url

    asked({"ask": "fleet"})  # where there is no HQ, or nobody may ask it, this says so
    found = board_json(door(), database_url(machine()))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    for x in found["boxes"]:
        click.echo(f"{x['presence']:<6} {x['name']:<9} {x['phase'] or '-':<11} {x['site']}")


hq = Table(
    name="hq",
    help="What HQ does: set up, invite, register, start missions, look at the board. / 本部の仕事",
    sections={
        "Set up once / 最初に": (init, phone),
        "Look / 見る": (board,),
        "Boxes / 箱": (
            ticket,
            Table(
                name="mission",
                help="Start and end missions.",
                sections={"Missions / 任務": (mission_start, mission_end)},
            ),
            emergency,
            policy,
            sockets,
            update,
            revoke,
        ),
        "Registers / 台帳": (desktop, device),
    },
)
