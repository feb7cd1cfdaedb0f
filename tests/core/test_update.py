"""What a box does next about an update: a table of what HQ wishes and what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appliance.core.model import Phase
from appliance.core.software import Slots, Wish
from appliance.core.update import SETTLED, TRIAL_LASTS, Act, Attempt, Seen, Stage, accepted, decide, view
from appliance.core.update_words import TROUBLE
from tests.core.test_software import BUNDLE, NEW, OLD, WISH

OLDEST = "0.1.0-202601010000-aaaaaaaa"
HERE = Slots(image="noroshi-pc", version=OLD, slot="A", good="A")
THERE = replace(HERE, version=NEW, slot="B")
DONE = replace(THERE, good="B")
SEEN = Seen(slots=HERE, phase=Phase.PROTECTED, settled=60.0, mission_runs=True, up=9e4, room=1 << 30)


def attempt(stage: Stage, **changes: Any) -> Attempt:
    return Attempt(order=1, version=NEW, stage=stage, **changes)


INSTALLED, TRIED = attempt(Stage.INSTALLED), attempt(Stage.TRIED, before="PROTECTED")
OF_THIS = attempt(Stage.INSTALLED, sha256=BUNDLE.sha256)
TRIAL = replace(SEEN, slots=THERE, attempt=TRIED, up=60.0)

ROWS: list[tuple[str, Wish, Seen, Act, str]] = [
    ("no slots", WISH, replace(SEEN, slots=Slots()), Act.REST, ""),
    ("no wish", Wish(), SEEN, Act.REST, ""),
    ("no wish, though a bundle lies here", Wish(), replace(SEEN, fetched=True), Act.REST, ""),
    ("it runs already", WISH, replace(SEEN, slots=DONE), Act.REST, ""),
    ("a wish", WISH, SEEN, Act.FETCH, ""),
    ("in use: fetching disturbs nobody", WISH, replace(SEEN, laptops=3), Act.FETCH, ""),
    ("for other kinds of box", replace(WISH, bundles=()), SEEN, Act.GIVE_UP, "update-other-machine"),
    ("older than HQ allows", replace(WISH, oldest="0.2.0"), SEEN, Act.GIVE_UP, "update-too-old"),
    ("a full disk", WISH, replace(SEEN, room=BUNDLE.size), Act.GIVE_UP, "update-no-room"),
    ("room for the rest", WISH, replace(SEEN, room=40 << 20, held=BUNDLE.size - (4 << 20)), Act.FETCH, ""),
    ("it came", WISH, replace(SEEN, fetched=True), Act.INSTALL, ""),
    ("it came by a stick, without a line", WISH, replace(SEEN, fetched=True, phase=Phase.CONNECTING), Act.INSTALL, ""),
    ("installed", WISH, replace(SEEN, attempt=INSTALLED), Act.RESTART, ""),
    ("installed, standing by", WISH, replace(SEEN, attempt=INSTALLED, phase=Phase.STANDBY), Act.RESTART, ""),
    ("installed, in use", WISH, replace(SEEN, attempt=INSTALLED, laptops=1), Act.WAIT, ""),
    ("installed, in use, now", replace(WISH, now=True), replace(SEEN, attempt=INSTALLED, laptops=1), Act.RESTART, ""),
    ("installed, no line", WISH, replace(SEEN, attempt=INSTALLED, phase=Phase.CONNECTING), Act.WAIT, ""),
    ("no line, now", replace(WISH, now=True), replace(SEEN, attempt=INSTALLED, phase=Phase.BLOCKED), Act.WAIT, ""),
    ("installed, the line just came", WISH, replace(SEEN, attempt=INSTALLED, settled=SETTLED - 1), Act.WAIT, ""),
    ("installed for another wish", replace(WISH, order=2), replace(SEEN, attempt=INSTALLED), Act.FETCH, ""),
    ("installed, asked for anew", replace(WISH, order=2), replace(SEEN, attempt=OF_THIS, laptops=1), Act.WAIT, ""),
    ("installed, asked for anew, now", replace(WISH, order=2, now=True), replace(SEEN, attempt=OF_THIS, laptops=1),
     Act.RESTART, ""),
    ("installed, now too old", replace(WISH, order=2, oldest="0.2.0"), replace(SEEN, attempt=OF_THIS), Act.GIVE_UP,
     "update-too-old"),
    ("taken back after it was installed", Wish(order=2), replace(SEEN, attempt=INSTALLED), Act.REST, ""),
    ("on trial, as before", WISH, TRIAL, Act.CONFIRM, ""),
    ("on trial, for a moment", WISH, replace(TRIAL, settled=1.0), Act.WAIT, ""),
    ("on trial, connecting", WISH, replace(TRIAL, phase=Phase.CONNECTING), Act.WAIT, ""),
    ("on trial, never", WISH, replace(TRIAL, phase=Phase.CONNECTING, up=TRIAL_LASTS), Act.GO_BACK, ""),
    ("on trial, blocked", WISH, replace(TRIAL, phase=Phase.BLOCKED, up=TRIAL_LASTS), Act.GO_BACK, ""),
    ("on trial, config lost", Wish(), replace(TRIAL, phase=Phase.SETUP, up=TRIAL_LASTS), Act.GO_BACK, ""),
    ("worse than before", WISH, replace(TRIAL, phase=Phase.DEGRADED, up=TRIAL_LASTS), Act.GO_BACK, ""),
    ("no better than before", WISH,
     replace(TRIAL, phase=Phase.DEGRADED, attempt=attempt(Stage.TRIED, before="DEGRADED")), Act.CONFIRM, ""),
    ("better than before", WISH, replace(TRIAL, attempt=attempt(Stage.TRIED, before="STANDBY")), Act.CONFIRM, ""),
    ("standing by as before", WISH,
     replace(TRIAL, phase=Phase.STANDBY, attempt=attempt(Stage.TRIED, before="STANDBY")), Act.CONFIRM, ""),
    ("its mission ended meanwhile", WISH, replace(TRIAL, phase=Phase.STANDBY, mission_runs=False), Act.CONFIRM, ""),
    ("it forgot its mission", WISH, replace(TRIAL, phase=Phase.STANDBY, up=TRIAL_LASTS), Act.GO_BACK, ""),
    ("on trial by hand", Wish(), replace(TRIAL, attempt=None), Act.CONFIRM, ""),
    ("it came back", WISH, replace(SEEN, attempt=TRIED), Act.GIVE_UP, "update-rolled-back"),
    ("it was given up", WISH, replace(SEEN, attempt=attempt(Stage.GIVEN_UP, trouble="update-damaged")), Act.REST,
     "update-damaged"),
    ("asked again", replace(WISH, order=2), replace(SEEN, attempt=attempt(Stage.GIVEN_UP)), Act.FETCH, ""),
]  # fmt: skip


@pytest.mark.parametrize(("wish", "seen", "act", "trouble"), [x[1:] for x in ROWS], ids=[x[0] for x in ROWS])
def test_what_is_next(wish: Wish, seen: Seen, act: Act, trouble: str) -> None:
    todo = decide(wish, seen)
    assert (todo.act, todo.trouble) == (act, trouble)
    assert not trouble or trouble in TROUBLE


def test_every_act_is_in_the_table() -> None:
    assert {x[3] for x in ROWS} == set(Act)


@pytest.mark.parametrize(
    ("image", "version", "why"),
    [
        ("noroshi-pc", NEW, ""),
        ("noroshi-pi", NEW, "update-other-machine"),
        ("noroshi-pc", OLD, "update-too-old"),
        ("noroshi-pc", "0.9.9", "update-too-old"),
    ],
)
def test_what_a_bundle_says_of_itself_counts(image: str, version: str, why: str) -> None:
    assert accepted(BUNDLE, WISH, HERE, image, version) == why


def test_a_bundle_below_the_oldest_version_is_refused_though_it_is_the_one_named() -> None:
    assert accepted(BUNDLE, replace(WISH, oldest="0.2.0"), HERE, "noroshi-pc", NEW) == "update-too-old"
    assert accepted(BUNDLE, replace(WISH, oldest=OLDEST), HERE, "noroshi-pc", NEW) == ""


def test_what_is_told_says_why_in_both_languages() -> None:
    seen = replace(SEEN, attempt=TRIED)
    told = view(WISH, seen, decide(WISH, seen), 40)
    assert told["state"] == "give-up"
    assert told["words"]["number"] == "8-16"
    assert told["words"]["ja"]["what"]
    assert told["percent"] == 0
    assert view(WISH, SEEN, decide(WISH, SEEN), 40)["percent"] == 40
