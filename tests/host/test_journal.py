"""The machine's journal, read from a real journald by the real journalctl."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.host import journal_of_its_own as own


def test_what_matters_is_taken_once_and_a_new_daemon_goes_on_where_the_old_one_was() -> None:
    argv = ("unshare", "--mount", sys.executable, "-m", own.__name__)
    root = Path(__file__).parents[2]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=90, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    mine = [(x["source"], x["level"], x["text"]) for x in first if x["source"] != "kernel"]
    assert mine == [("noroshi", 6, "noroshi: the first"), ("somebody", 3, "bad")]
    assert [x["text"] for x in second if x["source"] != "kernel"] == ["noroshi: the second"]
    assert all(0 < x["at"] <= time.monotonic() for x in (*first, *second))
