"""One function per address of the field web. Nothing is remembered between requests: the door's status says
which screen it is, and the invitation travels in the form that needs it, never in an address.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from flask import Flask, Response, current_app, make_response, redirect, render_template, request
from flask_wtf.csrf import CSRFError, generate_csrf
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from appliance.control import Refused, Unreachable, ask
from appliance.core.wifi_code import wifi_code
from webui import photo, qr
from webui.field import captive, sentences, steps
from webui.field.sentences import Sentence
from webui.field.steps import Facts, Step

CLOCK = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
TOKEN_PLACE = "\ue000token\ue000"  # noqa: S105 - where a form's CSRF token goes after the screen got its tag
LONGEST_TEXT = 2 * photo.LONGEST_INVITATION  # as pasted, with spaces and line breaks
MOST_TO_SWALLOW = 128 * 1024 * 1024


class Pages:
    def __init__(self, door: Path) -> None:
        self.door = door

    # -------------------------------------------------------------------------------------- the door

    def status(self) -> Facts | None:
        """None when the box's program does not answer: then there is one screen, `closed`."""
        try:
            return ask(self.door, {"ask": "status", **_visitor()})
        except (Unreachable, Refused):
            current_app.logger.warning("the door does not answer")
            return None

    def lan_address(self) -> str:
        status = self.status()
        return captive.lan_address(status["lan"]) if status else ""

    def ask(self, **question: object) -> dict[str, Any] | Sentence:
        """The door's answer, or the sentence to show."""
        try:
            return ask(self.door, dict(question))
        except Refused as no:
            return sentences.of_words(no.sentence)
        except Unreachable:
            return sentences.unreachable()

    # ----------------------------------------------------------------------------------- the screens

    def home(self) -> Response:
        status = self.status()
        return self.page(steps.step_of(status) if status else Step.CLOSED, status)

    def live(self) -> Response:
        """The screen alone, for the page's script; its tag says whether anything changed."""
        status = self.status()
        return _live(*self.screen(steps.step_of(status) if status else Step.CLOSED, status))

    def page(self, step: Step, status: Facts | None, code: int = 200, **more: object) -> Response:
        """A whole page. A screen that answers a POST (`more`) is not exchanged under people's hands."""
        html, tag = self.screen(step, status, **more)
        quick, slow = steps.PACE[step]
        return make_response(
            render_template(
                "field/page.html",
                screen=html,
                tag=tag,
                step=step,
                phase=status["phase"] if status else "",
                live="/live" if quick else "",
                reload=0 if more else slow,
            ),
            code,
        )

    def screen(self, step: Step, status: Facts | None, **more: object) -> tuple[Markup, str]:
        html = render_template(
            "field/screen.html",
            step=step,
            state=steps.state_of(step, status or {}),
            status=status,
            words=sentences.of_status(status) if status else sentences.unreachable(),
            pace=steps.PACE[step][0],
            steps=steps,
            silent_line=sentences.of_line(),
            wifi_code=_wifi_code(status) if status and step is Step.DONE else "",
            home=captive.HOME,
            token=TOKEN_PLACE,
            **more,
        )
        return _with_token(html)

    # ----------------------------------------------------------------------- the invitation, step by step

    def ticket_page(self) -> Response:
        """Reading the invitation before there is a line: allowed while nothing is joined."""
        status = self.status()
        if status is None or steps.step_of(status) not in (Step.LINE, Step.TICKET) or status.get("joining"):
            return _see("/")
        return self.page(Step.TICKET, status, notice=None)

    def ticket(self) -> Response:
        """The form with its three ways; what is right becomes the question about the site."""
        pasted = request.form.get("ticket", "")[:LONGEST_TEXT]
        found = self._given(pasted)
        if isinstance(found, Sentence):
            return self.again(found, pasted)
        return self.site(found, pasted)

    def _given(self, pasted: str) -> str | Sentence:
        for name in ("photo", "file"):
            upload = request.files.get(name)
            if upload is not None and upload.filename:
                read = photo.read(cast(BinaryIO, upload.stream))
                return (
                    sentences.of_photo(read) if isinstance(read, photo.Problem) else read.text[:LONGEST_TEXT]
                )
        return pasted if pasted.strip() else sentences.nothing_given()

    def again(self, notice: Sentence, pasted: str, code: int = 422) -> Response:
        """The ticket page once more: one sentence on top, the text kept."""
        return self.page(Step.TICKET, self.status(), code, notice=notice, pasted=pasted)

    def site(self, text: str, pasted: str, notice: Sentence | None = None) -> Response:
        read = self.ask(ask="read-ticket", ticket=text)
        if isinstance(read, Sentence):
            return self.again(read, pasted)
        code = 200 if notice is None else 400
        return self.page(Step.SITE, self.status(), code, notice=notice, invitation=read, text=text)

    def join(self) -> Response:
        text = request.form.get("ticket", "")[:LONGEST_TEXT]
        if request.form.get("answer") != "yes":
            return self.again(sentences.not_this_site(), "", 200)
        clock = _clock(request.form.get("clock", ""))
        answer = self.ask(ask="redeem", ticket=text, **({"clock": clock} if clock else {}))
        return self.again(answer, text) if isinstance(answer, Sentence) else _see("/")

    def start_over(self) -> Response:
        answer = self.ask(ask="start-over")
        if isinstance(answer, Sentence):
            status = self.status()
            return self.page(steps.step_of(status) if status else Step.CLOSED, status, 422, notice=answer)
        return _see("/")

    # ------------------------------------------------------------------------------- what there is to take

    def desktop_file(self, name: str) -> Response:
        answer = self.ask(ask="rdp-file", desktop=name, **_visitor())
        if isinstance(answer, Sentence):
            return _trouble(answer, 404)
        taken = Response(answer["file"].encode(), content_type="application/x-rdp")
        taken.headers.set("Content-Disposition", "attachment", filename=f"{name}.rdp")
        return taken

    def sheet(self) -> Response:
        status = self.status()
        if status is None or steps.step_of(status) is not Step.DONE:
            return _see("/")
        return make_response(
            render_template(
                "field/sheet.html",
                status=status,
                home=captive.HOME,
                home_code=_code(captive.HOME),
                wifi_code=_wifi_code(status),
            )
        )

    def details(self) -> Response:
        status = self.status()
        if status is None:
            return _see("/")
        html, tag = self.particulars(status)
        return make_response(
            render_template(
                "field/page.html",
                screen=html,
                tag=tag,
                step="details",
                phase=status["phase"],
                live="/live/details",
                reload=10,
            )
        )

    def live_details(self) -> Response:
        status = self.status()
        return _live(*self.particulars(status)) if status else self.live()

    def particulars(self, status: Facts, notice: Sentence | None = None) -> tuple[Markup, str]:
        html = render_template(
            "field/details.html",
            status=status,
            words=sentences.of_status(status),
            notice=notice,
            token=TOKEN_PLACE,
        )
        return _with_token(html)

    def prove(self) -> Response:
        answer = self.ask(ask="prove")
        return _trouble(answer, 422) if isinstance(answer, Sentence) else _see("/details")

    def wish_line(self) -> Response:
        """Which line to use first, or only where no other one works."""
        answer = self.ask(
            ask="wish-line", link=request.form.get("link", "")[:16], wish=request.form.get("wish", "")[:16]
        )
        return _trouble(answer, 422) if isinstance(answer, Sentence) else _see("/details#lines")

    def wifi(self, notice: Sentence | None = None, code: int = 200) -> Response:
        """The Wi-Fi, and somebody's Wi-Fi as a line."""
        return self._typed_on("wifi", notice, code)

    def mobile(self, notice: Sentence | None = None, code: int = 200) -> Response:
        """The mobile network, and what the SIM's contract says of the way in."""
        return self._typed_on("mobile", notice, code)

    def _typed_on(self, name: str, notice: Sentence | None, code: int) -> Response:
        """A page that tells how something goes and that people type on. What was said about a form stays until the
        next press."""
        status = self.status()
        if status is None:
            return _see("/")
        html, tag = _typed_screen(name, status, notice)
        page = render_template(
            "field/page.html",
            screen=html,
            tag=tag,
            step=name,
            phase=status["phase"],
            live="" if notice else f"/live/{name}",
            reload=5 if name == "wifi" and steps.waits_for_wifi(status) and not notice else 0,
        )
        return make_response(page, code)

    def live_wifi(self) -> Response:
        return self._live_typed("wifi")

    def live_mobile(self) -> Response:
        return self._live_typed("mobile")

    def _live_typed(self, name: str) -> Response:
        status = self.status()
        return _live(*_typed_screen(name, status)) if status else self.live()

    def set_apn(self) -> Response:
        told = {k: request.form.get(k, "")[:128] for k in ("apn", "user", "password", "auth")}
        roaming = request.form.get("roaming") == "yes"
        answer = self.ask(ask="set-apn", **{k: v.strip() for k, v in told.items()}, roaming=roaming)
        return self.mobile(answer, 422) if isinstance(answer, Sentence) else _see("/mobile")

    def set_air(self) -> Response:
        place, band = request.form.get("place", "")[:16], request.form.get("band", "")[:16]
        return self._wifi_done(self.ask(ask="set-air", place=place, band=band))

    def show_wifi(self) -> Response:
        return self._wifi_done(self.ask(ask="show-wifi"), "#line")

    def join_wifi(self) -> Response:
        ssid, key = request.form.get("ssid", "")[:64], request.form.get("key", "")[:128]
        return self._wifi_done(self.ask(ask="join-wifi", ssid=ssid, key=key if ssid else ""), "#line")

    def _wifi_done(self, answer: dict[str, Any] | Sentence, part: str = "") -> Response:
        return self.wifi(answer, 422) if isinstance(answer, Sentence) else _see(f"/wifi{part}")

    def sign_in(self) -> Response:
        return self._done_or_said(self.ask(ask="sign-in", **_visitor()))

    def end_sign_in(self) -> Response:
        return self._done_or_said(self.ask(ask="end-sign-in"))

    def _done_or_said(self, answer: dict[str, Any] | Sentence) -> Response:
        if not isinstance(answer, Sentence):
            return _see("/")
        status = self.status()
        return self.page(steps.step_of(status) if status else Step.CLOSED, status, 422, notice=answer)

    # ------------------------------------------------------------------------------- machines, and mishaps

    def captive_api(self) -> Response:
        return captive.api(self.status())

    def catch_errors(self, app: Flask) -> None:
        app.register_error_handler(CSRFError, self.stale_form)
        app.register_error_handler(RequestEntityTooLarge, self.upload_too_large)
        app.register_error_handler(HTTPException, _http_error)
        app.register_error_handler(Exception, _crash)

    def stale_form(self, _error: CSRFError) -> Response:
        """No cookie, or a page from before a restart: the same screen with a fresh form, the text kept."""
        notice = sentences.stale_form(captive.HOME)
        text = request.form.get("ticket", "")[:LONGEST_TEXT]
        if request.endpoint == "join":
            return self.site(text, text, notice)
        if request.endpoint == "ticket":
            return self.again(notice, text, 400)
        return _trouble(notice, 400)

    def upload_too_large(self, _error: RequestEntityTooLarge) -> Response:
        """Read on to its end and throw away, or the browser never sees the sentence."""
        stream = request.environ["wsgi.input"]
        for _ in range(MOST_TO_SWALLOW // 65536):
            if not stream.read(65536):
                break
        return self.again(sentences.upload_too_large(), "", 413)


def _visitor() -> dict[str, str]:
    """Who looks: a laptop is shown its own desktops, and one that nobody registered its number."""
    return {"visitor": request.remote_addr} if request.remote_addr else {}


@lru_cache(maxsize=4)
def _code(text: str) -> Markup:
    """Drawn once: a screen with a code in it is looked at every few seconds."""
    return qr.svg(text)


def _clock(text: str) -> float:
    """The time of the device that filled in the form; 0.0 where its page has no script."""
    return float(text) if CLOCK.fullmatch(text) else 0.0


def _wifi_code(status: Facts) -> Markup:
    point = status.get("access_point")
    return _code(wifi_code(point["ssid"], point["passphrase"])) if point else Markup("")


def _typed_screen(name: str, status: Facts, notice: Sentence | None = None) -> tuple[Markup, str]:
    return _with_token(render_template(f"field/{name}.html", status=status, notice=notice, token=TOKEN_PLACE))


def _with_token(html: str) -> tuple[Markup, str]:
    """The finished screen and its tag. The tag is taken first: a token differs each time, the screen does not."""
    tag = hashlib.sha256(html.encode()).hexdigest()[:20]
    return Markup(html.replace(TOKEN_PLACE, generate_csrf())), tag  # noqa: S704 - a template's own output


def _live(html: Markup, tag: str) -> Response:
    answer = make_response(str(html))
    answer.set_etag(tag)
    return cast(Response, answer.make_conditional(request))


def _see(path: str) -> Response:
    return cast(Response, redirect(path, 303))


def _trouble(sentence: Sentence, code: int) -> Response:
    return make_response(render_template("field/trouble.html", sentence=sentence), code)


def _http_error(error: HTTPException) -> Response:
    code = error.code or 500
    if code < 400:
        return cast(Response, error.get_response())
    if code == 405 and request.method == "GET":
        return _see("/")  # somebody reloads the address of a form
    match code:
        case 404:
            return _trouble(sentences.no_such_page(), code)
        case 403:
            return _trouble(sentences.not_from_here(), code)
        case _:
            return _trouble(sentences.trouble(), code)


def _crash(_error: Exception) -> Response:
    current_app.logger.exception("a page failed")
    return _trouble(sentences.trouble(), 500)
