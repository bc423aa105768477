"""Answers to reads of the engine's memory."""

from orderbook.core.auction import NOTHING
from orderbook.core.engine import Engine
from orderbook.core.snapshot import state_hash
from orderbook.core.timers import TimerKind
from orderbook.gateway.protocol import (
    Balances,
    Definitions,
    Depth,
    GetBalances,
    GetDepth,
    GetInstruments,
    GetStateHash,
    GetStatus,
    Level,
    Query,
    QueryFailed,
    QueryResult,
    StateHash,
    Status,
)


def answer_query(engine: Engine, query: Query, sequence: int, epoch: int) -> QueryResult:
    """``sequence``: the last command that the answer knows of."""
    match query:
        case GetStatus():
            return Status(epoch, sequence, engine.time_ns)
        case GetDepth(symbol):
            if symbol not in engine.books:
                return QueryFailed("unknown_symbol", f"There is no instrument {symbol!r}.")
            return _depth(engine, symbol, sequence)
        case GetInstruments():
            return Definitions(sequence, engine.definitions())
        case GetBalances():
            return Balances(sequence, list(engine.balances()))
        case GetStateHash():
            return StateHash(sequence, state_hash(engine))


def _depth(engine: Engine, symbol: str, sequence: int) -> Depth:
    book = engine.books[symbol]
    indicated = NOTHING if book.auction is None else book.auction.indicated
    return Depth(
        symbol,
        sequence,
        book.update_id,
        engine.time_ns,
        [Level(*level) for level in engine.depth(symbol)],
        engine.venue.timers.time_of(TimerKind.PHASE_END, symbol),
        (indicated.price_ticks, indicated.volume_lots, indicated.imbalance_lots),
    )
