"""Files as memory that the kernel reads on demand and takes back."""

import io
import mmap
from contextlib import suppress
from pathlib import Path
from typing import Final

from market.feeds.errors import BadFile

RELEASE_BYTES: Final = 32 << 20
"""From one to two times so much of a map stays in memory behind its reader."""


def open_map(path: Path) -> mmap.mmap:
    """The whole file, read-only. Raises BadFile where there is nothing to read."""
    try:
        with path.open("rb") as file:
            if not file.seek(0, io.SEEK_END):
                raise BadFile(f"{path.name} is empty, at byte 0.")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadFile(f"{path} cannot be read: {reason}.") from error


class Release:
    """Gives the pages behind one reader of a map back. Whoever still looks at them, as a view or
    as a second reader, finds them again: they are only read anew."""

    def __init__(self, data: mmap.mmap, position: int) -> None:
        self._data = data
        self._begin = position - position % mmap.PAGESIZE

    def behind(self, position: int) -> None:
        if position - self._begin < 2 * RELEASE_BYTES:
            return
        end = position - RELEASE_BYTES
        end -= end % mmap.PAGESIZE
        with suppress(OSError, ValueError):
            self._data.madvise(mmap.MADV_DONTNEED, self._begin, end - self._begin)
        self._begin = end
