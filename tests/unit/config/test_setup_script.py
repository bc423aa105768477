"""`make` on machines that lack something: a clear word, and nothing half made."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BASE_DIR = Path(__file__).resolve().parents[3]
TOOLS = ("sh", "sed", "dirname", "cat", "rm", "cksum")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the script needs of the project, and a PATH with nothing but a few tools."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(BASE_DIR / "scripts" / "setup.sh", tmp_path / "scripts")
    for lock in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / lock).touch()
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def add_python(project: Path, name: str, script: str) -> None:
    path = project / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def setup(project: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [project / "bin" / "sh", "scripts/setup.sh", "run"],
        cwd=project,
        env={"PATH": str(project / "bin"), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_without_any_python_it_says_which_and_how_to_get_it(project: Path) -> None:
    result = setup(project)
    assert result.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13, and none is on PATH" in result.stderr
    assert not (project / ".venv").exists()


def test_a_name_that_does_not_work_is_passed_over(project: Path) -> None:
    add_python(project, "python3", "echo 'command not found' >&2; exit 127")
    assert "none is on PATH" in setup(project).stderr


def test_a_chosen_python_that_is_unsuitable_is_refused_by_name(project: Path) -> None:
    add_python(project, "old", "exit 1")
    result = setup(project, PYTHON="old")
    assert result.returncode == 1
    assert "PYTHON=old is not a Python 3.11, 3.12 or 3.13 that works" in result.stderr


def test_a_python_without_venv_names_the_missing_package(project: Path) -> None:
    add_python(
        project, "python3", f'case "$*" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"'
    )
    result = setup(project)
    assert result.returncode == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"apt-get install python{version}-venv" in result.stderr


def test_it_installs_once_and_again_when_the_lock_changes(project: Path) -> None:
    add_python(project, "python3", f'exec {sys.executable} "$@"')
    first, second = setup(project), setup(project)
    (project / "requirements.txt").write_text("# changed\n")
    third = setup(project)
    assert [result.returncode for result in (first, second, third)] == [0, 0, 0], first.stderr
    installs = ["Installing" in result.stderr for result in (first, second, third)]
    assert installs == [True, False, True]


def test_make_lists_its_targets_and_needs_nothing_for_it(tmp_path: Path) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    result = subprocess.run(
        [make, "--no-print-directory", f"VENV={tmp_path / 'venv'}"],
        cwd=BASE_DIR,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    targets = {line.split()[1] for line in result.stdout.splitlines() if line.startswith("  make ")}
    assert targets >= {"run", "run-full", "test", "lint", "bench", "lock", "clean", "sbom"}
    assert not (tmp_path / "venv").exists()
