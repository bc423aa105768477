"""The text that the engine takes: symbols, asset codes, client order ids and references.

Events repeat a text only if it is well formed, so that no reader of events need fear their length
or content.
"""

import re
from typing import Final

from orderbook.core.units import (
    MAX_ASSET_LENGTH,
    MAX_CLIENT_ORDER_ID_LENGTH,
    MAX_REFERENCE_LENGTH,
    MAX_SYMBOL_LENGTH,
)

_SYMBOL: Final = re.compile(rf"[A-Z0-9][A-Z0-9-]{{0,{MAX_SYMBOL_LENGTH - 1}}}")
_ASSET: Final = re.compile(rf"[A-Z0-9][A-Z0-9-]{{0,{MAX_ASSET_LENGTH - 1}}}")
_CLIENT_ORDER_ID: Final = re.compile(rf"[A-Za-z0-9.:/_-]{{1,{MAX_CLIENT_ORDER_ID_LENGTH}}}")
_REFERENCE: Final = re.compile(
    rf"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{{0,{MAX_REFERENCE_LENGTH}}}"  # no controls or surrogates
)

is_symbol = _SYMBOL.fullmatch
is_asset = _ASSET.fullmatch
is_client_order_id = _CLIENT_ORDER_ID.fullmatch
is_reference = _REFERENCE.fullmatch


def symbol_or_blank(text: str) -> str:
    return text if is_symbol(text) else ""


def asset_or_blank(text: str) -> str:
    return text if is_asset(text) else ""


def client_order_id_or_blank(text: str) -> str:
    return text if is_client_order_id(text) else ""
