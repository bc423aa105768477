"""The order book: the engine's core, the worker that runs it, the gateway that reaches it."""

from orderbook import speedups

speedups.state = speedups.activate()
