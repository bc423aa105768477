"""What commands of feeds have in common: how they read an address, and tell what went wrong."""

import os
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError

_NO_TABLE = "no such table"
"""What SQLite says of a database that no venue has used yet."""


def address(text: str, *, least_port: int = 1) -> tuple[str, int]:
    """HOST:PORT, where HOST may be an IPv6 address in brackets. Raises ArgumentTypeError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not least_port <= int(port) <= 65_535:
        raise ArgumentTypeError("is HOST:PORT")
    return host.strip("[]"), int(port)


def require_place(option: str, path: Path) -> None:
    """What is written there may take a day to make: nobody is to learn at its end that it has no
    place. Raises CommandError."""
    place = path if path.exists() else path.absolute().parent
    if path.is_dir() or not place.exists() or not os.access(place, os.W_OK):
        raise CommandError(f"{option}: {path} cannot be written.", returncode=2)


@contextmanager
def database_told() -> Iterator[None]:
    """A database that is away, or was never migrated, is a line and exit code 2."""
    try:
        yield
    except DatabaseError as error:
        message = f"The venue's database cannot be used: {error}"
        if _NO_TABLE in message:
            message += f". Start the venue in {settings.DATA_DIR} first."
        raise CommandError(message, returncode=2) from error
