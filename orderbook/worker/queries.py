"""Answers to reads of the engine's memory."""

from orderbook.core.engine import Engine
from orderbook.core.snapshot import state_hash
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
            levels = [Level(*level) for level in engine.depth(symbol)]
            update_id = engine.books[symbol].update_id
            return Depth(symbol, sequence, update_id, engine.time_ns, levels)
        case GetInstruments():
            return Definitions(sequence, engine.definitions())
        case GetBalances():
            return Balances(sequence, list(engine.balances()))
        case GetStateHash():
            return StateHash(sequence, state_hash(engine))
