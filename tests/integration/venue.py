"""An engine and a gateway in one event loop, on the test databases and in-memory layers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from channels.layers import channel_layers

from orderbook.core.commands import Command, DefineAsset, DefineInstrument, Deposit, PlaceOrder
from orderbook.core.units import OrderType, Side, TimeInForce
from orderbook.gateway import tail
from orderbook.gateway.gateway import Gateway, set_gateway
from orderbook.gateway.protocol import Answer, Query, QueryResult
from orderbook.gateway.refusals import raise_if_refused
from orderbook.worker.engine_worker import EngineWorker

START_TIMEOUT_S = 60.0
QUERY_TIMEOUT_S = 60.0
LONG_DEADLINE_NS = 9 * 10**9
"""Nearly the longest that the engine accepts: for envelopes that must be in time."""
SYMBOL = "BTC-USDT"

DEFINITIONS: tuple[Command, ...] = (
    DefineAsset("BTC", 8),
    DefineAsset("USDT", 8),
    DefineInstrument(SYMBOL, "BTC", "USDT", 1_000, 10, 800, 1_000, 0, 10**12),
)


@asynccontextmanager
async def running_engine() -> AsyncIterator[EngineWorker]:
    """An engine that leads; stopped by cancellation at the end, if it has not stopped itself."""
    worker = EngineWorker()
    task = asyncio.create_task(worker.run())
    leading = asyncio.create_task(worker.leading.wait())
    await asyncio.wait({task, leading}, timeout=START_TIMEOUT_S, return_when="FIRST_COMPLETED")
    leading.cancel()
    if task.done():
        task.result()
    assert worker.leading.is_set(), "the engine did not become leader"
    try:
        yield worker
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, BaseExceptionGroup):
            await task


class PatientGateway(Gateway):
    """Waits for an answer for as long as a busy machine may need for it."""

    async def query(self, query: Query, *, timeout_s: float = QUERY_TIMEOUT_S) -> QueryResult:
        return await super().query(query, timeout_s=timeout_s)


@asynccontextmanager
async def running_gateway() -> AsyncIterator[Gateway]:
    gateway = PatientGateway()
    await gateway.start()
    set_gateway(gateway)
    try:
        yield gateway
    finally:
        await gateway.stop()
        set_gateway(None)


@asynccontextmanager
async def running_venue() -> AsyncIterator[Gateway]:
    """Engine and gateway with one instrument and the funded accounts 1 and 2."""
    channel_layers.backends.clear()
    tail.forget()
    async with running_engine(), running_gateway() as gateway:
        for command in (
            *DEFINITIONS,
            *(
                Deposit(account_id, asset, 10**15, f"start:{asset}")
                for account_id in (1, 2)
                for asset in ("BTC", "USDT")
            ),
        ):
            raise_if_refused(await gateway.submit(command))
        yield gateway


def limit_order(
    account_id: int, side: Side, price_ticks: int, quantity_lots: int, client_order_id: str = ""
) -> PlaceOrder:
    return PlaceOrder(
        account_id,
        SYMBOL,
        side,
        OrderType.LIMIT,
        TimeInForce.GTC,
        price_ticks,
        quantity_lots,
        client_order_id,
    )


async def place(gateway: Gateway, *args: object, **kwargs: object) -> Answer:
    return raise_if_refused(await gateway.submit(limit_order(*args, **kwargs)))  # type: ignore[arg-type]
