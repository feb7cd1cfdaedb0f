"""`noroshi hq policy`: what boxes may do with their lines; one box's own policy, or the one of all boxes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from appliance.cli.asking import asked, who
from appliance.cli.record import recorded
from appliance.core.model import LineKind, NetworkClass

NETWORKS, KINDS = tuple(x.value for x in NetworkClass), tuple(x.value for x in LineKind)


@click.command()
@click.argument("box", required=False, default="")
@click.option("--all", "fleet", is_flag=True, help="The policy of every box that has none of its own.")
@click.option(
    "--sign-in/--no-sign-in", default=None, help="A phone may pass a line's sign-in page, ten minutes."
)
@click.option("--open-wifi/--no-open-wifi", default=None, help="00000JAPAN may be a line.")
@click.option(
    "--lines",
    multiple=True,
    metavar="CLASS=KIND[,KIND…]",
    help=f"Kinds of line that may carry a class of desktops. Classes: {', '.join(NETWORKS)}. "
    f"Kinds: {', '.join(KINDS)}; 'any' for every kind, nothing for none. 'lgwan=closed': closed SIM only.",
)
@click.option(
    "--entrance",
    "entrances",
    multiple=True,
    metavar="KIND=ADDRESS:PORT[,…]",
    help="Where HQ is reached over a kind of line; nothing behind '=' for the common entrance.",
)
@click.option(
    "--both-lines/--no-both-lines", default=None, help="Everything leaves by two lines at once, always."
)
@click.option(
    "--prefer", metavar="KIND[,KIND…]", help="Kinds of line to use first, in this order; '' for none."
)
@click.option("--in-need", metavar="KIND[,KIND…]", help="Kinds used only where no other works; '' for none.")
@click.option(
    "--reset", is_flag=True, help="BOX follows the policy of all boxes again; with --all: as delivered."
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def policy(
    box: str,
    fleet: bool,
    sign_in: bool | None,
    open_wifi: bool | None,
    lines: tuple[str, ...],
    entrances: tuple[str, ...],
    both_lines: bool | None,
    prefer: str | None,
    in_need: str | None,
    reset: bool,
    as_json: bool,
) -> None:
    """Show the policy for lines, or change it for BOX or for all boxes. Boxes hear of it with their next report."""
    found = asked({"ask": "fleet"})
    held = _held(found, box)
    switches = {"sign_in": sign_in, "open_wifi": open_wifi, "both_lines": both_lines}
    changes: dict[str, Any] = {k: v for k, v in switches.items() if v is not None}
    if lines:
        changes["lines"] = _lines(held["lines"], lines)
    for name, kinds in (("prefer", prefer), ("in_need", in_need)):
        if kinds is not None:
            changes[name] = _known([x for x in kinds.split(",") if x])
    if entrances:
        changes["entrances"] = _entrances(held["entrances"], entrances)
    if changes or reset:
        if bool(box) == fleet:
            raise click.UsageError("名前か --all のどちらかが要ります / name a BOX, or --all")
        with recorded() as note:
            asked({"ask": "set-policy", "box": box, "changes": None if reset else changes, "by": who()})
            note("set-policy", box or "*", "" if reset else json.dumps(changes, ensure_ascii=False))
        held = _held(asked({"ask": "fleet"}), box)
    click.echo(json.dumps(held, ensure_ascii=False, indent=1) if as_json else "\n".join(_words(held)))


def _held(found: Mapping[str, Any], box: str) -> dict[str, Any]:
    if not box:
        return dict(found["policy"])
    for x in found["boxes"]:
        if x["name"] == box:
            return dict(x["policy"])
    raise click.ClickException(f"その箱は登録されていません / no such box: {box}")


def _lines(held: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> list[dict[str, Any]]:
    rules = {x["network"]: list(x["kinds"]) for x in held}
    for text in wanted:
        network, kinds = _pair(text, NETWORKS)
        if kinds == ["any"]:
            rules.pop(network, None)
            continue
        rules[network] = _known(kinds)
    return [{"network": k, "kinds": v} for k, v in rules.items()]


def _entrances(held: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> list[dict[str, Any]]:
    known = {x["kind"]: list(x["endpoints"]) for x in held}
    for text in wanted:
        kind, endpoints = _pair(text, KINDS)
        known[kind] = endpoints
    return [{"kind": k, "endpoints": v} for k, v in known.items() if v]


def _known(kinds: list[str]) -> list[str]:
    unknown = set(kinds) - set(KINDS)
    if unknown:
        raise click.UsageError(f"回線の種類が分かりません / unknown kind of line: {sorted(unknown)[0]}")
    return kinds


def _pair(text: str, names: Sequence[str]) -> tuple[str, list[str]]:
    name, equals, values = text.partition("=")
    if not equals or name not in names:
        raise click.UsageError(f"{text!r}: NAME=…, NAME: {', '.join(names)}")
    return name, [x for x in values.split(",") if x]


def _words(held: Mapping[str, Any]) -> list[str]:
    rules = {x["network"]: x["kinds"] for x in held["lines"]}
    entrances = {x["kind"]: x["endpoints"] for x in held["entrances"]}
    found = [f"{k:<10} {'yes' if v else 'no'}" for k, v in held.items() if isinstance(v, bool)]
    found += [f"{x:<10} {', '.join(held[x]) or '-'}" for x in ("prefer", "in_need")]
    found += [f"lines {x:<9} {', '.join(rules.get(x, ['any'])) or 'none'}" for x in NETWORKS]
    return [*found, *(f"entrance {k:<9} {', '.join(v)}" for k, v in entrances.items())]
