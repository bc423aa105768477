"""Where the bridge's socket is: in a folder that the venue's user alone can enter."""

import hashlib
import os
import stat
import sys
from pathlib import Path

from django.conf import settings

MAX_PATH_BYTES = 103 if sys.platform == "darwin" else 107
"""What a Unix socket's address can hold (sun_path), less its closing zero."""
_SHORT_PARENT = Path("/tmp")
"""Not the user's temporary folder: that one may be another one in another terminal."""
_DIGEST_LENGTH = 16


class UnsafeFolder(OSError):
    """The socket's folder is not the user's own."""


def socket_path() -> Path:
    """In DATA_DIR; where that is too long for a socket, in a short folder named after it."""
    path: Path = settings.DATA_DIR / "bridge" / "venue.sock"
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(settings.DATA_DIR)).hexdigest()[:_DIGEST_LENGTH]
    return _SHORT_PARENT / f"rialto-{os.geteuid()}-{digest}" / "venue.sock"


def make_folder(folder: Path) -> None:
    """With access for its owner alone. Raises OSError, such as UnsafeFolder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_own(folder)
    folder.chmod(0o700)


def require_own(folder: Path) -> None:
    """Anybody may have made a folder in /tmp. Raises UnsafeFolder, or OSError where there is none.

    Whose DATA_DIR is, is nothing to find out: who can write there has the whole venue."""
    if folder.parent != _SHORT_PARENT:
        return
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise UnsafeFolder(f"{folder} is not this user's folder")
