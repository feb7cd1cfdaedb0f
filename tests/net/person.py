"""Somebody with a phone at the box's pages: a real HTTP client in its namespace, one cookie jar, one page at a time."""

from __future__ import annotations

import http.client
import re
import socket
import urllib.parse

from scripts.exercise.namespaces import entered
from scripts.exercise.place import Place

WIZARD = "10.86.86.1"


class Person:
    def __init__(self, place: Place, machine: str = "phone") -> None:
        self.namespace, self.cookie = place.namespace(machine), ""

    def get(self, host: str, path: str, address: str = "") -> tuple[int, str, str]:
        return self._ask("GET", host, path, None, address)

    def post(self, host: str, path: str, **form: str) -> tuple[int, str, str]:
        return self._ask("POST", host, path, urllib.parse.urlencode(form), "")

    def _ask(self, how: str, host: str, path: str, form: str | None, address: str) -> tuple[int, str, str]:
        with entered(self.namespace):
            channel = socket.create_connection((address or host, 80), timeout=5)
        connection = http.client.HTTPConnection(host, timeout=5)
        connection.sock = channel
        headers = {"Cookie": self.cookie} if host == WIZARD and self.cookie else {}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(how, path, form, headers)
            answer = connection.getresponse()
            body = answer.read(65536).decode(errors="replace")
        finally:
            connection.close()
        given = answer.getheader("Set-Cookie")
        if host == WIZARD and given:
            self.cookie = given.split(";")[0]
        return answer.status, body, answer.getheader("Location") or ""

    def press(self, path: str) -> tuple[int, str, str]:
        """A button of the wizard's first screen."""
        _, page, _ = self.get(WIZARD, "/")
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found, page
        return self.post(WIZARD, path, csrf_token=found[1])
