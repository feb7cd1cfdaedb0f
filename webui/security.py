"""What every answer of both webs carries, and whom they answer at all: headers, Host names, declared routes.

Nothing here is decided per page: a route that is not in its web's table of access is refused, a Host that is
not ours is never served a page.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping

from flask import Flask, Response, abort, redirect, request

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def secure(app: Flask, *, cookie: str, hosts: Callable[[str], bool], home: str = "") -> None:
    """Protect `app`: session cookie called `cookie`, headers, and Host names for which `hosts(name)` is true.

    A GET under an unknown name is sent to `home` (captive portals make every name ours); without a `home`,
    and for everything that is not a GET, it is refused: that is what stops DNS rebinding. Ports do not
    matter. The session's key lives as long as the process: nothing to store, nothing to leak. Cookies do not
    know ports, so two webs on one address need two cookie names.
    """
    app.secret_key = secrets.token_bytes(32)
    app.config.update(
        SESSION_COOKIE_NAME=cookie,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        WTF_CSRF_TIME_LIMIT=None,
    )

    def check_host() -> Response | None:
        # The header itself: werkzeug would fall back to our own address where it is missing or torn.
        name = host_name(request.headers.get("Host", ""))
        if name and hosts(name):
            return None
        if home and request.method in ("GET", "HEAD"):
            answer = redirect(home, 302)
            assert isinstance(answer, Response)
            return answer
        abort(403)

    app.before_request(check_host)
    app.after_request(_add_headers)


def host_name(host: str) -> str:
    """The name in a Host header: lower case, without port and final dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].rstrip(".").lower()


def names(text: str) -> frozenset[str]:
    """Host names in a list parted by spaces or commas, as an environment variable gives it."""
    return frozenset(host_name(part) for part in text.replace(",", " ").split())


def declare(app: Flask, access: Mapping[str, str], check: Callable[[str], object] | None = None) -> None:
    """Serve only endpoints named in `access`; `check(level)` may abort. Not declared means refused."""

    def default_deny() -> None:
        if request.endpoint is None:
            return  # no such route: Flask answers 404
        level = access.get(request.endpoint)
        if level is None:
            abort(403)
        if check is not None:
            check(level)

    app.before_request(default_deny)


def undeclared(app: Flask, access: Collection[str]) -> list[str]:
    """Endpoints that `access` forgets, for the test that keeps the table whole."""
    return sorted({rule.endpoint for rule in app.url_map.iter_rules()} - set(access))


def _add_headers(answer: Response) -> Response:
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    if request.endpoint == "static":
        answer.headers["Cache-Control"] = "no-cache"  # asked again each time, sent again only when it changed
    else:
        answer.headers.setdefault("Cache-Control", "no-store")
    return answer
