"""A sender put together: files or a live source, a pace, an address."""

from collections.abc import Iterator
from contextlib import contextmanager

from market.feeds.transport.frames import VERSION
from market.feeds.transport.live import LiveTimeline
from market.feeds.transport.pacing import Pace
from market.feeds.transport.server import FrameServer, Limits
from market.feeds.transport.sources import FileSource, Source
from market.feeds.transport.timeline import FileTimeline


@contextmanager
def file_server(
    source: FileSource,
    pace: Pace,
    *,
    loop: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    wait_peers: int = 1,
    limits: Limits | None = None,
) -> Iterator[FrameServer]:
    """A server that is ready to ``run``. Raises OSError where it cannot listen."""
    timeline = FileTimeline(source, pace, loop=loop)
    hello = _hello(source, pace.rate, loop=loop)
    yield FrameServer(timeline, hello, host=host, port=port, wait_peers=wait_peers, limits=limits)


@contextmanager
def live_server(
    source: Source, *, host: str = "127.0.0.1", port: int = 0, limits: Limits | None = None
) -> Iterator[FrameServer]:
    """A server that is ready to ``run``; the source is read from now on, and closed at the end."""
    timeline = LiveTimeline(source)
    try:
        yield FrameServer(timeline, _hello(source, None), host=host, port=port, limits=limits)
    finally:
        timeline.close()


def _hello(
    source: FileSource | Source, rate: int | None, *, loop: bool = False
) -> dict[str, object]:
    symbols = [[0, instrument_id, name] for instrument_id, name in source.symbols.items()]
    return {
        "version": VERSION,
        "rate": rate,
        "dataset": source.dataset,
        "symbols": symbols,
        "loop": loop,
    }
