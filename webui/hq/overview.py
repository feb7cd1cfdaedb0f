"""The board: every box at one glance, worst first. The same fragment serves the page and its own refreshing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict

from flask import Blueprint, Response, make_response, render_template, request

from appliance.hub.board import Board
from appliance.hub.people import Role
from webui.hq.access import me, serves
from webui.hq.desk import Desk, Drawings, desk
from webui.hq.updates import on_board
from webui.language import current

views = Blueprint("overview", __name__)
COUNTERS = (  # name of the group, the urgencies it adds up
    ("trouble", ("stop", "down")),
    ("warning", ("late", "weak", "busy")),
    ("good", ("good",)),
    ("ready", ("waiting", "away", "never")),
)


@views.get("/")
@serves(Role.VIEWER)
def page() -> str:
    board = desk().board()
    return render_template(
        "hq/board.html", fragment=fragment(desk(), board), tag=tag(desk(), board), board=board
    )


@views.get("/live")
@serves(Role.VIEWER)
def live() -> Response:
    """The fragment again, or 304 where nothing changed but the time, which the page counts itself."""
    board = desk().board()
    answer = make_response("")
    answer.set_etag(tag(desk(), board))
    answer.headers["Noroshi-Now"] = f"{board.now:.3f}"
    answer.headers["Cache-Control"] = "no-store"
    if request.if_none_match.contains(tag(desk(), board)):
        answer.status_code = 304
        return answer
    answer.set_data(fragment(desk(), board))
    return answer


def tag(desk: Desk, board: Board) -> str:
    """What the fragment depends on besides the time; the same for everybody who reads the same language."""
    return _once(desk, board, "tag", lambda: _digest(desk, board))


def fragment(desk: Desk, board: Board) -> str:
    who = me()
    reader = f"{current()} {who.role if who else ''}"
    return _once(desk, board, reader, lambda: _render(desk, board))


def _once(desk: Desk, board: Board, name: str, make: Callable[[], str]) -> str:
    """Made once for each picture of the board, however many screens show it."""
    kept = desk.drawings
    if kept.board is not board:
        kept = desk.drawings = Drawings(board)
    if name not in kept.made:
        kept.made[name] = make()
    return kept.made[name]


def _digest(desk: Desk, board: Board) -> str:
    told = json.dumps([[asdict(box) for box in board.boxes], board.name, desk.hub_silent])
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _render(desk: Desk, board: Board) -> str:
    groups = [(name, sum(board.counts[level] for level in levels)) for name, levels in COUNTERS]
    return render_template(
        "hq/_board.html",
        board=board,
        groups=groups,
        hub_silent=desk.hub_silent,
        updating=on_board,
    )
