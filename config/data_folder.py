"""What a data folder keeps between two starts: secrets and the ports of private servers."""

import os
import secrets
import socket
from pathlib import Path

_SECRET_BYTES = 64
_FIRST_PORT = 20_000
_PORT_TRIES = 100
_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_FIRST_OUTGOING_PORT = 32_768


def kept_secret(path: Path, *, size_bytes: int = _SECRET_BYTES) -> str:
    """The secret in this file, readable by its owner alone; made if there is none.

    It appears under its name only once it is complete, so that of two processes that start at the
    same moment both get the same secret.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(size_bytes))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def kept_port(path: Path) -> int:
    """The loopback port in this file if it is free; else a free one, which the file then keeps."""
    try:
        port = int(path.read_text())
        if port_is_free(port):
            return port
    except (FileNotFoundError, ValueError):
        pass
    port = free_port()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{port}\n")
    return port


def free_port() -> int:
    """A free loopback port, if possible none that the system gives to outgoing connections: one of
    those might have it while its server is down for a moment."""
    for _ in range(_PORT_TRIES):
        port = _FIRST_PORT + secrets.randbelow(_first_outgoing_port() - _FIRST_PORT)
        if port_is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_outgoing_port() -> int:
    try:
        first = int(_OUTGOING_PORTS.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = _USUAL_FIRST_OUTGOING_PORT
    return max(first, _FIRST_PORT + 1)


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
