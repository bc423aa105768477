"""Fees: parts per million of the amount received, in the asset received, rounded up."""

from orderbook.core.units import PPM


def fee_minor(received_minor: int, fee_ppm: int) -> int:
    """Fee on ``received_minor``; never more than it, because rates are far below one million."""
    return -(-received_minor * fee_ppm // PPM)
