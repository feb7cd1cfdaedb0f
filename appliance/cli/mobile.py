"""`noroshi mobile`: the box's LTE modem, and what its SIM's contract says of the way in."""

from __future__ import annotations

from pathlib import Path

import click

from appliance.cli.asking import LANGUAGE, asked
from appliance.core.model import Auth


@click.command()
@click.option("--apn", metavar="NAME", help="The access point's name, from the SIM's papers.")
@click.option("--user", default="", help="The user name that belongs to it.")
@click.option(
    "--password-file", type=click.Path(dir_okay=False, exists=True), help="Its password, in a file."
)
@click.option("--auth", type=click.Choice([x.value for x in Auth if x]), help="How both are told.")
@click.option("--roaming", is_flag=True, help="Other carriers' networks are part of the contract.")
@click.option("--clear", is_flag=True, help="As the SIM knows by itself.")
@LANGUAGE
def mobile(
    apn: str | None,
    user: str,
    password_file: str | None,
    auth: str | None,
    roaming: bool,
    clear: bool,
    language: str,
) -> None:
    """Show the mobile network and what it lacks; say what the SIM's contract says."""
    if apn or clear:
        password = Path(password_file).read_text(errors="replace").strip("\r\n") if password_file else ""
        told = {"apn": "" if clear else apn, "user": user, "password": password, "auth": auth or ""}
        asked({"ask": "set-apn", **told, "roaming": roaming}, language)
    found = asked({"ask": "status"}, language)["modem"]
    if found is None:
        click.echo("× 携帯の電波の機器は見つかりません / no modem")
        return
    mark, words = "○" if found["connected"] else "×", found["words"]
    click.echo(f"{mark} {found['operator'] or '-'}  {found['signal']} %  {found['model']}  {found['apn']}")
    if words:
        click.echo(f"  {words[language]['what']} ({found['number']})\n  → {words[language]['do']}")
