"""The state of an embedded venue, replayed from its journal's file beside the running venue."""

import sqlite3
from pathlib import Path

import msgspec

from orderbook.core.engine import Engine
from orderbook.core.snapshot import state_hash
from orderbook.journal import Entry

_decode = msgspec.msgpack.Decoder(list[Entry]).decode


def state_without_time(data_dir: Path) -> str:
    """Hash of everything but the time of the last command, which a refused one moves too."""
    engine = Engine()
    with sqlite3.connect(f"file:{data_dir / 'journal.sqlite3'}?mode=ro", uri=True) as database:
        rows = database.execute(
            "SELECT time_ns, payload FROM orderbook_journalbatch ORDER BY first_sequence"
        )
        for time_ns, payload in rows:
            for entry in _decode(payload):
                assert engine.apply(entry.command, time_ns) == entry.events
    database.close()
    engine.venue.time_ns = 0
    return state_hash(engine)
