"""What a report says of good scenes, bad ones, and those that were played once more."""

from __future__ import annotations

from tests.vm.outcome import Check, Number, Report, as_json, lines

GOOD = Check(scene="joining", what="it boots", good=True)
BAD = Check(scene="joining", what="it joins", good=False, told="silence")
MISSED = Number(what="RAM", value=338, unit="MiB", command="free", at_most=320, scene="survival")


def test_a_report_is_good_only_if_something_was_looked_at() -> None:
    report = Report()
    assert not report.good
    report.checks.append(GOOD)
    assert report.good


def test_a_missed_figure_is_told_as_such() -> None:
    report = Report(checks=[GOOD], numbers=[MISSED])
    assert not report.good and not report.failed("survival"), "another try would not make it well"
    assert as_json(report)["figures"][0]["good"] is False
    assert "MISSED" in lines(report)[0]
    assert lines(report)[-1] == "  1 of these are not well."


def test_a_scene_that_is_good_the_second_time_is_good_and_its_first_try_is_told() -> None:
    report = Report(checks=[GOOD, BAD])
    report.set_aside("joining")
    assert not report.good, "nothing was looked at that counts"
    report.checks += [GOOD]
    assert report.good and not report.failed("joining")
    assert "  × first try, joining: it joins – silence" in lines(report)
    assert [x["first_try"] for x in as_json(report)["checks"]] == [True, True, False]


def test_a_scene_that_fails_twice_has_failed() -> None:
    report = Report(checks=[BAD])
    report.set_aside("joining")
    report.checks += [BAD]
    assert not report.good and report.failed("joining")


def test_one_scenes_second_try_leaves_the_others_alone() -> None:
    other = Check(scene="wifi", what="it joins", good=False)
    report = Report(checks=[BAD, other], numbers=[MISSED])
    report.set_aside("joining")
    assert report.failed("wifi") and not report.failed("joining")
    report.set_aside("survival")
    assert report.bad == [other, MISSED], "a missed figure stays one"


def test_a_figure_with_two_bounds_shows_both() -> None:
    early = Number(
        what="went back", value=297, unit="s", command="uptime", at_least=570, at_most=720, scene="x"
    )
    assert "went back: 297 s (at least 570, at most 720: MISSED)" in lines(Report(numbers=[early]))[0]
