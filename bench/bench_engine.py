"""How fast the engine core applies commands, on its own: no journal, queue or network.

A seeded flow over one instrument: 50 % passive limit orders within 50 ticks of the middle, 40 %
cancels of a random open order, 10 % marketable limit orders. Prints one JSON object last.
"""

import argparse
import gc
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from orderbook.core.commands import (
    CancelOrder,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
    PlaceOrder,
)
from orderbook.core.engine import Engine
from orderbook.core.events import OrderAccepted, OrderCanceled, Trade
from orderbook.core.invariants import check
from orderbook.core.snapshot import state_hash
from orderbook.core.units import OrderType, Side, TimeInForce

SYMBOL = "BTC-USDT"
MIDDLE_TICKS = 1_000_000
PASSIVE_RANGE_TICKS = 50
MAX_ORDER_LOTS = 100
ACCOUNTS = range(1, 11)


def fund(engine: Engine) -> None:
    engine.apply(DefineAsset("BTC", 8), 0)
    engine.apply(DefineAsset("USDT", 6), 0)
    engine.apply(
        DefineInstrument(SYMBOL, "BTC", "USDT", 1000, 1, 100, 200, 0, 10**9),
        0,
    )
    for account_id in ACCOUNTS:
        engine.apply(Deposit(account_id, "BTC", 10**15, "base"), 0)
        engine.apply(Deposit(account_id, "USDT", 10**17, "quote"), 0)


def make_flow(count: int, seed: int) -> list[Command]:
    """``count`` commands. A twin engine runs along, so that cancels name orders that are open."""
    rng = random.Random(seed)
    twin = Engine()
    fund(twin)
    commands: list[Command] = []
    open_ids: list[int] = []
    places: dict[int, int] = {}
    owners: dict[int, int] = {}
    for number in range(count):
        draw = rng.random()
        command: Command
        if draw < 0.4 and open_ids:
            order_id = open_ids[rng.randrange(len(open_ids))]
            command = CancelOrder(owners[order_id], order_id)
        else:
            side = rng.choice((Side.BUY, Side.SELL))
            offset = rng.randint(1, PASSIVE_RANGE_TICKS)
            marketable = draw >= 0.9
            toward = (side is Side.BUY) == marketable
            price_ticks = MIDDLE_TICKS + (offset if toward else -offset)
            command = PlaceOrder(
                rng.choice(ACCOUNTS),
                SYMBOL,
                side,
                OrderType.LIMIT,
                TimeInForce.IOC if marketable else TimeInForce.GTC,
                price_ticks,
                rng.randint(1, MAX_ORDER_LOTS),
            )
        commands.append(command)
        for event in twin.apply(command, number):
            if isinstance(event, OrderAccepted):
                owners[event.order_id] = event.account_id
                if event.time_in_force is TimeInForce.GTC:
                    places[event.order_id] = len(open_ids)
                    open_ids.append(event.order_id)
            elif isinstance(event, OrderCanceled):
                _forget(event.order_id, open_ids, places)
            elif isinstance(event, Trade) and (
                event.maker_order_id not in twin.accounts[event.maker_account_id].orders
            ):
                _forget(event.maker_order_id, open_ids, places)
    return commands


def _forget(order_id: int, open_ids: list[int], places: dict[int, int]) -> None:
    place = places.pop(order_id, None)
    if place is None:
        return
    last = open_ids.pop()
    if last != order_id:
        open_ids[place] = last
        places[last] = place


def measure(commands: list[Command]) -> tuple[float, Engine]:
    """Seconds that a fresh engine takes for the flow."""
    engine = Engine()
    fund(engine)
    apply = engine.apply
    gc.collect()
    gc.freeze()
    start = time.perf_counter()
    for number, command in enumerate(commands):
        apply(command, number)
    seconds = time.perf_counter() - start
    gc.unfreeze()
    return seconds, engine


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--operations", type=int, default=300_000, help="commands in the flow")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3, help="runs; the fastest one counts")
    options = parser.parse_args()
    commands = make_flow(options.operations, options.seed)
    runs = [measure(commands) for _ in range(options.repeat)]
    seconds, engine = min(runs, key=lambda run: run[0])
    check(engine)
    print(
        json.dumps(
            {
                "operations": len(commands),
                "seconds": round(seconds, 3),
                "ops_per_s": round(len(commands) / seconds),
                "open_orders": sum(len(account.orders) for account in engine.accounts.values()),
                "trades": engine.venue.next_trade_id - 1,
                "state_hash": state_hash(engine),
            }
        )
    )


if __name__ == "__main__":
    main()
