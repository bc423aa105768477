"""Answers to reads of the engine's memory."""

from orderbook.core.auction import NOTHING
from orderbook.core.engine import Engine
from orderbook.core.events import (
    AccountLimitsSet,
    Event,
    FeeScheduleSet,
    KillSwitchSet,
    ReferencePriceSet,
    ScheduleSet,
)
from orderbook.core.snapshot import state_hash
from orderbook.core.timers import TimerKind
from orderbook.core.units import MAX_OPEN_ORDERS
from orderbook.gateway.protocol import (
    Balances,
    Controls,
    Definitions,
    Depth,
    GetBalances,
    GetControls,
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
        case GetControls(symbol, account_id):
            return Controls(sequence, controls(engine, symbol, account_id))
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


def controls(engine: Engine, symbol: str, account_id: int) -> list[Event]:
    events: list[Event] = [KillSwitchSet(0, engine.venue.kill_switch)]
    book = engine.books.get(symbol)
    if book is not None:
        if book.reference_ticks:
            events.append(ReferencePriceSet(symbol, book.reference_ticks))
        if book.session is not None:
            events.append(ScheduleSet(symbol, book.session.entries))
        if book.fees is not None:
            events.append(FeeScheduleSet(symbol, book.fees.tiers))
    account = engine.accounts.get(account_id) if account_id else None
    if account is not None:
        rates = account.limits
        events.append(KillSwitchSet(account_id, account.kill_switch))
        events.append(
            AccountLimitsSet(
                account_id,
                account.self_trade,
                account.max_open_orders % MAX_OPEN_ORDERS,  # the venue's own limit counts as none
                rates.orders_per_second if rates is not None else 0,
                rates.messages_per_second if rates is not None else 0,
            )
        )
    return events
