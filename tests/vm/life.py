"""One box's life through updates: who takes part in it, and what is looked at again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scripts.exercise import machines, processes
from scripts.exercise.act import FLEET
from scripts.exercise.browser import PageStuck
from tests.vm import bundles
from tests.vm.bundles import Workshop
from tests.vm.field import Site
from tests.vm.outcome import Number
from tests.vm.probing import Probing
from tests.vm.stage import BOOT, OPEN, PATIENCE, Stage, join, until_phase
from tests.vm.updates import Office

MACHINE, SETTING = "/var/lib/noroshi/machine.json", '{"keeps_rates": false}'


@dataclass(slots=True)
class Life:
    stage: Stage
    site: Site
    shop: Workshop
    office: Office
    probing: Probing

    def version(self, minutes: int) -> str:
        return bundles.newer(self.shop.version, minutes)

    def check(self, what: str, good: bool, told: str = "") -> bool:
        return self.stage.check(what, good, told)

    def took(self, what: str, begun: float) -> None:
        seconds = round(time.monotonic() - begun)
        command = f"sudo scripts/test-image pc --scene {self.stage.scene}"
        self.stage.number(Number(what=what, value=seconds, unit="s", command=command))

    def nothing_left(self, meanwhile: str) -> None:
        leaks = self.site.leaks()
        told = ", ".join(sorted({str(x) for x in leaks})[:6])
        self.check(f"nothing else left by the uplinks: {meanwhile}", not leaks, told)

    def sit_down(self) -> None:
        """Somebody takes the laptop, gets an address and opens the desktop."""
        self.site.laptop.dhcp.ask_again()
        self.site.laptop.dhcp.wait(FLEET, patience=PATIENCE, again_every=20.0)
        picture = self.stage.shots / self.stage.scene / "desktop.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        self.site.laptop.open_desktop(self.site.access, picture, patience=PATIENCE)

    def get_up(self) -> None:
        self.site.laptop.close_desktop()
        self.site.laptop.dhcp.leave()

    def session_lives(self, when: str) -> None:
        """The very connection that was opened: its program ends when it breaks."""
        running = processes.recorded(self.site.place, "laptop-rdp")
        self.check(f"the laptop's session is untouched {when}", running is not None and running.alive)

    def picture(self, path: str, name: str, wanted: str) -> None:
        """What HQ's officer sees."""
        officer, target = self.site.officer, self.stage.shots / self.stage.scene / name
        try:
            officer.start()
            officer.look(
                f"http://{machines.STAFF}:8080{path}",
                target,
                name=machines.ADMIN,
                password=self.site.password,
                wanted=wanted,
            )
            self.check(f"HQ's page {path} was looked at", True)
        except PageStuck as problem:
            self.check(f"HQ's page {path} was looked at", False, str(problem)[:300])
        finally:
            officer.stop()

    def boot_env(self) -> str:
        """The boot loader's choice."""
        block = self.site.guest.succeed("head", "-c", "60", "/boot/noroshi/boot.env")
        return " ".join(x for x in block.splitlines() if "=" in x)


@contextmanager
def life(stage: Stage) -> Iterator[Life]:
    """A box that has joined, with somebody at work behind it; probes are fired until the end. At the end the taps prove
    that they hear."""
    with stage.site() as site:
        site.up(stage.tell, browser=False)
        shop = bundles.workshop(stage.image.with_suffix(".raucb"), stage.folder / f"workshop-{stage.scene}")
        stage.tell(f"the image calls itself {shop.version}")
        site.prepare_box(stage.hardware(stage.layer(stage.scene), usb=True))
        x = Life(stage, site, shop, Office(site), Probing(site))
        try:
            _begin(x)
            yield x
            _taps_hear(x)
        finally:
            x.probing.end()


def _begin(x: Life) -> None:
    x.site.power_on()
    x.site.guest.wait_for_shell(BOOT)
    until_phase(x.site, "SETUP", patience=PATIENCE)
    # A processor that is emulated looks like a narrow line, and would be spared (docs/known-issues.md).
    x.site.guest.succeed("sh", "-c", f"echo '{SETTING}' >{MACHINE}; systemctl restart noroshi", timeout=300)
    until_phase(x.site, "SETUP", patience=PATIENCE)
    join(x.site)
    until_phase(x.site, *OPEN, patience=PATIENCE)
    x.sit_down()
    x.probing.begin()
    told = x.office.hears(lambda told: bool(told.get("version")))
    good = (told.get("version"), told.get("slot")) == (x.shop.version, "A")
    x.check(
        "HQ's board says which version runs in which slot", good, f"{told.get('version')} {told.get('slot')}"
    )


def _taps_hear(x: Life) -> None:
    """The guard: with the rules away for a moment the same taps see what the box sends."""
    passed = x.site.watch.good if x.site.watch else 0
    x.check(
        "the taps hear what may leave",
        passed > 0,
        f"{passed} frames that may leave, {x.probing.volleys} volleys",
    )
    for _ in range(5):
        x.probing.bare()
        if seen := x.site.leaks():
            break
    x.check(
        "guard: without its rules a packet of the box is seen to leave",
        bool(seen),
        ", ".join(sorted({str(y) for y in seen})[:4]),
    )
