"""A sender put together: files or a live source, a pace, an address."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from market.feeds.transport.frames import MAX_MESSAGE_BYTES, VERSION
from market.feeds.transport.live import LiveTimeline
from market.feeds.transport.pacing import Pace
from market.feeds.transport.server import FrameServer, Limits
from market.feeds.transport.sources import FileSource, Source
from market.feeds.transport.timeline import FileTimeline

logger = logging.getLogger(__name__)

_OTHER_BYTES: Final = 16_384
"""Of a greeting, for what it says besides symbols."""


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
    named = _that_fit(symbols)
    if named < len(symbols):
        logger.warning(
            "%d of %d symbols fit into the greeting: the other instruments are known by number",
            named,
            len(symbols),
        )
    return {
        "version": VERSION,
        "rate": rate,
        "dataset": source.dataset,
        "symbols": symbols[:named],
        "loop": loop,
    }


def _that_fit(symbols: list[list[object]]) -> int:
    size = 0
    for number, symbol in enumerate(symbols):
        size += len(json.dumps(symbol))
        if size > MAX_MESSAGE_BYTES - _OTHER_BYTES:
            return number
    return len(symbols)
