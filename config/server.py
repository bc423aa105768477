"""How the venue's web server is set up, whichever command starts it."""

import os
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from config.certificates import self_signed_certificate

APPLICATION = "config.asgi:application"
GRACEFUL_STOP_S = 3
"""What requests under way and sockets get to end before the server closes them."""
MAX_SOCKET_MESSAGE_BYTES = 64 * 1024
SOCKET_PING_EVERY_S = 20.0
SOCKET_PING_TIMEOUT_S = 20.0
KEEP_ALIVE_S = 30
BACKLOG = 2_048
MAX_PORT = 65_535
MAX_HEADERS_BYTES = 32 * 1024


def uvicorn_settings(*, host: str, port: int, data_dir: Path) -> dict[str, Any]:
    """Arguments of ``uvicorn.Config`` besides the application.

    HTTPS=1 serves TLS with the self-signed certificate. X-Forwarded-* are believed from the
    addresses in FORWARDED_ALLOW_IPS only (default: this machine).
    """
    settings: dict[str, Any] = {
        "host": host,
        "port": port,
        "loop": "auto",
        "http": "auto",
        "ws": "websockets-sansio",
        "ws_max_size": MAX_SOCKET_MESSAGE_BYTES,
        "ws_ping_interval": SOCKET_PING_EVERY_S,
        "ws_ping_timeout": SOCKET_PING_TIMEOUT_S,
        "h11_max_incomplete_event_size": MAX_HEADERS_BYTES,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": GRACEFUL_STOP_S,
        "backlog": BACKLOG,
        "server_header": False,
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "proxy_headers": True,
    }
    if is_https():
        certificate, key = self_signed_certificate(data_dir)
        settings |= {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}
    return settings


def port_number(text: str) -> int:
    """For argparse, so that a wrong PORT is told in words."""
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PORT:
        return int(text)
    raise ArgumentTypeError(f"PORT is a number from 1 to {MAX_PORT}, not {text[:40]!r}")


def is_https() -> bool:
    return os.environ.get("HTTPS", "").lower() in ("1", "true", "yes", "on")


def base_url(host: str, port: int) -> str:
    """The address to tell a person on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http{'s' if is_https() else ''}://{shown}:{port}"


def banner(url: str, credentials: str) -> str:
    """What stands on the terminal once the venue is open."""
    return "\n".join(
        [
            "",
            f"  Rialto is open: {url}/",
            "",
            *([f"  {credentials}"] if credentials else []),
            f"  Trade       {url}/trade/BTC-USDT/",
            f"  API docs    {url}/api/docs/",
            f"  Admin site  {url}/admin/",
            "  Ctrl-C stops the venue; the next start goes on where it stopped.",
            "",
        ]
    )
