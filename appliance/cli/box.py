"""The verbs of a machine itself, a box or HQ's: run it, look at it, join it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from appliance.cli.asking import LANGUAGE, asked
from appliance.core.words import trial_words


@click.command()
def daemon() -> None:
    """Run the box, or the hub where `noroshi hq init` was done."""
    from appliance.serve import run_daemon

    run_daemon()


@click.command()
def block() -> None:
    """Close the machine before its network is there; the image runs this first."""
    from appliance.host import firewall_boot, surroundings

    firewall_boot.close(surroundings.machine())


@click.command()
@click.option("--png", type=click.Path(dir_okay=False), help="Write the picture there instead, once.")
@click.option(
    "--size", default="1280x720", show_default=True, metavar="WIDTHxHEIGHT", help="Of that picture."
)
def screen(png: str | None, size: str) -> None:
    """Show the box's state on its own screen and by its light; the image runs this on the first console."""
    from appliance.host.surroundings import folders
    from appliance.screen import Front

    state, run = folders()
    front = Front(run, state)
    if png is None:
        front.run()
        return
    from appliance.host.picture import draw

    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) <= 8192 and 0 < int(height) <= 8192):
        raise click.UsageError("--size 1280x720")
    found = front.scene(asked({"ask": "status"}))
    draw(found, int(width), int(height)).save(png)


@click.command()
def plan() -> None:
    """Print the steps that are still to do, secrets masked."""
    steps = _steps()
    for step in steps:
        click.echo(step)
    if not steps:
        click.echo("何もすることはありません / nothing to do")


def _steps() -> list[str]:
    """What the daemon saw last against what it wants."""
    steps: list[str] = asked({"ask": "snapshot"})["steps"]
    return steps


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@LANGUAGE
def status(as_json: bool, language: str) -> None:
    """What the box is doing, why, and what to do."""
    found = asked({"ask": "status"}, language)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    words = found["words"][language]
    click.echo(f"{found['phase']}  {words['what']} ({found['number']})\n  → {words['do']}")
    if found["site"]:
        click.echo(f"  {found['site']} / {found['hq_name']}")
    for x in found["uplinks"]:
        if x["active"] and x.get("way"):
            click.echo(f"  {x['way'][language]}")
        if x["refused"]:
            no = x["refused"]
            click.echo(f"  × {x['link']} {x['ssid']}: {no[language]['what']} ({no['number']})")
    for x in found["sockets"]:
        click.echo(f"  {'●' if x['carrier'] else '−'} {x['link']:<10} {x['words'][language]}")
    if found["wifi"]["words"]:
        click.echo(f"  × Wi-Fi: {found['wifi']['words'][language]['what']} ({found['wifi']['number']})")
    for x in found["desktops"]:
        click.echo(f"  {'○' if x['open'] and x['answer'] == 'answers' else '×'} {x['title']}  {x['address']}")


@click.command()
@LANGUAGE
def doctor(language: str) -> None:
    """What is wrong, and the one thing to do about it. Exit code 1 when something is."""
    from appliance.doctor import findings

    found = findings(asked({"ask": "status"}, language), _steps(), language)
    for x in found:
        click.echo(f"{'○' if x.good else '×'} {x.what}")
        if x.do and not x.good:
            click.echo(f"  → {x.do}")
    sys.exit(0 if all(x.good for x in found[:1]) else 1)


