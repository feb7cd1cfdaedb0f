"""Somebody's phone on the field web, without a browser: keeps cookies, finds the form's token, reads the page."""

from __future__ import annotations

import html
import re
from io import BytesIO
from pathlib import Path
from typing import Any

from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from webui.field import create_app

WIZARD = "http://10.86.86.1/"


class Page:
    def __init__(self, answer: TestResponse) -> None:
        self.answer = answer
        self.code = answer.status_code
        self.html = answer.get_data(as_text=True)
        answer.close()

    @property
    def step(self) -> str:
        found = re.search(r'<body[^>]* data-step="([a-z-]+)"', self.html)
        return found[1] if found else ""

    @property
    def token(self) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.html)
        assert found, "a page without a token"
        return found[1]

    @property
    def text(self) -> str:
        """As read by a person: no tags, no scripts."""
        return html.unescape(re.sub(r"<[^>]+>", " ", self.html))


class Visitor:
    def __init__(self, door: Path, hosts: tuple[str, ...] = (), cookies: bool = True) -> None:
        self.client = create_app(door, hosts).test_client(use_cookies=cookies)

    def get(self, path: str = "/", base: str = WIZARD, **more: Any) -> Page:
        return Page(self.client.get(path, base_url=base, **more))

    def speak(self, language: str) -> None:
        self.client.set_cookie("language", language, domain="10.86.86.1")

    def send(self, path: str, token: str | None = None, base: str = WIZARD, **fields: Any) -> Page:
        """POST with a token from the first screen, unless told otherwise."""
        known = self.get().token if token is None else token
        answer = self.client.post(path, base_url=base, data={"csrf_token": known, **fields})
        return Page(answer)

    def upload(self, name: str, content: bytes, file: str = "photo.jpg", **fields: str) -> Page:
        """A form with a file in it. Encoded here: the test client would leave a temporary file open."""
        picture = FileStorage(BytesIO(content), filename=file, name=name, content_type="image/jpeg")
        boundary, body = encode_multipart({"csrf_token": self.get().token, **fields, name: picture})
        kind = f"multipart/form-data; boundary={boundary}"
        return Page(self.client.post("/ticket", base_url=WIZARD, data=body, content_type=kind))
