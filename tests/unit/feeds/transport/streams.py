"""Records, files, running senders and the worst of receivers."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from market.feeds.dbn.records import ADD, BID, FLAG_LAST, MBO_DTYPE, MBO_RTYPE, Records
from market.feeds.dbn.writing import DbnWriter
from market.feeds.transport.client import FrameClient, Gap
from market.feeds.transport.frames import Kind, Received

START_NS = 1_700_000_000_000_000_000
DEADLINE_S = 60.0


def make_records(count: int, step_ns: int = 100_000, first: int = 0) -> Records:
    """Adds of different orders, ``step_ns`` apart."""
    records = np.zeros(count, MBO_DTYPE)
    numbers = np.arange(first, first + count)
    records["length"], records["rtype"] = 14, MBO_RTYPE
    records["publisher_id"], records["instrument_id"] = 1, 7
    records["ts_recv"] = records["ts_event"] = START_NS + numbers * step_ns
    records["order_id"] = numbers + 1
    records["price"] = (100 + numbers % 50) * 10**9
    records["size"], records["flags"] = 1, FLAG_LAST
    records["action"], records["side"] = ADD, BID
    records["sequence"] = numbers
    return records


def write_file(path: Path, records: Records, name: str = "SEVEN") -> Path:
    with DbnWriter(path, dataset="XTST.TEST", symbols={7: name}) as writer:
        writer.write(records)
    return path


def until(condition, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.005)


class Running:
    """A sender in a thread."""

    def __init__(self, server) -> None:
        self.server = server
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @property
    def address(self) -> tuple[str, int]:
        return self.server.address

    def _run(self) -> None:
        try:
            self.server.run()
        except BaseException as error:
            self.error = error

    def join(self) -> None:
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive(), "the sender does not end"


@contextmanager
def running(server) -> Iterator[Running]:
    sender = Running(server)
    try:
        yield sender
    finally:
        server.stop()
        sender.join()


def client_of(sender: Running, **options) -> FrameClient:
    return FrameClient(*sender.address, **options)


def kept(received: Received) -> Received:
    """With records that stay."""
    return received._replace(records=received.records.copy())


def receive_all(client: FrameClient, until_kind: Kind = Kind.END) -> list[Received]:
    """Every frame up to one of that kind."""
    frames: list[Received] = []
    deadline = time.monotonic() + DEADLINE_S
    while not frames or frames[-1].kind is not until_kind:
        assert time.monotonic() < deadline, "the stream does not come to its end"
        received = client.receive(1.0)
        assert not isinstance(received, Gap)
        if received is not None:
            frames.append(kept(received))
    return frames


def records_of(frames: list[Received]) -> bytes:
    return b"".join(frame.records.tobytes() for frame in frames)


@contextmanager
def scripted_sender(*answers: bytes) -> Iterator[tuple[str, int]]:
    """Gives each connection the next of the answers and closes it; after the last one nobody
    listens any more."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()

    def serve() -> None:
        for answer in answers:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
        listener.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield address
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for a connection
        thread.join(DEADLINE_S)
        listener.close()
