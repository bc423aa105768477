"""An instrument's numbers for people, with the engine's integers beside them."""

from orderbook.core.events import InstrumentDefined
from orderbook.core.units import Side
from orderbook.explanation.steps import Facts
from orderbook.gateway.decimals import lots_to_text, minor_to_text, ticks_to_text


class Amounts:
    def __init__(self, instrument: InstrumentDefined) -> None:
        self.instrument = instrument

    def price(self, price_ticks: int) -> str:
        return f"{ticks_to_text(self.instrument, price_ticks)} {self.instrument.quote}"

    def quantity(self, quantity_lots: int) -> str:
        return f"{lots_to_text(self.instrument, quantity_lots)} {self.instrument.base}"

    def base(self, minor: int) -> str:
        return f"{minor_to_text(minor, self.instrument.base_decimals)} {self.instrument.base}"

    def quote(self, minor: int) -> str:
        return f"{minor_to_text(minor, self.instrument.quote_decimals)} {self.instrument.quote}"

    def received(self, side: Side, minor: int) -> str:
        """An amount of what the side receives: its fees are charged in it."""
        return self.base(minor) if side is Side.BUY else self.quote(minor)

    def given(self, side: Side, minor: int) -> str:
        return self.quote(minor) if side is Side.BUY else self.base(minor)

    def price_facts(self, name: str, price_ticks: int) -> Facts:
        """Nothing for 0, which stands for none."""
        if not price_ticks:
            return {}
        return {name: self.price(price_ticks), f"{name}_ticks": price_ticks}

    def quantity_facts(self, name: str, quantity_lots: int) -> Facts:
        return {name: self.quantity(quantity_lots), f"{name}_lots": quantity_lots}
