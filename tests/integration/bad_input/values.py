"""Values that no field of the venue takes, and the ways to send them."""

import json
from typing import Any

SCRIPT = "<script>alert(1)</script>"
TEXTS = {
    "sql": "x'; DROP TABLE trading_order; --",
    "html": SCRIPT,
    "attribute": '"><img src=x onerror=alert(1)>',
    "template": "{{7*7}}{% debug %}",
    "nul": "a\x00b",
    "surrogate": "a\ud800b",
    "right-to-left": "\u202egnp.exe",
    "header": "a\r\nSet-Cookie: stolen=1",
    "path": "../../etc/passwd",
    "percent": "%00%0a%ff",
    "emoji": "\U0001f4a5",
    "long": "A" * 5_000,
}
"""Not one of them is a symbol, a name, a decimal, a choice or an id."""

NUMBERS = {
    # As JSON: what stands in the body after the colon.
    "NaN": "NaN",
    "infinity": "-Infinity",
    "overflow": "1e400",
    "number": "25000.0",
    "integer": "1",
    "negative number": "-1",
    "true": "true",
    "null": "null",
    "list": "[1]",
    "object": "{}",
    **{
        f"text {text!r}": json.dumps(text)
        for text in (
            "", " 1", "1 ", "1\n", "+1", "-1", "-0", "0", "0.0", "00", "01", "1.", ".5", "1e5",
            "1E-5", "NaN", "Infinity", "-inf", "0x10", "1_000", "1,000", "\uff11", "\u0663", "1/2",
            "0.0000000000000000001", "9" * 19, "9" * 20, "9" * 41, "9" * 5_000,
        )
    },
}  # fmt: skip
"""Not one of them is a price or a quantity that an order may have."""

BODIES = {
    "nothing": b"",
    "blank": b"  \n",
    "cut off": b'{"symbol": "BTC-USDT"',
    "list": b"[]",
    "text": b'"order"',
    "null": b"null",
    "number": b"1",
    "NaN": b"NaN",
    "two values": b"{}{}",
    "trailing comma": b'{"symbol": "BTC-USDT",}',
    "single quotes": b"{'symbol': 'BTC-USDT'}",
    "not UTF-8": b'{"symbol": "\xff\xfe"}',
    "UTF-16": '{"symbol": "BTC-USDT"}'.encode("utf-16"),
    "overlong UTF-8": b'{"symbol": "\xc0\xaf"}',
    "encoded surrogate": b'{"symbol": "\xed\xa0\x80"}',
    "control character": b'{"symbol": "a\x00b"}',
    "deep list": b"[" * 30_000,
    "deep object": b'{"a":' * 10_000,
    "deep and closed": b'{"symbol":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "huge number": b'{"quantity": ' + b"9" * 20_000 + b"}",
    "binary": bytes(range(256)),
}
"""Not one of them is a request."""


def with_raw(fields: dict[str, Any], name: str, raw: str) -> bytes:
    """The fields as JSON, one of them with this JSON in the place of its value."""
    others = {key: value for key, value in fields.items() if key != name}
    head = json.dumps(others)[1:-1]
    return f"{{{head}{', ' if head else ''}{json.dumps(name)}: {raw}}}".encode()
