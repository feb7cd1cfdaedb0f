"""Where boxes hand in reports and invitations, inside the tunnel only. A box is its source address *and* its key.

Nothing a box sends may raise: what cannot be read is refused by its number, what cannot be stored is asked
for again later (503), and a stranger learns nothing but "unknown-box".
"""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from appliance import control
from appliance.core.clock import GOOD_FOR
from appliance.core.enrolment import verify_text
from appliance.core.software import LARGEST, SHA256
from appliance.fetching import PIECE
from appliance.hub import records
from appliance.hub.records import Received
from appliance.hub.register import RegisterProblem, open_register
from appliance.hub.reports import Envelope, Malformed, read_envelope, read_json, read_report
from appliance.hub.whois import Known, Whois

MAX_POST = 256 * 1024
MAX_REPORTS = 200
WORTH_PACKING = 1024  # octets of an answer; an assignment with a town's laptops has 160,000
MAX_TEXT = 4096  # of one field of an enrolment
ENROLMENT = ("ticket", "tunnel_public", "report_public", "serial", "model")


def create_app(door: Path, database_url: str, software: Path | None = None) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_POST
    engine = open_register(database_url)
    app.extensions["noroshi-register"] = engine
    whois = Whois(door)

    @app.post("/reports")
    def reports() -> tuple[Response, int] | Response:
        sender = whois(request.remote_addr or "")
        if sender is None:
            return refuse(403, "unknown-box")
        return jsonify(take(engine, door, sender, request.get_data(), time.time()))

    @app.post("/enrol")
    def enrol() -> tuple[Response, int] | Response:
        body = read_json(request.get_data())
        if not isinstance(body, dict):
            raise Malformed("the enrolment is not an object")
        wanted = {name: body.get(name) for name in ENROLMENT}
        for name, value in wanted.items():
            if not isinstance(value, str) or len(value) > MAX_TEXT:
                raise Malformed(f"{name}: not the expected text")
        answer = control.ask(door, {"ask": "enrol", **wanted, "address": request.remote_addr or ""})
        return jsonify(assignment=answer["assignment"])

    @app.get("/software/<sha256>/<int:number>")
    def piece(sha256: str, number: int) -> tuple[Response, int] | Response:
        if whois(request.remote_addr or "") is None:
            return refuse(403, "unknown-box")
        content = piece_of(software, sha256, number)
        if not content:
            return refuse(404, "unknown-version")
        return Response(content, mimetype="application/octet-stream")

    app.after_request(pack)
    app.register_error_handler(Malformed, lambda problem: refuse(400, "format", problem.why))
    app.register_error_handler(control.Refused, lambda problem: refuse(409, problem.code))
    app.register_error_handler(control.Unreachable, lambda _: refuse(503, "hub-stopped"))
    app.register_error_handler(sa.exc.OperationalError, lambda _: refuse(503, "register-busy"))
    app.register_error_handler(RequestEntityTooLarge, lambda _: refuse(413, "too-large"))
    app.register_error_handler(HTTPException, lambda problem: refuse(problem.code or 500, "http"))
    return app


def piece_of(folder: Path | None, sha256: str, number: int) -> bytes:
    """A part of an update; nothing where there is none such."""
    if folder is None or not SHA256.fullmatch(sha256) or number * PIECE > LARGEST:
        return b""
    try:
        with (folder / sha256).open("rb") as file:
            file.seek(number * PIECE)
            return file.read(PIECE)
    except OSError:
        return b""


def pack(answer: Response) -> Response:
    """Lines on site are slow and metered; an assignment packs to a fraction."""
    accepted = request.accept_encodings.quality("gzip")
    if (
        accepted
        and answer.is_json
        and answer.status_code == 200
        and (answer.content_length or 0) >= WORTH_PACKING
    ):
        answer.set_data(gzip.compress(answer.get_data(), 6, mtime=0))
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def take(engine: sa.Engine, door: Path, sender: Known, raw: bytes, now: float) -> dict[str, Any]:
    """One post of reports: what is accepted, what is refused for good, and what the box should know."""
    envelope = read_envelope(raw, limit=MAX_REPORTS)
    received, refused = _sort(envelope, sender)
    accepted = records.record(engine, sender.box, envelope, received, now)
    return {
        "accepted": accepted,
        "refused": [{"seq": problem.seq, "why": problem.why} for problem in refused],
        "time": time.time(),
        "assignment": _newer_assignment(door, sender, received),
        "clock": _signed_time(door, sender, envelope, received),
    }


def _sort(envelope: Envelope, sender: Known) -> tuple[list[Received], list[Malformed]]:
    received: list[Received] = []
    refused = list(envelope.malformed)
    for signed in envelope.reports:
        try:
            report = read_report(signed.body)
            if not verify_text(signed.body, signed.signature, sender.report_public):
                raise Malformed("the signature is wrong", report.seq)
            if report.box != sender.box:
                raise Malformed("another box's report", report.seq)
            received.append(Received(report=report, signed=signed))
        except Malformed as problem:
            refused.append(problem)
    return received, refused


def _newer_assignment(door: Path, sender: Known, received: list[Received]) -> object:
    """What HQ decided since the newest report was made, or None. A silent door is no reason to lose reports."""
    if not received:
        return None
    # A box's policy only ever grows, so the highest one told is the one it has, whatever its clock says.
    if sender.version <= max(item.report.policy for item in received):
        return None
    try:
        return control.ask(door, {"ask": "assignment", "box": sender.box})["assignment"]
    except (control.Refused, control.Unreachable):
        return None


def _signed_time(door: Path, sender: Known, envelope: Envelope, received: list[Received]) -> object:
    """HQ's time over the newest question in this post, or None where nobody asked lately."""
    asking = [x.report for x in received if x.report.nonce and x.report.boot_id == envelope.boot_id]
    newest = max(asking, key=lambda x: x.seq, default=None)
    if newest is None or envelope.uptime - newest.uptime > GOOD_FOR:
        return None
    question = {"ask": "time", "box": sender.box, "nonce": newest.nonce, "forget": newest.forget}
    try:
        return control.ask(door, question)["paper"]
    except (control.Refused, control.Unreachable):
        return None


def refuse(status: int, code: str, why: str = "") -> tuple[Response, int]:
    return jsonify(error={"code": code, **({"why": why} if why else {})}), status


def from_environment() -> Flask:
    """For gunicorn: NOROSHI_RUN_DIR has the door, NOROSHI_DATABASE_URL names the register."""
    url = os.environ.get("NOROSHI_DATABASE_URL", "")
    if not url:
        raise RegisterProblem("NOROSHI_DATABASE_URL is not set: name the register, for example sqlite:////…")
    software = Path(os.environ["NOROSHI_SOFTWARE"]) if "NOROSHI_SOFTWARE" in os.environ else None
    return create_app(Path(os.environ["NOROSHI_RUN_DIR"]) / "door", url, software)
