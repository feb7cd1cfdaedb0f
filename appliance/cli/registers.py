"""`noroshi hq desktop` and `noroshi hq device`: HQ's registers of desktops and of laptops."""

from __future__ import annotations

import json
from pathlib import Path

import click

from appliance.cli.asking import LANGUAGE, asked, who
from appliance.cli.record import recorded
from appliance.cli.table import Table


@click.command("add")
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
    with recorded() as note:
        asked({"ask": "add-desktop", **request, "certificate": certificate, "drill": drill, "by": who()})
        note("add-desktop", name, title)
    click.echo(f"登録しました / registered: {title}")


@click.command("remove")
@click.argument("name")
def desktop_remove(name: str) -> None:
    """Take a desktop away; it closes for running sessions, too."""
    with recorded() as note:
        asked({"ask": "remove-desktop", "name": name, "by": who()})
        note("remove-desktop", name, "")
    click.echo(f"外しました / removed: {name}")


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def desktop_list(as_json: bool) -> None:
    """Which desktops are registered, by the names that other verbs ask for."""
    found = asked({"ask": "fleet"})["desktops"]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    for x in found:
        hosts = " ".join(dict.fromkeys(y["host"] for y in x["endpoints"]))
        drill = "  (訓練 / drill)" if x["drill"] else ""
        click.echo(f"{x['name']:<20} {x['profile']:<14} {hosts:<20} {x['title']}{drill}")


@click.command("add")
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
    with recorded() as note:
        asked({"ask": "add-device", **wanted, "by": who()})
        note("add-device", name, " ".join([*macs, *desktops]))
    click.echo(f"登録しました / registered: {name}")


@click.command("remove")
@click.argument("name")
def device_remove(name: str) -> None:
    """Take a laptop out of the register; its desktops close for running sessions, too."""
    with recorded() as note:
        asked({"ask": "remove-device", "name": name, "by": who()})
        note("remove-device", name, "")
    click.echo(f"外しました / removed: {name}")


@click.command("import")
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
    with recorded() as note:
        answer = asked({"ask": "import-devices", "text": text, "by": who()}, language)
        if not answer["problems"]:
            note("import-devices", str(answer["rows"]), Path(file).name)
    for x in answer["problems"]:
        words = refusal(x["code"]).as_data()[language]
        click.echo(f"{x['line']}: {words['what']} ({x['value']})\n  → {words['do']}", err=True)
    if answer["problems"]:
        raise click.ClickException("何も変えていません / nothing was changed")
    click.echo(f"{answer['rows']}行を読み、{answer['devices']}台を登録しています")


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def device_list(as_json: bool) -> None:
    """Which laptops are registered."""
    found = asked({"ask": "devices"})["devices"]
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    for x in found:
        click.echo(f"{x['name']:<20} {' '.join(x['macs'])}  {' '.join(x['desktops'])}  {x['title']}")


desktop = Table(
    name="desktop",
    help="The register of desktops.",
    sections={"Desktops / 接続先": (desktop_list, desktop_add, desktop_remove)},
)
device = Table(
    name="device",
    help="The register of laptops: which hardware address may open which desktops.",
    sections={"Laptops / パソコン": (device_list, device_add, device_import, device_remove)},
)
