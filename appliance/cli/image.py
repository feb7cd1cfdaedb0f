"""`noroshi image write`: from the image's file to a card that somebody can put into a box, checked and personal."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from appliance.cli.card import keep_paper, prepared, refused, wishes
from appliance.cli.table import Table
from appliance.core.blockmap import BlockMap
from appliance.core.card import NAME
from appliance.core.disks import check, readable_size
from appliance.core.words import Refused

LABEL = "NOROSHI"


@click.command()
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@wishes
@click.option("--force", default="", metavar="WORDS", help="'erase TARGET', for a disk larger than usual.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def write(image: Path, target: Path, force: str, yes: bool, **options: Any) -> None:
    """Write IMAGE (.img, .img.zst) to TARGET, a disk or a file, check it, and make it somebody's box.

    Everything on TARGET is lost. Nothing is mounted. The page for the box is made beside it.
    """
    from appliance.host.flash import DamagedImage, Differs, find_map
    from appliance.host.run import Failed

    language = str(options["language"])
    made = prepared(options)
    try:
        held = find_map(image)
        told = _target(target, held.image_size if held else _size(image), force)
        if not yes and told:
            click.confirm(
                f"{told}\nすべて消えます。よいですか / everything on it will be lost. Go on?", abort=True
            )
        _write(image, held, target, made.card)
    except Refused as error:
        raise refused(error.code, language, str(target)) from error
    except DamagedImage as error:
        raise refused("image-damaged", language, str(error)) from error
    except Differs as error:
        raise refused("disk-differs", language, str(error)) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise refused("disk-missing", language, str(error.filename)) from error
    except (OSError, Failed) as error:
        raise refused("disk-trouble", language, str(error)) from error
    paper = keep_paper(made, options["paper"])
    click.echo(
        f"できました。{target} を箱に差し、紙 {paper} を添えてください。\n"
        f"Done. Put {target} into the box, and {paper} beside it (the PIN is below the fold)."
    )


def _target(target: Path, need: int, force: str) -> str:
    """What is going to be lost, in a line; "" where that is nothing. Raises Refused."""
    from appliance.host.disks import disk_at

    if not target.exists() and not str(target).startswith("/dev/"):
        return ""
    mode = target.stat().st_mode
    if stat.S_ISBLK(mode):
        disk = disk_at(target.resolve())
        check(disk, need, force)
        return f"{disk.path}  {readable_size(disk.size)}  {disk.model}"
    if not stat.S_ISREG(mode):
        raise Refused("disk-part")
    return f"{target}  {readable_size(target.stat().st_size)}" if target.stat().st_size else ""


def _size(image: Path) -> int:
    """What is known of it without reading all of it."""
    return 0 if image.name.endswith(".zst") else image.stat().st_size


def _write(image: Path, held: BlockMap | None, target: Path, card: str) -> None:
    from appliance.host import fat, flash

    if target.exists() and image.samefile(target):
        raise Refused("disk-part")
    with flash.opened(target) as descriptor:
        with _bar("書き込み / writing ", held.octets if held else _size(image)) as progress:
            done = flash.write(image, held, descriptor, progress)
        with _bar("確認     / checking", sum(x.length for x in done)) as progress:
            flash.check(done, descriptor, progress)
        flash.unlock(descriptor)
        try:
            fat.put(fat.partition(target, LABEL), NAME, card)
        except fat.NoPartition as error:
            raise Refused("image-foreign") from error
        os.fsync(descriptor)


@contextlib.contextmanager
def _bar(label: str, octets: int) -> Iterator[Callable[[int], None]]:
    """On the terminal; a packed image without a map tells nobody how long it is."""
    if not octets:
        click.echo(label, err=True)
        yield lambda _: None
        return
    with click.progressbar(length=octets, label=label, file=sys.stderr) as bar:
        yield bar.update


image = Table(
    name="image",
    help="From the image's file to a box. / イメージから箱へ",
    sections={"Images / イメージ": (write,)},
)
