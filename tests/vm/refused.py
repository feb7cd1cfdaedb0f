"""What a box must not install, each handed out by HQ as a real one would be: refused in words, nothing written, HQ told."""

from __future__ import annotations

from appliance.core.update_words import TROUBLE, UPDATES
from tests.vm import updates
from tests.vm.life import Life
from tests.vm.updates import INSTALLED, until

START_OF_B = (
    "for x in boot root; do dd if=/dev/disk/by-partlabel/$x-b bs=64K count=4 2>/dev/null; done | sha256sum"
)


def refusals(x: Life) -> None:
    """Each beside the guard at the end: the same few octets, right in everything, are taken."""
    shop, office = x.shop, x.office
    empty = start_of_b(x)
    right = shop.small("damaged", x.version(1))
    office.hand_out(right, keyring=shop.certificate)
    with office.kept(updates.digest(right)).open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\0\0\0")
    refused(x, "damaged at HQ or on the way", x.version(1), "update-damaged")

    whole = shop.small("whole", x.version(2))
    torn = whole.with_name("torn.raucb")
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    refused_at_hq(x, "truncated", ("add", str(torn)), "bundle-unreadable")
    office.smuggle(torn, x.version(2))
    refused(x, "truncated", x.version(2), "update-unsigned")

    unsigned = shop.unsigned("unsigned", x.version(3))
    refused_at_hq(x, "unsigned", ("add", str(unsigned)), "bundle-unreadable")
    office.smuggle(unsigned, x.version(3))
    refused(x, "unsigned", x.version(3), "update-unsigned")

    foreign = shop.small("foreign", x.version(4), foreign=True)
    refused_at_hq(
        x,
        "signed by another key",
        ("add", str(foreign), "--keyring", str(shop.certificate)),
        "update-foreign-key",
    )
    office.hand_out(foreign)
    refused(x, "signed by another key", x.version(4), "update-foreign-key")

    office.noroshi("oldest", shop.version)
    old = shop.small("old", x.version(-60))
    office.hand_out(old)
    refused_at_hq(
        x, "older than HQ allows", ("start", x.version(-60), "--box", updates.BOX), "update-allowed-oldest"
    )
    office.smuggle(shop.small("older", x.version(-50)), x.version(5))
    refused(x, "older than HQ allows, under a newer name", x.version(5), "update-too-old")
    x.check("of all these nothing was written to the other slot", start_of_b(x) == empty)
    x.nothing_left("while updates were refused")

    office.hand_out(shop.small("right", x.version(6)), keyring=shop.certificate)
    office.start(x.version(6))
    until(
        x.site, "installed", lambda told: told["wish"] == x.version(6) and told["state"] == "wait", INSTALLED
    )
    x.check("guard: the same few octets, signed right, are taken", start_of_b(x) != empty)
    x.session_lives("by all of this")
    office.stop()


def refused(x: Life, what: str, version: str, trouble: str) -> None:
    x.office.start(version)
    sentence = TROUBLE[trouble]
    told = until(x.site, "refused", lambda told: told["wish"] == version and bool(told["trouble"]), INSTALLED)
    right = (
        told["trouble"] == trouble
        and told["version"] == x.shop.version
        and told["words"]["number"] == sentence.number
    )
    heard = x.office.hears(lambda heard: heard.get("wish") == version and bool(heard.get("trouble")))
    said = f"{told['words']['number']} {told['words']['ja']['what']}" if told["words"] else ""
    x.check(f"refused by the box: {what}", right, said)
    x.check(f"and HQ is told: {what}", heard.get("trouble") == trouble, str(heard.get("trouble")))


def refused_at_hq(x: Life, what: str, argv: tuple[str, ...], code: str) -> None:
    told = x.office.refusal(*argv)
    right = UPDATES[code].as_data()["en"]["what"] in told
    x.check(f"refused by HQ's command line: {what}", right, told[:200])


def start_of_b(x: Life) -> str:
    return x.site.guest.succeed("sh", "-c", START_OF_B).split()[0]
