"""Versions and their order; what HQ may sign as a wish."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.core.software import Bundle, Wish, is_bundle, is_older, is_version, is_wish, order

OLD, NEW = "0.1.0-202611222228-37c07f2a", "0.1.0-202611222333-bae53650"
BUNDLE = Bundle(version=NEW, image="noroshi-pc", sha256="ab" * 32, size=167_205_485)
WISH = Wish(order=1, version=NEW, bundles=(BUNDLE,), oldest=OLD)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (OLD, NEW),
        (NEW, "0.1.1"),
        ("0.9", "0.10"),
        ("1", "1.0.1"),
        ("0.1.0", OLD),
        ("0.1.0-202611222228", NEW),
    ],
)
def test_versions_have_an_order(older: str, newer: str) -> None:
    assert order(older) < order(newer)
    assert is_older(older, newer)
    assert not is_older(newer, older)
    assert not is_older(newer, newer)


def test_without_a_limit_no_version_is_too_old() -> None:
    assert not is_older("0.0.1", "")


@pytest.mark.parametrize(
    "text", ["", "1.", "v1", "1.2.3.4.5", "1-2026", "../1", "1\n", "１.0", "1 ", "1-202611222228-A"]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(ValueError, match="not a version"):
        order(text)


def test_a_wish_has_its_grammar() -> None:
    assert is_wish(Wish())
    assert is_wish(WISH)


@pytest.mark.parametrize(
    "changes",
    [{"image": "noroshi-../x"}, {"image": "pc"}, {"sha256": "AB" * 32}, {"sha256": "/etc"}, {"size": 0}, {"size": 1 << 40},
     {"version": "x"}],
)  # fmt: skip
def test_a_bundle_with_a_value_that_is_none_is_no_bundle(changes: dict[str, object]) -> None:
    bad = replace(BUNDLE, **changes)  # type: ignore[arg-type]
    assert not is_bundle(bad)
    assert not is_wish(replace(WISH, bundles=(bad,)))


def test_a_wish_for_another_version_than_its_bundles_is_none() -> None:
    assert not is_wish(replace(WISH, version=OLD))
    assert not is_wish(replace(WISH, oldest="yesterday"))
    assert not is_wish(replace(WISH, bundles=(BUNDLE,) * 9))
