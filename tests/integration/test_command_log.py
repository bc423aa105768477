"""Every command can be found in the logs by its id, also one that was never executed."""

import time

import pytest
from channels.layers import get_channel_layer
from django.conf import settings

from orderbook.core.units import Side
from orderbook.gateway import protocol
from orderbook.gateway.command_trace import start_trace, traced_command_ids
from tests.integration.venue import limit_order, running_venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)


async def test_a_request_knows_the_commands_that_it_sent():
    start_trace()
    async with running_venue() as gateway:
        answer = await gateway.submit(limit_order(1, Side.BUY, 100, 5))
        assert traced_command_ids().split(" ")[-1] == answer.command_id.hex()


async def test_commands_that_are_not_executed_are_logged_with_their_ids(caplog):
    async with running_venue():
        layer = get_channel_layer("engine")
        reply_to = await layer.new_channel("test")
        order, now_ns = limit_order(1, Side.BUY, 100, 5), time.time_ns()
        late = protocol.Envelope(b"l" * 16, now_ns - 10**9, order)
        too_far = protocol.Envelope(b"f" * 16, now_ns + 3_600 * 10**9, order)
        unreadable = (b"u" * 16, now_ns + 10**9, ["NoSuchCommand"])
        for batch in ([unreadable], [late, too_far]):
            message = {"type": "commands", "reply_to": reply_to, "batch": protocol.encode(batch)}
            await layer.send(settings.ENGINE_QUEUE, message)
        await layer.receive(reply_to)
    logged = {
        record.command_id: record.getMessage()
        for record in caplog.records
        if hasattr(record, "command_id")
    }
    assert "unreadable" in logged[(b"u" * 16).hex()]
    assert "after its deadline" in logged[(b"l" * 16).hex()]
    assert "ahead" in logged[(b"f" * 16).hex()]
