"""Finds the servers' binaries: on PATH, or where Debian keeps PostgreSQL's."""

import re
import shutil
import subprocess
from pathlib import Path

from config.private_services.errors import PrivateServiceError

DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
_HELP = (
    "{what} is not installed: no {binary} on PATH{also}. On Debian or Ubuntu: "
    "sudo apt-get install {package}. Or set {variable} to use a server that runs elsewhere."
)


def redis_binary() -> Path:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    raise PrivateServiceError(
        _HELP.format(
            what="Redis",
            binary="redis-server",
            also="",
            package="redis-server",
            variable="REDIS_URL",
        )
    )


def postgres_folder(major: int | None = None) -> Path:
    """The folder with ``postgres`` and ``initdb``, of this major version where one is given.

    Without a version: the binaries on PATH, else the newest of Debian's.
    """
    candidates = [Path(found).parent for found in [shutil.which("postgres")] if found]
    candidates += sorted(
        DEBIAN_POSTGRES.glob("*/bin"), key=lambda path: _number(path.parent.name), reverse=True
    )
    usable = [c for c in candidates if (c / "postgres").exists() and (c / "initdb").exists()]
    if major is not None:
        usable = [folder for folder in usable if postgres_major(folder) == major]
    if usable:
        return usable[0]
    if major is not None:
        raise PrivateServiceError(
            f"The data folder was made by PostgreSQL {major}, whose binaries are not here. On "
            f"Debian or Ubuntu: sudo apt-get install postgresql-{major}. Or move the venue to the "
            "newer version with pg_dump and pg_restore (docs/operations.md)."
        )
    raise PrivateServiceError(
        _HELP.format(
            what="PostgreSQL",
            binary="postgres",
            also=f" or in {DEBIAN_POSTGRES}/*/bin",
            package="postgresql",
            variable="DATABASE_URL",
        )
    )


def postgres_major(folder: Path) -> int:
    """Major version of the binaries in a folder: 0 where it cannot be told."""
    if folder.is_relative_to(DEBIAN_POSTGRES):
        return _number(folder.parent.name)
    answer = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, timeout=10, check=False
    )
    match = re.search(r"\) (\d+)", answer.stdout)
    return int(match[1]) if match else 0


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
