"""The box's updates, turn by turn: remembers how far one came, does what core/update.py says, and tells of it.

Installing takes a minute and has a thread of its own; what it found counts at the next turn."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from appliance.core import update
from appliance.core.codec import Invalid, dump_private, load
from appliance.core.machine import Status
from appliance.core.software import NO_WISH, Bundle, Slots, Wish
from appliance.core.update import Act, Attempt, Seen, Stage, Todo
from appliance.core.words import Refused
from appliance.host import files
from appliance.host.bundles import Bundles
from appliance.host.run import Failed


class Machinery(Protocol):
    """host/rauc.py, or a machine in memory."""

    def slots(self, *, tried: bool) -> Slots: ...

    def up(self) -> float: ...

    def check(self, bundle: Path) -> tuple[str, str]: ...

    def install(self, bundle: Path, tell: Callable[[int], None]) -> None: ...

    def try_other(self) -> None: ...

    def confirm(self) -> None: ...

    def restart(self) -> None: ...


def installed(wish: Wish, bundle: Bundle) -> Attempt:
    return Attempt(order=wish.order, version=bundle.version, stage=Stage.INSTALLED, sha256=bundle.sha256)


class Updating:
    """`wake` lets the loop turn."""

    def __init__(self, machinery: Machinery, bundles: Bundles, state: Path, wake: Callable[[], None]) -> None:
        self._machinery, self._bundles, self._wake = machinery, bundles, wake
        self._path = state / "update.json"
        self._attempt = self._load()
        self._slots = self._look_at_slots()
        self._busy = False
        self._found: Attempt | None = None
        self._percent = 0
        self._leaving = False
        self._tidy = False
        self._view: dict[str, Any] = {}
        self._todo = Todo(act=Act.REST)

    def _look_at_slots(self) -> Slots:
        """Only what this box tried is ever on trial: where that cannot be found out, it stays as it is."""
        tried = self._attempt is not None and self._attempt.stage is Stage.TRIED
        try:
            return self._machinery.slots(tried=tried)
        except (OSError, Failed) as error:
            sys.stderr.write(f"noroshi: the slots cannot be read: {error}\n")
            return Slots()

    def _load(self) -> Attempt | None:
        try:
            data = files.read_private(self._path)
            return load(Attempt, data, newer=True) if data is not None else None
        except (files.Damaged, Invalid) as error:
            sys.stderr.write(f"noroshi: {error}\n")
            return None

    def _remember(self, attempt: Attempt) -> None:
        """It counts for this run even where the disk is full. Raises OSError."""
        self._attempt = attempt
        files.write_private(self._path, dump_private(attempt))

    # ---------------------------------------------------------------------------------------- turns

    def look(
        self, wish: Wish | None, status: Status, *, laptops: int, mission_runs: bool, now: float
    ) -> None:
        """Once a turn. Raises OSError where the disk is full."""
        wish = wish or NO_WISH
        if self._leaving or self._busy:
            self._show(wish, status)
            return
        if self._found is not None:
            found, self._found = self._found, None
            self._remember(found)
        seen = self._see(wish, status, laptops, mission_runs, now)
        self._todo = update.decide(wish, seen)
        self._view = update.view(wish, seen, self._todo, self._percent)
        self._tidy &= self._todo.act is Act.REST
        try:
            self._do(wish, status, self._todo)
        except Failed as error:
            sys.stderr.write(f"noroshi: {error}\n")
            self._give_up(wish, "update-not-written")

    def _see(self, wish: Wish, status: Status, laptops: int, mission_runs: bool, now: float) -> Seen:
        seen = Seen(
            slots=self._slots,
            attempt=self._attempt,
            phase=status.phase,
            settled=now - status.since,
            mission_runs=mission_runs,
            laptops=laptops,
            up=self._machinery.up(),
        )
        bundle = next((x for x in wish.bundles if x.image == self._slots.image), None)
        if bundle is None or wish.version == self._slots.version:
            return seen
        held, whole = self._bundles.held(bundle.sha256)
        self._percent = min(100, held * 100 // bundle.size)
        return replace(seen, held=held, fetched=whole, room=self._bundles.room())

    def _do(self, wish: Wish, status: Status, todo: Todo) -> None:
        match todo.act:
            case Act.INSTALL if todo.bundle is not None:
                self._begin_install(wish, todo.bundle)
            case Act.RESTART:
                before = status.phase.value
                order, version = wish.order, wish.version
                self._remember(Attempt(order=order, version=version, stage=Stage.TRIED, before=before))
                self._machinery.try_other()
                self._leave()
            case Act.CONFIRM:
                self._machinery.confirm()
                self._slots = replace(self._slots, good=self._slots.slot)
                if self._attempt is not None:
                    self._remember(replace(self._attempt, stage=Stage.CONFIRMED))
            case Act.GO_BACK:
                self._leave()
            case Act.GIVE_UP:
                self._give_up(wish, todo.trouble)
            case Act.REST if not self._tidy and self._slots.slot:
                self._bundles.forget()
                self._tidy = True

    def _leave(self) -> None:
        self._leaving = True
        self._machinery.restart()

    def _give_up(self, wish: Wish, trouble: str) -> None:
        self._leaving = False
        given_up = Attempt(order=wish.order, version=wish.version, stage=Stage.GIVEN_UP, trouble=trouble)
        self._remember(given_up)
        self._wake()

    def damaged(self, sha256: str, wish: Wish | None) -> None:
        """The courier found that what came is not what HQ named."""
        wanted = self._todo.bundle
        if wish and self._todo.act is Act.FETCH and wanted and wanted.sha256 == sha256:
            self._give_up(wish, "update-damaged")

    # ------------------------------------------------------------------------------------- installing

    def _begin_install(self, wish: Wish, bundle: Bundle) -> None:
        if (
            self._attempt is not None and self._attempt.sha256
        ):  # the power may go while the slot is written over
            self._remember(replace(self._attempt, sha256=""))
        # Before the courier hears that nothing more is wanted of it, and clears its folder.
        path = self._bundles.seize(bundle.sha256)
        self._busy, self._percent = True, 0

        def work() -> None:
            try:
                self._install(wish, bundle, path)
                self._found = installed(wish, bundle)
            except (Refused, OSError) as error:
                sys.stderr.write(f"noroshi: the update was not installed: {error} {error.__cause__ or ''}\n")
                code = error.code if isinstance(error, Refused) else "update-not-written"
                self._found = Attempt(
                    order=wish.order, version=bundle.version, stage=Stage.GIVEN_UP, trouble=code
                )
            finally:
                self._busy = False
                self._wake()

        threading.Thread(target=work, name="update", daemon=True).start()

    def _install(self, wish: Wish, bundle: Bundle, path: Path) -> None:
        try:
            if not self._bundles.is_right(path, bundle.sha256):
                raise Refused("update-damaged")
            why = update.accepted(bundle, wish, self._slots, *self._machinery.check(path))
            if why:
                raise Refused(why)
            self._machinery.install(path, self._tell)
        finally:
            path.unlink(missing_ok=True)

    def _tell(self, percent: int) -> None:
        self._percent = percent

    # ----------------------------------------------------------------------------------------- telling

    def fetch(self, *, gently: bool) -> dict[str, Any] | None:
        """What the courier shall bring. `gently`: leave the line to whoever uses it."""
        bundle = self._todo.bundle
        if self._todo.act is not Act.FETCH or bundle is None:
            return None
        return {"sha256": bundle.sha256, "size": bundle.size, "gently": gently}

    def _show(self, wish: Wish, status: Status) -> None:
        seen = Seen(slots=self._slots, attempt=self._attempt, phase=status.phase)
        self._view = update.view(wish, seen, self._todo, self._percent)

    def view(self) -> dict[str, Any]:
        """For reports and pages."""
        return self._view