@click.command()
@click.option("--show", is_flag=True, help="The Wi-Fi key and the PIN in clear.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def identity(show: bool, as_json: bool) -> None:
    """What makes this box this box: serial, Wi-Fi name and key, PIN, blue sockets. For root; secrets masked."""
    from appliance.core.codec import Invalid, dump_masked, dump_private
    from appliance.host import files
    from appliance.host import identity as stored
    from appliance.host.surroundings import folders

    try:
        found = stored.load(folders()[0])
    except (OSError, files.Damaged, Invalid, ValueError) as error:
        raise click.ClickException(f"読めません / cannot be read: {error}") from error
    if found is None:
        raise click.ClickException("まだありません / there is none yet\n  → noroshi daemon")
    told = dump_private(found) if show else dump_masked(found)
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return
    rows = (
        ("番号 / serial", told["serial"]),
        ("Wi-Fi", told["ssid"] or "なし / none"),
        ("Wi-Fiの暗証番号 / Wi-Fi key", told["passphrase"] or "-"),
        ("Wi-Fiの方式 / security", told["security"]),
        ("暗証番号 / PIN", told["pin"]),
        ("青い口 / blue sockets", ", ".join(map(str, told["blue"])) or "-"),
    )
    for name, value in rows:
        click.echo(f"{name:<28} {value}")


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long to wait for the result.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@LANGUAGE
def prove(seconds: float, as_json: bool, language: str) -> None:
    """Try what must pass and what must not, as a laptop would. Exit code 1 unless all of it is as it should be."""
    import time

    asked({"ask": "prove"}, language)
    deadline = time.monotonic() + seconds
    while True:
        time.sleep(0.2)
        proof = asked({"ask": "status"})["proof"]
        if proof and not proof["running"]:
            break
        if time.monotonic() > deadline:
            raise click.ClickException("まだ終わりません / not done yet")
    if as_json:
        click.echo(json.dumps(proof, ensure_ascii=False, indent=1))
    else:
        for x in proof["rows"]:
            click.echo(
                f"{'○' if x['ok'] else '×'} {trial_words(x['what'], language)} {x['target']:<28} {x['outcome']}"
            )
    sys.exit(0 if proof["ok"] else 1)


@click.command()
@click.argument("ticket")
@LANGUAGE
def join(ticket: str, language: str) -> None:
    """Join HQ with TICKET: the text itself, or a file that holds it."""
    path = Path(ticket)
    text = path.read_text(errors="replace")[:16384] if len(ticket) < 256 and path.is_file() else ticket
    site = asked({"ask": "redeem", "ticket": text}, language)["site"]
    click.echo(f"「{site}」として役所につないでいます / joining as {site}")


@click.command()
@click.option("--indoors", "place", flag_value="indoors", help="The box stands indoors.")
@click.option(
    "--outdoors", "place", flag_value="outdoors", help="Outdoors or in a tent; so until somebody says so."
)
@click.option(
    "--band", type=click.Choice(["2.4", "5"]), help="GHz of the laptops' Wi-Fi; 5 GHz where it is allowed."
)
@click.option("--networks", is_flag=True, help="Look for networks that could be a line.")
@click.option("--join", "ssid", metavar="SSID", help="Use this network as a line; its key is asked for.")
@click.option("--key-file", type=click.Path(dir_okay=False), help="Take its key from this file.")
@click.option("--leave", is_flag=True, help="Use no network as a line any more.")
@LANGUAGE
def wifi(
    place: str | None,
    band: str | None,
    networks: bool,
    ssid: str | None,
    key_file: str | None,
    leave: bool,
    language: str,
) -> None:
    """Show the Wi-Fi for laptops, and somebody's Wi-Fi as a line; say what they are to be."""
    import time

    if place or band:
        asked({"ask": "set-air", "place": place or "", "band": band or ""}, language)
    if ssid or leave:
        asked({"ask": "join-wifi", "ssid": ssid or "", "key": _wifi_key(key_file) if ssid else ""}, language)
    if networks:
        asked({"ask": "show-wifi"}, language)
        for _ in range(15):
            time.sleep(1)
            if asked({"ask": "status"}, language)["wifi_line"]["around"]:
                break
    found = asked({"ask": "status"}, language)
    own, line = found["wifi"], found["wifi_line"]
    mark, said = "○" if own["on"] else "×", own["words"][language]["what"] if own["words"] else ""
    channel = f"{own['link']} ch {own['channel']} {own['security']}" if own["on"] else said
    click.echo(f"{mark} {own['ssid'] or '-'}  {channel}")
    if line["ssid"]:
        click.echo(f"  → {line['ssid']}: {line['words'][language]}")
    for x in line["around"] if networks else ():
        click.echo(
            f"  {x['signal']:>5.0f} dBm  ch {x['channel']:>3}  {'鍵' if x['locked'] else '  '}  {x['ssid']}"
        )


def _wifi_key(path: str | None) -> str:
    """Never on the command line, where every process could read it."""
    if path:
        return Path(path).read_text().strip("\n")
    key: str = click.prompt(
        "暗証番号 / key (空なら鍵なし / empty: open)", hide_input=True, default="", show_default=False
    )
    return key


@click.command()
@click.argument("link", required=False, default="")
@click.option("--first", "wish", flag_value="first", help="Use LINK before the others.")
@click.option("--in-need", "wish", flag_value="in-need", help="Use LINK only where no other line works.")
@click.option("--freely", "wish", flag_value="freely", help="Use LINK like any other, whatever HQ says.")
@click.option("--reset", "wish", flag_value="reset", help="No wish: as HQ and the machine say.")
@LANGUAGE
def line(link: str, wish: str | None, language: str) -> None:
    """Show the lines in their order, or say what LINK is to be used for."""
    if bool(link) != bool(wish):
        raise click.UsageError("回線の名前と希望の両方が要ります / name a LINK and one wish")
    if wish:
        asked({"ask": "wish-line", "link": link, "wish": wish}, language)
    for x in asked({"ask": "status"}, language)["uplinks"]:
        marks = [k for k in ("active", "doubled", "in_need") if x[k]]
        click.echo(f"{x['link']:<10} {x['kind']:<10} {x['address'] or '-':<18} {' '.join(marks)}")
