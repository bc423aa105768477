"""The optional compiled build of the core: found, checked and put in the sources' place.

``make speedups`` compiles the modules of ``orderbook/core`` as they are into ``build/speedups``,
with a stamp of their sources. When ``orderbook`` is imported, a build whose stamp fits this
interpreter and the sources as they are now is used instead of them; any other is left aside, and
the line that the engine starts with says so. ``RIALTO_SPEEDUPS=0`` leaves a fitting one aside, too.
"""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

CORE = Path(__file__).with_name("core")
FOLDER = Path(__file__).resolve().parent.parent / "build" / "speedups"
STAMP = FOLDER / f"{sys.implementation.cache_tag}.json"
"""What the build was made of, and its files by module."""

COMPILED = "compiled"
INTERPRETED = frozenset(
    {
        "__init__",
        "commands",
        "events",
        "snapshot",
        "snapshot_markets",
        "snapshot_orders",
        "terms",
    }
)
"""Modules of message structs, whose options (array_like, tags) the compiler would lose."""

state = "plain Python"
"""Which build of the core this process uses, and why, for the line that the venue starts with."""


def compiled_modules() -> list[Path]:
    return sorted(path for path in CORE.glob("*.py") if path.stem not in INTERPRETED)


def fingerprint() -> str:
    """Of everything that a build depends on: this interpreter, and the sources by name."""
    digest = hashlib.sha256(f"{sys.implementation.cache_tag} {sys.platform}".encode())
    for path in sorted(CORE.glob("*.py")):
        digest.update(f"\n{path.name} ".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class _Finder(MetaPathFinder):
    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self.files.get(fullname)
        return spec_from_file_location(fullname, FOLDER / file) if file else None


def fitting_files() -> dict[str, str]:
    """The build's files in ``FOLDER`` by module. LookupError, with the reason, where none fits."""
    try:
        build = json.loads(STAMP.read_bytes())
    except (OSError, ValueError):
        raise LookupError("there is no compiled build") from None
    if build["fingerprint"] != fingerprint():
        raise LookupError("the compiled build is of other sources: make speedups")
    files: dict[str, str] = build["files"]
    return files


def activate() -> str:
    """Has the compiled modules imported from now on, if they fit. Gives ``state``."""
    if os.environ.get("RIALTO_SPEEDUPS") == "0":
        return "plain Python (RIALTO_SPEEDUPS=0)"
    try:
        files = fitting_files()
    except LookupError as reason:
        return f"plain Python ({reason})"
    sys.meta_path.insert(0, _Finder(files))
    return COMPILED
