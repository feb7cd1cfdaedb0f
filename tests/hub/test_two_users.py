"""The register as it lies on disk: the web and the intake are two unprivileged users, and only one is staff."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import appliance
from appliance.hub import people
from appliance.hub.register import GROUP, WEB_UID, RegisterProblem, open_staff, prepare, staff_url

INTAKE_UID = 64304
# By its own path: the clone, whose link leads there too, may lie in a folder that other users may not enter.
PYTHON = str(Path(sys.prefix).resolve() / "bin" / "python")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")

WRITE = """
import sys, time
from appliance.hub.register import open_register, flips
engine = open_register(sys.argv[1])
for n in range(50):
    with engine.begin() as c:
        c.execute(flips.insert().values(box=sys.argv[2], at=n, what="phase", before="", after="X"))
engine.dispose()
"""
COUNT = """
import sys, sqlalchemy as sa
from appliance.hub.register import open_register, flips
engine = open_register(sys.argv[1])
with engine.connect() as c:
    print(c.scalar(sa.select(sa.func.count()).select_from(flips)))
engine.dispose()
"""
STAFF = """
import sys
from appliance.hub import people
from appliance.hub.register import open_staff
staff = open_staff(sys.argv[1])
print([p.name for p in people.everybody(staff)])
staff.dispose()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder everybody may enter, with a copy of the code that everybody may read."""
    place = Path(tempfile.mkdtemp(prefix="noroshi-test-"))
    place.chmod(0o755)
    shutil.copytree(Path(appliance.__file__).parent, place / "code" / "appliance")
    for path in [place / "code", *(place / "code").rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield place
    shutil.rmtree(place)


def start(place: Path, uid: int, code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PYTHON, "-c", code, *arguments],
        user=uid, group=GROUP, extra_groups=[], umask=0o007, cwd=place / "code",
        env={"PYTHONPATH": str(place / "code"), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return out.strip()


def test_both_write_the_register_at_the_same_time_and_nothing_is_lost(place: Path) -> None:
    url = f"sqlite:///{place / 'state' / 'register' / 'register.sqlite3'}"
    prepare(url)
    both = [start(place, WEB_UID, WRITE, url, "web"), start(place, INTAKE_UID, WRITE, url, "intake")]
    for process in both:
        finish(process)
    assert finish(start(place, INTAKE_UID, COUNT, url)) == "100"
    prepare(url)  # a second time changes nothing
    assert finish(start(place, WEB_UID, COUNT, url)) == "100"


def test_the_intake_cannot_see_the_staff_the_web_can(place: Path) -> None:
    url = f"sqlite:///{place / 'state' / 'register' / 'register.sqlite3'}"
    prepare(url)
    people.init(url, "chief")
    prepare(url)
    assert finish(start(place, WEB_UID, STAFF, url)) == "['chief']"
    intruder = start(place, INTAKE_UID, STAFF, url)
    intruder.communicate(timeout=60)
    assert intruder.returncode != 0


def test_a_staff_store_of_a_strangers_making_is_refused(place: Path) -> None:
    url = f"sqlite:///{place / 'state' / 'register' / 'register.sqlite3'}"
    prepare(url)
    os.chown(str(staff_url(url)).removeprefix("sqlite:///"), INTAKE_UID, INTAKE_UID)
    with pytest.raises(RegisterProblem):
        open_staff(url)
