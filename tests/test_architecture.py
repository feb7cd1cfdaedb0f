"""The map of docs/architecture.md, held: who may import whom, who may act, and what linters say."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ("appliance", "webui", "scripts", "tests", "image")
FILES = sorted(x for part in PARTS for x in (ROOT / part).rglob("*.py") if "__pycache__" not in x.parts)
NAMES = {str(x.relative_to(ROOT)): x for x in FILES}
PRODUCT = {k: v for k, v in NAMES.items() if k.startswith(("appliance/", "webui/"))}
CORE = {k: v for k, v in PRODUCT.items() if k.startswith("appliance/core/")}
TREES = {k: ast.parse(v.read_text("utf-8")) for k, v in NAMES.items()}

MOST_LINES = 500

# What core may import besides itself: nothing here reads a clock, a disk, a socket or chance.
PURE = {
    "__future__", "base64", "cbor2", "collections", "cryptography", "csv", "dataclasses", "enum", "functools", "hashlib",
    "hmac",
    "io", "ipaddress", "itertools", "json", "math", "re", "statistics", "string", "struct", "tomllib", "types", "typing",
    "unicodedata",
}  # fmt: skip
ACTING_CALLS = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"}
ACTING_NAMES = {"now", "today", "utcnow", "generate", "urandom", "token_hex", "token_bytes"}

# What the pages may use of the machine: its door, and pure things. HQ's pages have their register, too.
WEB_MAY = ("appliance.control", "appliance.core.", "appliance.VERSION", "appliance.gunicorn_settings")
HQ_WEB_MAY = (*WEB_MAY, "appliance.hub.people", "appliance.hub.board", "appliance.hub.records", "appliance.hub.audit",
              "appliance.hub.reports", "appliance.hub.presence", "appliance.hub.register", "appliance.hub.paper", "appliance.hub.preparing")  # fmt: skip

SUBPROCESS = {
    "appliance/host/run.py": "every outside program that answers",
    "appliance/host/portal.py": "reads a stranger's answer in a child that may die",
    "appliance/host/sign_in.py": "a phone's way out that ends with the daemon: no unit outlives it",
    "appliance/host/units.py": "every process that keeps running, where no systemd does it",
    "webui/photo.py": "reads foreign photos in a child that may die",
}
FRAMEWORKS = {"flask": ("webui/", "appliance/hub/intake.py"), "sqlalchemy": ("appliance/hub/", "webui/hq/"), "pyroute2": ("appliance/host/",), "reportlab": ("appliance/hub/paper.py",)}  # fmt: skip


def imports(tree: ast.AST) -> Iterator[str]:
    """Every imported name in full: `from a.b import c` is a.b.c."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (x.name for x in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{x.name}" for x in node.names)


def file_of(name: str) -> str | None:
    """The project's file that an imported name lies in."""
    parts = name.split(".")
    for length in (len(parts), len(parts) - 1):
        for path in ("/".join(parts[:length]) + ".py", "/".join(parts[:length]) + "/__init__.py"):
            if path in NAMES:
                return path
    return None


def reached(start: str) -> set[str]:
    """Every file of the project that is imported by importing this one."""
    found, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [x for x in map(file_of, imports(TREES[path])) if x]
    return found


# ---------------------------------------------------------------------------------------------- core


@pytest.mark.parametrize("path", CORE)
def test_core_reaches_nothing_that_can_act(path: str) -> None:
    for file in reached(path):
        assert file.startswith("appliance/core/") or file == "appliance/__init__.py", file
        outside = {x.split(".")[0] for x in imports(TREES[file])} - {"appliance"}
        assert outside <= PURE, outside - PURE


@pytest.mark.parametrize("path", CORE)
def test_core_calls_nothing_that_can_act(path: str) -> None:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ACTING_CALLS, f"line {node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in ACTING_NAMES, f"line {node.lineno}"
        assert not isinstance(node, ast.Global), f"line {getattr(node, 'lineno', 0)}"


def test_of_io_core_takes_octets_in_memory_only() -> None:
    taken = {x for path in CORE for x in imports(TREES[path]) if x.split(".")[0] == "io"}
    assert taken <= {"io.BytesIO"}


def test_the_check_of_core_would_find_an_actor() -> None:
    """Guard: the host's files do act, and this is how it shows."""
    outside = {x.split(".")[0] for x in imports(TREES["appliance/host/files.py"])}
    assert not outside <= PURE


# ---------------------------------------------------------------------------------------------- web


@pytest.mark.parametrize("path", [x for x in PRODUCT if x.startswith("webui/")])
def test_the_pages_reach_the_machine_through_the_door_only(path: str) -> None:
    may = HQ_WEB_MAY if path.startswith("webui/hq/") else WEB_MAY
    for name in imports(TREES[path]):
        if name.split(".")[0] == "appliance":
            file = file_of(name)
            ours = name if file != "appliance/__init__.py" else f"appliance.{name.split('.')[-1]}"
            assert ours.startswith(may), name


