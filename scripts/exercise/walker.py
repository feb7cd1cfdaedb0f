"""The thumb on the phone: a process in a machine's namespace that drives a real Chromium, one page at a time.

It reads orders as JSON lines on standard input and answers on standard output. It knows the wizard by its
marks only (`body[data-step]`, `body[data-phase]`, `[data-primary]`), never by its words or its order.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
JAPAN = {"locale": "ja-JP", "timezone_id": "Asia/Tokyo"}
SHAPES: dict[str, dict[str, Any]] = {
    "phone": {
        "viewport": {"width": 360, "height": 640},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
        **JAPAN,
    },
    "desk": {"viewport": {"width": 1280, "height": 800}, **JAPAN},
}
MARKS = "() => [document.body.dataset.step || '', document.body.dataset.phase || '']"
PRIMARY = "form[data-step] button[data-primary], form[data-step] button:not([type=button])"
LOOK_EVERY = 0.05  # seconds
OPEN_AGAIN = 0.5  # seconds without a page of ours
PRESS_AGAIN = 3.0  # seconds: a press that is under way is not pressed again


def tell(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Walker:
    def __init__(self, page: Page, shots: Path, ticket: str) -> None:
        self.page, self.shots, self.ticket = page, shots, ticket
        self.pages: list[dict[str, Any]] = []
        self.pressed = ("", 0.0)  # on which page, and when

    def walk(self, url: str, until: str, seconds: float) -> tuple[str, str]:
        """The phase it ended in, and why it ended if not there."""
        deadline = time.monotonic() + seconds
        step, phase, why = "", "", f"not {until} after {seconds:.0f} s"
        self._open(url)
        marked = time.monotonic()
        while time.monotonic() < deadline:
            marks = self._marks()
            if marks is None:
                if time.monotonic() - marked > OPEN_AGAIN:
                    self._open(url)
                time.sleep(LOOK_EVERY)
                continue
            marked = time.monotonic()
            if marks != (step, phase):
                step, phase = marks
                self._keep(step, phase)
            if phase == until:
                return phase, ""
            if step == "blocked":
                return phase, self._said()
            self._act(step)
            time.sleep(LOOK_EVERY)
        return phase, f"{why}; {self._said()}"

    def _said(self) -> str:
        """What the page says is wrong, or its heading."""
        for place in ("#error", "h1"):
            found = self.page.query_selector(place)
            if found is not None:
                return " ".join(found.inner_text().split())[:200]
        return "an empty page"

    def _open(self, url: str) -> None:
        try:
            self.page.goto(url, wait_until="domcontentloaded", timeout=2000)
        except Error:  # the box is not there yet
            time.sleep(LOOK_EVERY)

    def _marks(self) -> tuple[str, str] | None:
        """None on a page without marks: one that is still loading, or the browser's own about an error."""
        try:
            step, phase = self.page.evaluate(MARKS)
        except Error:
            return None
        return (step, phase) if step else None

    def _keep(self, step: str, phase: str) -> None:
        name = f"{len(self.pages) + 1:02d}-{step or 'loading'}.png"
        at = time.time()
        try:
            self.page.screenshot(path=self.shots / name)
        except Error:
            return
        self.pages.append({"step": step, "phase": phase, "at": at, "screenshot": str(self.shots / name)})

    def _act(self, step: str) -> None:
        if self.pressed[0] == step and time.monotonic() - self.pressed[1] < PRESS_AGAIN:
            return
        try:
            field = self.page.query_selector("textarea[name=ticket]")
            button = self.page.query_selector(PRIMARY)
            if button is None or not button.is_enabled():
                return
            if field is not None and field.is_visible():
                field.fill(self.ticket)
                self._again(step)
            button.click(timeout=2000)
            self.pressed = (step, time.monotonic())
        except Error as problem:
            print(f"{step}: {problem}", file=sys.stderr, flush=True)

    def _again(self, step: str) -> None:
        """The page as it looks with the ticket pasted."""
        self.page.screenshot(path=self.shots / f"{len(self.pages):02d}-{step}-filled.png")


def look(page: Page, order: dict[str, Any]) -> str:
    """What went wrong; empty when the picture is taken."""
    milliseconds = order["seconds"] * 1000
    try:
        page.goto(order["url"], wait_until="load", timeout=milliseconds)
        if "password" in order and page.query_selector("input[name=password]"):
            page.fill("input[name=name]", order["name"])
            page.fill("input[name=password]", order["password"])
            page.click("button[data-primary]")
            page.wait_for_load_state("load", timeout=milliseconds)
        if "wanted" in order:
            page.wait_for_selector(order["wanted"], timeout=milliseconds)
        page.screenshot(path=order["screenshot"])
    except Error as problem:
        page.screenshot(path=order["screenshot"])
        return str(problem).splitlines()[0]
    return ""


def obey(browser: Browser, shape: str) -> None:
    page = browser.new_context(**SHAPES[shape]).new_page()
    page.goto("about:blank")
    tell(event="ready")
    for line in sys.stdin:
        order = json.loads(line)
        match order["do"]:
            case "walk":
                walker = Walker(page, Path(order["shots"]), order["ticket"])
                phase, why = walker.walk(order["url"], order["until"], order["seconds"])
                tell(event="walked", phase=phase, why=why, pages=walker.pages)
            case "look":
                tell(event="seen", why=look(page, order))
            case "end":
                return


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("no chromium here: run scripts/setup")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, "--lang=ja"])
        try:
            obey(browser, sys.argv[1])
        finally:
            browser.close()


if __name__ == "__main__":
    main()
