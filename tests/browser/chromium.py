"""Debian's Chromium without a screen, at the size of a small phone; a page that complains fails the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from scripts.exercise.walker import FLAGS

PHONE = {"width": 360, "height": 640}


@contextmanager
def browser() -> Iterator[Browser]:
    path = os.environ.get("NOROSHI_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield started
        finally:
            started.close()


@contextmanager
def tab(of: Browser, complaints: list[str] | None = None, **options: Any) -> Iterator[Page]:
    """A new person's phone: no cookies. What the browser's console complains about lands in `complaints`."""
    context: BrowserContext = of.new_context(**{"viewport": PHONE, **options})
    page = context.new_page()
    page.set_default_timeout(20_000)
    if complaints is not None:
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
    finally:
        context.close()
