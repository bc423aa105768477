"""Connections: who comes, what they ask for, who is gone, who takes bytes again."""

import os
import selectors
import socket
import time
from contextlib import suppress
from typing import Final

from market.feeds.transport.errors import BadRequest
from market.feeds.transport.peers import MAX_REQUEST_BYTES, Peer, Stage, decode_request

_NS_PER_S: Final = 10**9
_MAX_WAIT_NS: Final = _NS_PER_S // 20
_SELECT_NS: Final = 2_000_000
"""Shorter waits are slept: selecting counts in whole milliseconds."""
_LISTEN_BACKLOG: Final = 128


class Door:
    """Every connection of a sender; nothing here blocks but ``wait``."""

    def __init__(self, host: str, port: int, max_peers: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=_LISTEN_BACKLOG)
        self._listener.setblocking(False)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self.peers: list[Peer] = []
        self._max_peers = max_peers
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._listener)
        self._lost: list[Peer] = []
        self._wake_fd: int | None = None

    def watch(self, wake_fd: int) -> None:
        """``wait`` ends when there is something to read here; what it is does not matter."""
        self._wake_fd = wake_fd
        self._selector.register(wake_fd, selectors.EVENT_READ, None)

    def wait(self, until_ns: int) -> list[tuple[Peer, BadRequest | None]]:
        """Until that time of the monotonic clock, or shorter. Returns receivers that said what
        they want, or something else."""
        delay_ns = min(until_ns - time.monotonic_ns(), _MAX_WAIT_NS)
        timeout_s = 0.0
        if delay_ns > _SELECT_NS:
            timeout_s = (delay_ns - _SELECT_NS / 2) / _NS_PER_S
        elif delay_ns > 0:
            time.sleep(delay_ns / _NS_PER_S)
        asking: list[tuple[Peer, BadRequest | None]] = []
        for key, events in self._selector.select(timeout_s):
            if isinstance(key.data, Peer):
                self._on_events(key.data, events, asking)
            elif key.data is self._listener:
                self._accept()
            else:
                self._drain_wakes()
        return asking

    def take_lost(self) -> list[Peer]:
        """Receivers that closed their connection, or whose connection broke, since the last
        call."""
        lost, self._lost = self._lost, []
        return lost

    def flush(self, peer: Peer, now_ns: int) -> None:
        was_blocked = peer.is_blocked
        try:
            peer.flush(now_ns)
        except OSError:
            self._lose(peer)
            return
        if peer.is_blocked != was_blocked:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.is_blocked else 0)
            self._selector.modify(peer.connection, events, peer)

    def remove(self, peer: Peer) -> None:
        if peer in self.peers:
            self.peers.remove(peer)
            with suppress(KeyError, ValueError):
                self._selector.unregister(peer.connection)
            peer.close()

    def close(self) -> None:
        for peer in list(self.peers):
            self.remove(peer)
        self._selector.close()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return  # Nobody is there any more, or there are no descriptors left.
            if len(self.peers) >= self._max_peers:
                connection.close()
                continue
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(connection, f"{address[0]}:{address[1]}", time.monotonic_ns())
            self.peers.append(peer)
            self._selector.register(connection, selectors.EVENT_READ, peer)

    def _on_events(
        self, peer: Peer, events: int, asking: list[tuple[Peer, BadRequest | None]]
    ) -> None:
        if events & selectors.EVENT_WRITE:
            self.flush(peer, time.monotonic_ns())
        if events & selectors.EVENT_READ and peer in self.peers:
            self._read(peer, asking)

    def _read(self, peer: Peer, asking: list[tuple[Peer, BadRequest | None]]) -> None:
        try:
            data = peer.connection.recv(MAX_REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose(peer)
            return
        if peer.stage is not Stage.GREETING:
            return  # One line was asked for; what comes behind it is read and forgotten.
        peer.received += data
        line, newline, _ = bytes(peer.received).partition(b"\n")
        try:
            if len(line) > MAX_REQUEST_BYTES:
                raise BadRequest(f"The request is longer than {MAX_REQUEST_BYTES} bytes.")
            if newline:
                peer.request = decode_request(line)
                asking.append((peer, None))
        except BadRequest as error:
            asking.append((peer, error))

    def _lose(self, peer: Peer) -> None:
        self._lost.append(peer)
        self.remove(peer)

    def _drain_wakes(self) -> None:
        assert self._wake_fd is not None
        with suppress(BlockingIOError):
            while len(os.read(self._wake_fd, 4_096)) == 4_096:
                pass
