"""What CI plays: `joining` whole, on a disk whose every write is recorded, then some power cuts of that very life, looked at
and booted. HQ is the same all the while, so that no second box has to join.
"""

from __future__ import annotations

from functools import partial

from tests.vm.power_cuts import Recording
from tests.vm.scenes import cuts, joining
from tests.vm.stage import Stage


def play(stage: Stage) -> None:
    with stage.site() as site:
        log, marks = cuts.fresh_log(stage), [cuts.BEGINNING]
        mark = partial(cuts.begin, stage, site, log, marks)
        hardware = stage.hardware(stage.layer("quick"), write_log=log)
        if not joining.played(stage, site, hardware, mark):
            return
        mark("changes by HQ")
        cuts.change(site, range(3, 5))
        site.power_off()
        site.phone.browser.stop()
        recording = Recording(image=stage.fresh_disk(), log=log, marks=tuple(marks))
        result = cuts.look(stage, recording, stage.cuts)
        site.prepare_box(hardware)  # nobody is on the air any more
        cuts.boot_some(stage, site, recording, result, stage.boots)
        leaks = site.leaks()
        told = ", ".join(sorted({str(x) for x in leaks})[:6])
        stage.check("nothing else left by the uplinks when cut boxes started", not leaks, told)
