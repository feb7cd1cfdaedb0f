"""Our part of the root file system: the wheel made from this tree and the libraries that its lock file names, laid
out as a virtual environment of the target's own Python. Nothing is run on the target's processor here."""

from __future__ import annotations

import shutil
from pathlib import Path

from image.builder.run import run
from image.builder.target import CACHE, CLONE, PYTHON, Target

HOME = Path("usr/lib/noroshi")  # below the root
FROM_DEBIAN = frozenset({"netifaces"})  # has no wheel; Debian builds the very version that is locked
BUILDS = ("setuptools==80.9.0", "wheel==0.45.1", "babel==2.18.0", "pip==25.3")  # what makes our wheel


def tools() -> Path:
    """An environment with what makes wheels; its `bin`."""
    home = CACHE / "tools"
    note = home / "complete"
    if not note.exists() or note.read_text() != repr(BUILDS):
        shutil.rmtree(home, ignore_errors=True)
        run("python3", "-m", "venv", home)
        run(home / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *BUILDS)
        note.write_text(repr(BUILDS))
    return home / "bin"


def wheel(folder: Path, epoch: int) -> Path:
    """Our package with its words compiled, built from a copy: the tree stays clean."""
    source = folder / "source"
    shutil.rmtree(folder, ignore_errors=True)
    source.mkdir(parents=True)
    for name in ("appliance", "webui"):
        shutil.copytree(CLONE / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CLONE / name, source / name)
    run(tools() / "python", CLONE / "image/builder/words.py", source / "webui/translations", str(epoch))
    run(
        *(tools() / "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--no-build-isolation", "--wheel-dir", folder, source),
        env={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    return next(folder.glob("noroshi-*.whl"))


def lay(root: Path, target: Target, built: Path) -> None:
    """Into `root`: a virtual environment with our wheel and every locked library."""
    lock = CACHE / "scratch" / "requirements.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(without((CLONE / "requirements.lock").read_text(), FROM_DEBIAN))
    wheels = CACHE / f"wheels-{target.architecture}"
    wheels.mkdir(parents=True, exist_ok=True)
    platform = tuple(x for name in target.wheels for x in ("--platform", name))
    meant = (
        *platform,
        "--python-version",
        PYTHON,
        "--implementation",
        "cp",
        "--only-binary=:all:",
        "--no-deps",
    )
    pip = (tools() / "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "download", "--require-hashes", "-r", lock, *meant, "--dest", wheels)
    home = root / HOME
    packages = home / f"lib/python{PYTHON}/site-packages"
    packages.mkdir(parents=True)
    into = ("--target", packages, "--no-compile", "--no-index", "--find-links", wheels)
    run(*pip, "install", *into, "--require-hashes", "-r", lock, *meant)
    run(*pip, "install", *into, *meant, built)
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for path in packages.glob("*.dist-info"):  # where and when it was put there
        for name in ("RECORD", "direct_url.json", "REQUESTED", "INSTALLER"):
            (path / name).unlink(missing_ok=True)
    for path in packages.glob("appliance/**/*.py"):  # a wheel forgets which files are programs
        if path.read_bytes().startswith(b"#!"):
            path.chmod(0o755)
    (home / "bin").mkdir()
    for name in ("python", "python3"):
        (home / "bin" / name).symlink_to("/usr/bin/python3")
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {PYTHON}\nexecutable = /usr/bin/python3\n"
    )


def without(lock: str, names: frozenset[str]) -> str:
    """A pip-compile lock file without these packages; their hashes and comments are the indented lines below."""
    kept, skipping = [], False
    for line in lock.splitlines():
        if line and not line.startswith((" ", "#")):
            skipping = line.split("==")[0] in names
        if not skipping:
            kept.append(line)
    return "\n".join(kept) + "\n"
