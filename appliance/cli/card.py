"""`noroshi card`: a box's personal file, written at HQ and taken at the box's start."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.asking import LANGUAGE, said
from appliance.cli.table import Table
from appliance.core.model import Auth, MobileNetwork, Place, Secret, Security
from appliance.core.modem_line import checked
from appliance.core.words import Refused, refusal

if TYPE_CHECKING:
    from appliance.hub.preparing import Prepared

_WISHES = (
    click.option("--site", default="", help="Where the box is going; default: the ticket's."),
    click.option("--ticket", default="", help="An invitation: its text, or a file that holds it."),
    click.option("--hq-key", "signing_key", default="", help="HQ's signing key to pin, where no ticket tells it."),
    click.option("--hq-name", default="", help="HQ's name on the paper, where no ticket tells it."),
    click.option("--serial", default="", help="The box's number: letters, digits, '-'; default: drawn."),
    click.option("--ssid", default="", help="The Wi-Fi's name; default: noroshi-XXXX."),
    click.option("--no-wifi", is_flag=True, help="No Wi-Fi on this box."),
    click.option(
        "--security", type=click.Choice([x.value for x in Security]), default="mixed", show_default=True,
        help="How laptops join the Wi-Fi.",
    ),
    click.option(
        "--blue", type=int, multiple=True, default=(1,), show_default=True,
        help="Which built-in Ethernet sockets are for lines, counted from 1.",
    ),
    click.option("--indoors", is_flag=True, help="It will stand in a building: more Wi-Fi channels are lawful."),
    click.option("--apn", default="", help="The access point's name of its SIM's contract, where the SIM needs one."),
    click.option("--apn-user", default="", help="The user name of that contract."),
    click.option("--apn-auth", type=click.Choice(["pap", "chap"]), help="How both are told; default: as the modem takes it."),
    click.option(
        "--apn-password-file", type=click.Path(dir_okay=False, exists=True), help="Its password, in a file: not for every process to read."
    ),
    click.option("--apn-roaming", is_flag=True, help="Other carriers' networks are part of that contract."),
    click.option("--paper", type=click.Path(dir_okay=False), help="The page as PDF; default: SERIAL.pdf here."),
    LANGUAGE,
)  # fmt: skip


def wishes(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what box it is to be."""
    for option in reversed(_WISHES):
        verb = option(verb)
    return verb


def prepared(options: dict[str, Any]) -> Prepared:
    """Everything that can be wrong is found before anything is written."""
    from appliance.hub.paper import check_font
    from appliance.hub.preparing import Wanted, prepare

    language = str(options["language"])
    try:
        check_font()
        wanted = Wanted(
            site=options["site"],
            ticket=_ticket(options["ticket"]),
            signing_key=options["signing_key"],
            hq_name=options["hq_name"],
            serial=options["serial"],
            ssid=options["ssid"],
            wifi=not options["no_wifi"],
            security=Security(options["security"]),
            blue=tuple(options["blue"]),
            place=Place.INDOORS if options["indoors"] else Place.OUTDOORS,
            mobile=_network(options),
        )
        return prepare(wanted, time.strftime("%Y-%m-%d"), language)
    except Refused as error:
        raise refused(error.code, language) from error


def _network(options: dict[str, Any]) -> MobileNetwork | None:
    """Raises Refused."""
    if not options["apn"]:
        return None
    path = options["apn_password_file"]
    password = Path(path).read_text(errors="replace").strip("\r\n") if path else ""
    auth = Auth(options["apn_auth"] or "")
    return checked(
        MobileNetwork(
            apn=options["apn"],
            user=options["apn_user"],
            password=Secret(password),
            auth=auth,
            roaming=options["apn_roaming"],
        )
    )


def keep_paper(made: Prepared, path: str | None) -> Path:
    """The page, for its owner alone: the PIN stands on it."""
    from appliance.hub.paper import pdf

    place = Path(path or f"{made.identity.serial}.pdf")
    write_secret(place, pdf(made.paper))
    return place


def write_secret(path: Path, octets: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(octets)


def refused(code: str, language: str, more: str = "") -> click.ClickException:
    return said(refusal(code), language, more)


def _ticket(given: str) -> str:
    path = Path(given)
    if given and len(given) < 256 and path.is_file():
        return path.read_text(errors="replace")[:16384]
    return given


@click.command()
@click.option("--out", default="noroshi.card", show_default=True, type=click.Path(dir_okay=False))
@wishes
def make(out: str, **options: Any) -> None:
    """Write a personal file to drop on the boot partition, and the page that goes with it."""
    made = prepared(options)
    write_secret(Path(out), made.card.encode())
    paper = keep_paper(made, options["paper"])
    click.echo(f"{out}\n{paper}")


@click.command()
@click.option("--from", "folder", required=True, type=click.Path(file_okay=False), help="The boot partition.")
def take(folder: str) -> None:
    """Take what was dropped on the boot partition; the image runs this before the daemon."""
    from appliance.host import surroundings, wireguard
    from appliance.host.files import make_folder
    from appliance.taking import Box
    from appliance.taking import take as take_all

    state, _ = surroundings.folders()
    make_folder(state, 0o755)
    box = Box(state=state, serial=surroundings.serial(), new_keys=wireguard.new_box_keys, now=time.time())
    outcomes = take_all(box, Path(folder))
    for x in outcomes:
        click.echo("\n".join(x.lines()))
    sys.exit(1 if any(x.code for x in outcomes) else 0)


card = Table(
    name="card",
    help="The personal file of a box, noroshi.card. / 箱の個人ファイル",
    sections={"Cards / 個人ファイル": (make, take)},
)