@pytest.mark.parametrize("path", [x for x in PRODUCT if x.startswith("webui/field/")])
def test_the_box_s_pages_load_no_file_that_acts_on_the_machine(path: str) -> None:
    assert not {x for x in reached(path) if x.startswith(("appliance/host/", "appliance/hub/"))}


def test_nothing_below_the_web_knows_the_web() -> None:
    for path in PRODUCT:
        if path.startswith("appliance/"):
            assert not [
                x for x in imports(TREES[path]) if x.split(".")[0] in ("webui", "scripts", "tests")
            ], path


@pytest.mark.parametrize(("package", "places"), FRAMEWORKS.items())
def test_each_framework_has_its_place(package: str, places: tuple[str, ...]) -> None:
    for path in PRODUCT:
        if package in {x.split(".")[0] for x in imports(TREES[path])}:
            assert path.startswith(places), f"{path} imports {package}"


def test_the_courier_is_a_small_process_of_the_standard_library() -> None:
    files = reached("appliance/courier.py")
    assert files <= {"appliance/courier.py", "appliance/fetching.py", "appliance/__init__.py"}
    outside = {x.split(".")[0] for path in files for x in imports(TREES[path])}
    assert outside - {"__future__", "appliance"} <= set(sys.stdlib_module_names)


def test_the_listener_to_routers_carries_little_of_us() -> None:
    """There is one for each line: what it would import without need is memory and time at the start."""
    needed = {
        "core/lease.py",
        "core/marks.py",
        "core/router_advert.py",
        "core/__init__.py",
        "router_listener.py",
        "__init__.py",
    }
    assert reached("appliance/router_listener.py") <= {f"appliance/{x}" for x in needed}


# ---------------------------------------------------------------------------------- outside programs


def test_processes_are_started_in_listed_files_only() -> None:
    found = {x for x in PRODUCT if {"subprocess", "multiprocessing", "pty"} & {y.split(".")[0] for y in imports(TREES[x])}}  # fmt: skip
    assert found == set(SUBPROCESS)


@pytest.mark.parametrize("path", NAMES)
def test_no_shell_is_ever_asked(path: str) -> None:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.keyword) and node.arg == "shell":
            raise AssertionError(f"{path}:{node.value.lineno}")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            assert node.attr not in ("system", "popen", "spawnl", "spawnv"), f"{path}:{node.lineno}"


def programs(tree: ast.AST) -> set[str]:
    """The first word of every argument list: `run(["nft", …])` and `command=("dnsmasq", …)`."""
    found = set()
    for node in ast.walk(tree):
        lists: list[ast.expr] = []
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            lists += node.args[:1] if name in ("run", "Popen") else []
            lists += [x.value for x in node.keywords if x.arg == "command"]
        for x in lists:
            if isinstance(x, ast.List | ast.Tuple) and x.elts and isinstance(x.elts[0], ast.Constant):
                found.add(str(x.elts[0].value))
    return found


def test_each_outside_program_is_called_from_one_file() -> None:
    callers: dict[str, set[str]] = {}
    for path in PRODUCT:
        for program in programs(TREES[path]):
            callers.setdefault(program, set()).add(path)
    assert {"nft", "wg", "dnsmasq", "hostapd", "udhcpc"} <= set(callers)  # the guard: it does find them
    assert {k: v for k, v in callers.items() if len(v) > 1} == {}


# ------------------------------------------------------------------------------------------- every file


@pytest.mark.parametrize("path", [k for k, v in NAMES.items() if v.stat().st_size])
def test_every_file_says_its_one_rule(path: str) -> None:
    said = ast.get_docstring(TREES[path])
    assert said and said.strip(), path


@pytest.mark.parametrize("path", NAMES)
def test_no_file_grows_beyond_reading(path: str) -> None:
    lines = NAMES[path].read_text("utf-8").count("\n")
    assert lines <= MOST_LINES


@pytest.mark.parametrize("path", NAMES)
def test_nothing_is_mocked(path: str) -> None:
    assert not [x for x in imports(TREES[path]) if "mock" in x.lower()]


def test_every_package_has_an_own_name_in_the_environment() -> None:
    for name in ("appliance", "webui"):
        assert importlib.util.find_spec(name) is not None


# --------------------------------------------------------------------------------------------- linters


def linter(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_ruff_finds_nothing() -> None:
    linter("ruff", "check", *PARTS)


def test_the_format_is_ruff_s() -> None:
    linter("ruff", "format", "--check", *PARTS)


def test_mypy_finds_nothing_in_strict_mode() -> None:
    linter("mypy", "--strict", *PARTS)
