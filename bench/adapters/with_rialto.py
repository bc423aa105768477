"""Our own engine, whole: validation, balances, fees, self-trade prevention and events."""

from collections.abc import Iterator
from typing import Any

from bench.engine_flow import Operation, command_of, funded_engine
from orderbook.core import engine as engine_module
from orderbook.core.events import Trade

DISTRIBUTION = ""


def build() -> str:
    return "plain" if (engine_module.__file__ or "").endswith(".py") else "compiled"


def prepare(operations: list[tuple[Any, ...]]) -> tuple[Any, list[Any]]:
    commands = (command_of(Operation(*operation)) for operation in operations)
    return funded_engine(), [(command, time_ns) for time_ns, command in enumerate(commands)]


def run(prepared: tuple[Any, list[Any]]) -> None:
    engine, steps = prepared
    apply = engine.apply
    for command, time_ns in steps:
        apply(command, time_ns)


def fills(prepared: tuple[Any, list[Any]]) -> Iterator[tuple[int, int]]:
    engine, steps = prepared
    for command, time_ns in steps:
        for event in engine.apply(command, time_ns):
            if isinstance(event, Trade):
                yield event.price_ticks, event.quantity_lots
