"""Files that are there when they are whole, and not before."""

import sys
from errno import EISDIR
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, cast

from market.feeds.errors import FeedError

STDOUT = "-"
_HELD_BYTES = 16 << 20
"""So much for standard output is held in memory; more, in a temporary file."""


class CannotWrite(FeedError):
    code = "cannot_write"
    message = "The output cannot be written."


class WholeFile:
    """Text that goes under a temporary name until ``finish``, or to standard output only then."""

    def __init__(self, target: str) -> None:
        """Raises CannotWrite where the folder does not take it."""
        self._path = None if target == STDOUT else Path(target)
        self._temporary = self._path and self._path.with_name(f".{self._path.name}.part")
        try:
            if self._path is not None and self._path.is_dir():
                raise IsADirectoryError(EISDIR, "it is a folder")
            self._file = _open(self._temporary)
        except OSError as error:
            raise _cannot_write(target, error) from error

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise _cannot_write(str(self._path or "standard output"), error) from error

    def finish(self) -> None:
        try:
            if self._path is None or self._temporary is None:
                self._copy_out()
            else:
                self._file.close()
                self._temporary.replace(self._path)
        except OSError as error:
            raise _cannot_write(str(self._path or "standard output"), error) from error

    def abandon(self) -> None:
        """Leaves nothing behind. After ``finish`` it does nothing."""
        self._file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    def _copy_out(self) -> None:
        self._file.seek(0)
        while block := self._file.read(1 << 20):
            sys.stdout.write(block.decode())
        sys.stdout.flush()
        self._file.close()


def _open(path: Path | None) -> IO[bytes]:
    if path is not None:
        return path.open("wb")
    return cast("IO[bytes]", SpooledTemporaryFile(max_size=_HELD_BYTES))


def _cannot_write(target: str, error: OSError) -> CannotWrite:
    return CannotWrite(f"{target} cannot be written: {error.strerror or error}.")
