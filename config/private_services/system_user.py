"""The unprivileged user that private servers run as when the venue is started by root."""

import hashlib
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from config.private_services.errors import PrivateServiceError
from config.processes import SystemUser

USER_NAME = "rialto"
SYSTEM_ROOT = Path("/var/lib/rialto")


def unprivileged_user() -> SystemUser | None:
    """None where we are not root. Makes the user on the first call; others' accounts are kept."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(USER_NAME)
    except KeyError:
        entry = _make_user()
    return SystemUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _make_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is None:
        raise PrivateServiceError(
            "PostgreSQL does not run as root, and there is no useradd to make an unprivileged "
            f"user {USER_NAME!r} with. Start the venue as an ordinary user."
        )
    arguments = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    result = subprocess.run(
        [useradd, *arguments, "--shell", "/usr/sbin/nologin", USER_NAME],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    try:
        return pwd.getpwnam(USER_NAME)
    except KeyError:
        raise PrivateServiceError(
            f"The unprivileged user {USER_NAME!r} could not be made ({result.stderr.strip()}). "
            "Start the venue as an ordinary user."
        ) from None


def service_folder(data_dir: Path, name: str, user: SystemUser | None) -> Path:
    """The folder that a private server owns: under the data folder where its user can reach that.

    Where it cannot (root's home is closed to others), a folder under /var/lib/rialto with a name
    that follows from the data folder's, and from then on that one. No other folder's permissions
    change.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    folder = data_dir / name
    if user:
        digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
        elsewhere = SYSTEM_ROOT / digest / name
        if elsewhere.exists() or not (folder.exists() or _can_reach(data_dir, user)):
            elsewhere.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            folder = elsewhere
    if not folder.exists():
        folder.mkdir(mode=0o700)
        if user:
            os.chown(folder, user.uid, user.gid)
    _check_owner(folder, user)
    return folder


def _check_owner(folder: Path, user: SystemUser | None) -> None:
    owner, expected = folder.stat().st_uid, user.uid if user else os.geteuid()
    if owner != expected:
        raise PrivateServiceError(
            f"{folder} belongs to user {owner}, and the server would run as user {expected}: this "
            "data folder was made by a venue that another user started. Start it as that user "
            "again (root included), or choose another folder with DATA_DIR."
        )
    if user and not _can_reach(folder, user):
        raise PrivateServiceError(
            f"User {user.name!r} can no longer reach {folder}: a parent folder was closed to "
            "others. Open it (chmod o+x), or choose another folder with DATA_DIR."
        )


def _can_reach(folder: Path, user: SystemUser) -> bool:
    """Asked as that user: permissions, access lists and mount options all have their say."""
    answer = subprocess.run(
        ["/usr/bin/test", "-x", str(folder)],
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        cwd="/",
        check=False,
        timeout=10,
    )
    return answer.returncode == 0
