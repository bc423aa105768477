"""Market data in the database. Written by ``market.projections`` only; rebuilt from the journal."""

from django.db import models

from market.values import CANDLE_INTERVALS_S
from orderbook.core.units import MAX_ASSET_LENGTH, MAX_SYMBOL_LENGTH, InstrumentStatus, Side


class Instrument(models.Model):
    """An instrument's newest definition; fields as in ``events.InstrumentDefined``."""

    symbol = models.CharField(max_length=MAX_SYMBOL_LENGTH, primary_key=True)
    base = models.CharField(max_length=MAX_ASSET_LENGTH)
    quote = models.CharField(max_length=MAX_ASSET_LENGTH)
    base_decimals = models.PositiveSmallIntegerField()
    quote_decimals = models.PositiveSmallIntegerField()
    lot_minor = models.BigIntegerField()
    tick_lot_minor = models.BigIntegerField()
    maker_fee_ppm = models.IntegerField()
    taker_fee_ppm = models.IntegerField()
    min_notional_minor = models.BigIntegerField()
    max_quantity_lots = models.BigIntegerField()
    status = models.CharField(
        max_length=16, choices=[(status.value, status.name) for status in InstrumentStatus]
    )
    max_notional_minor = models.BigIntegerField(default=0)
    static_band_ppm = models.IntegerField(default=0)
    dynamic_band_ppm = models.IntegerField(default=0)
    pause_ns = models.BigIntegerField(default=0)
    sequence = models.BigIntegerField()

    class Meta:
        ordering = ("symbol",)

    def __str__(self) -> str:
        return self.symbol


class PublicTrade(models.Model):
    """A trade without its parties."""

    trade_id = models.BigIntegerField(primary_key=True)
    symbol = models.CharField(max_length=MAX_SYMBOL_LENGTH)
    price_ticks = models.BigIntegerField()
    quantity_lots = models.BigIntegerField()
    quote_minor = models.BigIntegerField()
    taker_side = models.CharField(max_length=4, choices=[(side.value, side.name) for side in Side])
    time_ns = models.BigIntegerField()
    sequence = models.BigIntegerField()

    class Meta:
        indexes = (models.Index(fields=("symbol", "-trade_id"), name="market_trade_newest"),)

    def __str__(self) -> str:
        return f"{self.symbol} {self.trade_id}"


class Candle(models.Model):
    """Open, high, low, close and volume of one interval; intervals without a trade have no row."""

    symbol = models.CharField(max_length=MAX_SYMBOL_LENGTH)
    interval_s = models.PositiveIntegerField(
        choices=[(seconds, name) for name, seconds in CANDLE_INTERVALS_S.items()]
    )
    open_time_ns = models.BigIntegerField()
    open_ticks = models.BigIntegerField()
    high_ticks = models.BigIntegerField()
    low_ticks = models.BigIntegerField()
    close_ticks = models.BigIntegerField()
    volume_lots = models.BigIntegerField()
    quote_volume_minor = models.BigIntegerField()
    trade_count = models.BigIntegerField()
    sequence = models.BigIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("symbol", "interval_s", "open_time_ns"), name="market_candle_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval_s} s at {self.open_time_ns}"
