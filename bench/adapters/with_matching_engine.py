"""PyPI matching-engine: ticks and lots, self-trade prevention, events; no balances or fees."""

from collections.abc import Iterator
from typing import Any

from matching_engine.domain import (
    CancelOrder,
    NewOrder,
    OrderType,
    SequencedCommand,
    Side,
    TimeInForce,
)
from matching_engine.engine import MatchingEngine
from matching_engine.events import Trade

DISTRIBUTION = "matching-engine"


def build() -> str:
    return "plain"


def prepare(operations: list[tuple[Any, ...]]) -> tuple[Any, list[Any]]:
    commands = []
    for sequence, operation in enumerate(operations, 1):
        order_id, account_id, is_buy, price_ticks, lots, is_marketable = operation
        if lots:
            command = NewOrder(
                order_id,
                account_id,
                Side.BUY if is_buy else Side.SELL,
                price_ticks,
                lots,
                OrderType.LIMIT,
                TimeInForce.IOC if is_marketable else TimeInForce.GTC,
            )
        else:
            command = CancelOrder(order_id, account_id)
        commands.append(SequencedCommand(sequence, sequence, command))
    return MatchingEngine(), commands


def run(prepared: tuple[Any, list[Any]]) -> None:
    engine, commands = prepared
    process = engine.process
    for command in commands:
        process(command)


def fills(prepared: tuple[Any, list[Any]]) -> Iterator[tuple[int, int]]:
    engine, commands = prepared
    for command in commands:
        for event in engine.process(command):
            if type(event) is Trade:
                yield event.price, event.qty
