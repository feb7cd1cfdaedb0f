"""A cut at any moment leaves a whole content: the newest, from one of its two copies. What strangers wrote is read
with care."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from appliance.host import files
from tests.host.spaces import needs_root

OLD, NEW = {"site": "柿崎"}, {"site": "大潟"}


@pytest.fixture
def private(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    files.write_private(path, OLD)
    files.write_private(path, NEW)
    return path


def test_what_was_never_written_is_none(tmp_path: Path) -> None:
    assert files.read_private(tmp_path / "config.json") is None


def test_the_newest_content_is_read_and_only_its_owner_may(private: Path) -> None:
    assert files.read_private(private) == NEW
    for path in private.parent.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(x.name for x in private.parent.iterdir()) == ["config.json", "config.json.previous"]


def test_a_file_cut_at_any_octet_is_read_from_its_second_copy(private: Path) -> None:
    whole = private.read_bytes()
    for length in range(len(whole)):
        private.write_bytes(whole[:length])
        assert files.read_private(private) == NEW


def test_one_bit_turned_over_sends_the_reader_to_the_second_copy(private: Path) -> None:
    whole = bytearray(private.read_bytes())
    for at in range(0, len(whole), 7):
        turned = bytearray(whole)
        turned[at] ^= 0x10
        private.write_bytes(turned)
        assert files.read_private(private) == NEW


def test_without_the_file_its_second_copy_counts(private: Path) -> None:
    private.unlink()
    assert files.read_private(private) == NEW


def test_both_cut_is_damage_and_not_a_new_box(private: Path) -> None:
    for path in private.parent.iterdir():
        path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(files.Damaged):
        files.read_private(private)


def test_between_the_two_copies_a_cut_leaves_the_new_one_and_the_old_one_whole(private: Path) -> None:
    """The disk fills, or power fails, after the first copy: the new content counts already."""
    previous = private.with_name("config.json.previous")
    before = previous.read_text()
    files.write_private(private, OLD)
    previous.write_text(before)
    assert files.read_private(private) == OLD
    private.write_text("torn")
    assert files.read_private(private) == NEW


def test_what_a_dead_writer_left_does_not_stand_in_the_way(private: Path) -> None:
    private.with_name(".config.json.0badf00d").write_text("ha")
    files.write_private(private, OLD)
    assert files.read_private(private) == OLD


def test_what_a_power_cut_left_is_removed_and_nothing_else(private: Path) -> None:
    folder = private.parent
    scraps = [
        ".config.json.0badf00d",
        ".config.json.previous.12345678",
        ".report-00000000000001-000001.json.deadbeef",
    ]
    others = [
        ".config.json",
        ".config.json.0badf00",
        ".config.json.0BADF00D",
        "config.json.0badf00d",
        "..12345678",
    ]
    for name in [*scraps, *others]:
        (folder / name).write_text("half")
    (folder / ".link.json.0badf00d").symlink_to(private)
    (folder / ".folder.json.0badf00d").mkdir()
    kept = {"config.json", "config.json.previous", ".link.json.0badf00d", ".folder.json.0badf00d", *others}
    assert files.remove_scraps(folder) == len(scraps)
    assert {x.name for x in folder.iterdir()} == kept
    assert files.read_private(private) == NEW


def test_what_every_writer_leaves_at_its_death_is_known_as_a_scrap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The very names that write_atomically makes: its last step, and its tidying, never come."""
    monkeypatch.setattr(Path, "replace", lambda *_: os._exit(0))
    for name in (
        "config.json",
        "clock.mark",
        "lines.json",
        "noroshi-card.txt",
        "report-00000000000001-000001.json",
    ):
        if (child := os.fork()) == 0:
            files.write_private(tmp_path / name, NEW)
        os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 5
    assert files.remove_scraps(tmp_path) == 5


def test_however_many_there_are_a_start_is_not_held_up(tmp_path: Path) -> None:
    for n in range(files.MOST_SCRAPS + 10):
        (tmp_path / f".config.json.{n:08x}").touch()
    assert files.remove_scraps(tmp_path) == files.MOST_SCRAPS
    assert files.remove_scraps(tmp_path) == 10
    assert files.remove_scraps(tmp_path / "none") == 0


def test_a_write_that_fails_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "x"
    files.write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        files.write_atomically(path, "new\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_whoever_reads_while_others_write_sees_one_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "x"
    contents = {str(n) * 5000 for n in range(10)}
    files.write_atomically(path, min(contents))

    def write() -> None:
        for x in contents:
            files.write_atomically(path, x)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        assert path.read_text() in contents
    writer.join()


def test_digests_name_only_what_is_there(tmp_path: Path) -> None:
    files.write_atomically(tmp_path / "a", "x")
    found = files.digests([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [path for path, _ in found] == [str(tmp_path / "a")]


def test_a_strangers_file_is_a_small_plain_file_or_nothing(tmp_path: Path) -> None:
    plain, link, pipe = tmp_path / "plain", tmp_path / "link", tmp_path / "pipe"
    plain.write_bytes(b"12345")
    link.symlink_to("/etc/passwd")
    os.mkfifo(pipe)
    assert files.read_foreign(plain, 5) == b"12345"
    assert files.read_foreign(plain, 4) is None
    assert files.read_foreign(link, 1 << 20) is None
    assert files.read_foreign(pipe, 10) is None, "and it does not wait for a writer"
    assert files.read_foreign(tmp_path, 10) is None
    assert files.read_foreign(tmp_path / "none", 10) is None


@needs_root
def test_a_folder_gets_its_owner_and_mode_even_if_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    path.mkdir(mode=0o777)
    files.make_folder(path, 0o770, 0, 64302)
    found = path.stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o770, 0, 64302)
