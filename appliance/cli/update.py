"""`noroshi hq update`: which updates HQ hands out, and which boxes are to run which."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import click

from appliance.cli.asking import LANGUAGE, asked, who
from appliance.cli.record import recorded
from appliance.cli.table import Table


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--keyring",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificate (PEM) that the signature must belong to; without it only the boxes check it.",
)
@LANGUAGE
def add(file: Path, keyring: Path | None, language: str) -> None:
    """Hand out the signed bundle FILE (.raucb, made with an image). No box takes it yet."""
    from appliance.core.words import Refused, refusal
    from appliance.host.rauc import read
    from appliance.host.surroundings import machine

    if not shutil.which("rauc"):
        raise click.ClickException("rauc がありません / rauc is missing\n  → apt install rauc")
    try:
        image, version = read(file, keyring)
    except Refused as error:
        code = "bundle-unreadable" if error.code == "update-unsigned" else error.code
        words = refusal(code).as_data()[language]
        raise click.ClickException(f"{words['what']}\n  → {words['do']}") from error
    folder = Path(machine().state) / "software"
    with recorded() as note:
        sha256 = _keep(file, folder)
        found = {"version": version, "image": image, "sha256": sha256, "size": file.stat().st_size}
        try:
            asked({"ask": "add-bundle", **found, "by": who()}, language)
        except click.ClickException:
            (folder / sha256).unlink()
            raise
        note("add-bundle", version, f"{image} {sha256}")
    click.echo(f"{version}  {image}\n配るには / to hand it out: noroshi hq update start {version} --wave 1")


def _keep(file: Path, folder: Path) -> str:
    """Named by its content, whole or not at all, for the intake to read."""
    from appliance.core.programs import REGISTER_GROUP
    from appliance.host.files import make_folder

    make_folder(folder, 0o750, 0, REGISTER_GROUP)
    scratch = folder / ".coming"
    shutil.copyfile(file, scratch)
    with scratch.open("rb") as copied:
        sha256 = hashlib.file_digest(copied, "sha256").hexdigest()
        os.fsync(copied.fileno())
    os.chown(scratch, 0, REGISTER_GROUP)
    scratch.chmod(0o640)
    scratch.replace(folder / sha256)
    return sha256


@click.command("list")
def listing() -> None:
    """Which updates there are, and how many boxes are wished each."""
    fleet = asked({"ask": "fleet"})
    wished = [x["update_to"] for x in fleet["boxes"] if x["state"] == "active"]
    for x in fleet["bundles"]:
        click.echo(
            f"{x['version']:<34} {x['image']:<12} {x['size'] >> 20:>4} MiB  {wished.count(x['version'])}台"
        )
    click.echo(f"これより古くしない版 / never older than: {fleet['oldest_version'] or '-'}")


@click.command()
@click.argument("version")
@click.option("--box", "boxes", multiple=True, help="This box; several for several.")
@click.option(
    "--wave",
    "percent",
    type=click.IntRange(1, 100),
    help="So many boxes more, until PERCENT of all are wished it; those without a mission first.",
)
@click.option("--now", is_flag=True, help="Restart although laptops use the box.")
@LANGUAGE
def start(version: str, boxes: tuple[str, ...], percent: int | None, now: bool, language: str) -> None:
    """Let boxes fetch VERSION and start it when no laptop uses them."""
    if bool(boxes) == (percent is not None):
        raise click.UsageError("--box か --wave のどちらかで / either --box or --wave")
    request = {"version": version, "boxes": list(boxes), "percent": percent or 0, "now": now}
    with recorded() as note:
        told = asked({"ask": "start-update", **request, "by": who()}, language)["boxes"]
        note("start-update", version, " ".join(told) + (" now" if now else ""))
    click.echo(f"{version}: {' '.join(told)}")


@click.command()
@click.option("--box", "boxes", multiple=True, help="Of this box; default: of all.")
@LANGUAGE
def stop(boxes: tuple[str, ...], language: str) -> None:
    """Take back what is not done yet; boxes that run the new version keep it."""
    with recorded() as note:
        asked({"ask": "stop-update", "boxes": list(boxes), "by": who()}, language)
        note("stop-update", " ".join(boxes) or "*", "")
    click.echo("まだ終わっていない更新を取りやめました / stopped what was not done yet")


@click.command()
@click.argument("version", default="")
@LANGUAGE
def oldest(version: str, language: str) -> None:
    """No box takes a version older than VERSION from now on; without VERSION there is no limit."""
    with recorded() as note:
        asked({"ask": "set-oldest", "version": version, "by": who()}, language)
        note("set-oldest", version or "-", "")
    click.echo(f"これより古くしない版 / never older than: {version or '-'}")


@click.command()
@click.argument("version")
@LANGUAGE
def remove(version: str, language: str) -> None:
    """Hand VERSION out no more."""
    from appliance.host.surroundings import machine

    held: list[dict[str, Any]] = asked({"ask": "fleet"})["bundles"]
    with recorded() as note:
        asked({"ask": "remove-version", "version": version, "by": who()}, language)
        for x in held:
            if x["version"] == version:
                (Path(machine().state) / "software" / x["sha256"]).unlink(missing_ok=True)
        note("remove-version", version, "")
    click.echo(f"外しました / removed: {version}")


update = Table(
    name="update",
    help="Updates of boxes: hand out, start in waves, stop. / 箱の更新",
    sections={"Updates / 更新": (add, listing, start, stop, oldest, remove)},
)
