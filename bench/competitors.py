"""An environment of its own for the engines that bench/bench_engine.py compares ours with.

Each one is installed by itself, in the versions and with the hashes of bench/competitors.txt, so
that one that cannot be installed does not hide the others. matching-engine needs Python 3.12.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

LOCK = Path(__file__).with_name("competitors.txt")
ENVIRONMENT = Path(__file__).resolve().parent.parent / "build" / "bench-competitors"
INSTALL_PATIENCE_S = 300
VERSIONS = ("3.12", "3.13")


class Competitor(NamedTuple):
    name: str
    adapter: str
    packages: tuple[str, ...]
    """What it needs of the lock file, itself included."""


COMPETITORS = (
    Competitor(
        "matching-engine",
        "with_matching_engine",
        ("matching-engine", "msgspec", "sortedcontainers"),
    ),
    Competitor("lightmatchingengine", "with_lightmatchingengine", ("lightmatchingengine",)),
    Competitor("pyorderbook", "with_pyorderbook", ("pyorderbook",)),
)


def lock_of(packages: tuple[str, ...], lock: str) -> str:
    """The part of a lock file that pins these packages. KeyError where one is not in it."""
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in lock.splitlines():
        if line and not line.startswith((" ", "#")):
            lines = blocks.setdefault(line.split("==")[0], [])
        lines.append(line)
    return "\n".join(line for package in packages for line in blocks[package]) + "\n"


def find_python() -> str:
    """A Python 3.12 or 3.13 of this machine; the running one where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in VERSIONS:
        if sys.version_info[:2] == tuple(map(int, version.split("."))):
            return sys.executable
        on_path = shutil.which(f"python{version}")
        candidates = [Path(on_path)] if on_path else []
        candidates += sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)
        for candidate in candidates:
            if _works(candidate):
                return str(candidate)
    return sys.executable


def _works(python: Path) -> bool:
    """A name may exist and not work: pyenv has one for every version, chosen or not."""
    try:
        done = subprocess.run(
            [python, "-c", "import venv, ensurepip"], capture_output=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def environment(python: str) -> Path:
    """The environment's interpreter; made where there is none, or where it is another Python's."""
    interpreter = ENVIRONMENT / "bin" / "python"
    base = ENVIRONMENT / "base-python"
    if not (interpreter.exists() and base.is_file() and base.read_text() == python):
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        subprocess.run([python, "-m", "venv", str(ENVIRONMENT)], check=True)
        base.write_text(python)
    return interpreter


def install(interpreter: Path, competitor: Competitor) -> str:
    """Installs it, if that is not done yet. "" or why it could not be installed."""
    wanted = lock_of(competitor.packages, LOCK.read_text())
    done = ENVIRONMENT / f"installed-{competitor.name}"
    if done.is_file() and done.read_text() == wanted:
        return ""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(wanted)
        requirements.flush()
        command = [
            str(interpreter),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        command += ["--no-input", "--no-deps", "--require-hashes", "-r", requirements.name]
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=INSTALL_PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired:
            return "the installation took too long"
    if result.returncode:
        errors: list[str] = [
            line for line in result.stderr.splitlines() if line.startswith("ERROR")
        ]
        return (errors or ["pip failed"])[0].removeprefix("ERROR: ")
    done.write_text(wanted)
    return ""
