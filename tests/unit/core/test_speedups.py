"""The compiled build of the core is of exactly these sources, and does what they do."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orderbook import speedups

ROOT = Path(__file__).resolve().parents[3]


def run_flows(build: str) -> dict[str, Any]:
    """What ``builds.py`` prints in a process that may use the compiled build ("1") or not ("0")."""
    finished = subprocess.run(
        [sys.executable, "-m", "tests.unit.core.builds"],
        cwd=ROOT,
        env={**os.environ, "RIALTO_SPEEDUPS": build},
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


@pytest.mark.slow
def test_both_builds_give_the_same_events_and_states() -> None:
    try:
        speedups.fitting_files()
    except LookupError as reason:
        pytest.skip(f"{reason}; make test-speedups makes one")
    plain, compiled = run_flows("0"), run_flows("1")
    assert plain["state"] == "plain Python (RIALTO_SPEEDUPS=0)"
    assert compiled["state"] == speedups.COMPILED
    assert compiled["digest"] == plain["digest"]


def test_every_module_of_structs_stays_interpreted() -> None:
    compiled = {path.stem for path in speedups.compiled_modules()}
    for path in speedups.CORE.glob("*.py"):
        tree = ast.parse(path.read_text())
        bases = {
            name.id
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for name in node.bases
            if isinstance(name, ast.Name)
        }
        assert "Struct" not in bases or path.stem not in compiled, path.name


class FakeBuild:
    """A folder for builds; ``activate`` looks there, and changes nothing of this process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.finders: list[Any] = []
        monkeypatch.delenv("RIALTO_SPEEDUPS", raising=False)
        monkeypatch.setattr(speedups, "FOLDER", folder)
        monkeypatch.setattr(speedups, "STAMP", folder / "stamp.json")
        monkeypatch.setattr(sys, "meta_path", self.finders)

    def make(self, fingerprint: str) -> None:
        files = {"orderbook.core.book": "book.py"}
        (speedups.FOLDER / "book.py").write_text("BUILT = True\n")
        speedups.STAMP.write_text(json.dumps({"fingerprint": fingerprint, "files": files}))


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBuild:
    return FakeBuild(tmp_path, monkeypatch)


def test_without_a_build_the_sources_are_used(build: FakeBuild) -> None:
    assert speedups.activate() == "plain Python (there is no compiled build)"
    assert build.finders == []


def test_a_build_of_these_sources_is_used(build: FakeBuild) -> None:
    build.make(speedups.fingerprint())
    assert speedups.activate() == speedups.COMPILED
    (finder,) = build.finders
    spec = finder.find_spec("orderbook.core.book", None)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.BUILT
    assert finder.find_spec("orderbook.core.commands", None) is None


def test_a_build_of_other_sources_is_left_aside(build: FakeBuild) -> None:
    build.make("of other sources")
    assert "of other sources" in speedups.activate()
    assert build.finders == []


def test_a_damaged_stamp_is_no_build(build: FakeBuild) -> None:
    speedups.STAMP.write_text("{")
    assert speedups.activate() == "plain Python (there is no compiled build)"


def test_a_build_can_be_turned_off(build: FakeBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    build.make(speedups.fingerprint())
    monkeypatch.setenv("RIALTO_SPEEDUPS", "0")
    assert speedups.activate() == "plain Python (RIALTO_SPEEDUPS=0)"
    assert build.finders == []


def test_any_change_of_a_source_changes_the_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speedups, "CORE", tmp_path)
    found = {speedups.fingerprint()}
    (tmp_path / "book.py").write_text("1")
    found.add(speedups.fingerprint())
    (tmp_path / "book.py").write_text("2")
    found.add(speedups.fingerprint())
    (tmp_path / "book.py").rename(tmp_path / "order.py")
    found.add(speedups.fingerprint())
    assert len(found) == 4
