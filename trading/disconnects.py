"""Cancel on disconnect: what the venue does for an account whose stream connection has ended.

Tried again while the engine is away, for ``GIVE_UP_AFTER_S``. A server that dies itself can do
nothing for its sockets: who needs that, too, arms the dead man's switch.
"""

import asyncio
import logging

from orderbook.core.commands import CancelAllOrders
from orderbook.core.events import OrderCanceled
from orderbook.errors import EngineUnavailable, OutcomeUnknown
from orderbook.gateway.gateway import get_gateway

logger = logging.getLogger(__name__)

RETRY_S = 1.0
GIVE_UP_AFTER_S = 60.0


async def cancel_after_disconnect(account_id: int) -> None:
    """Cancels all open orders of the account, and says in the log how that went."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GIVE_UP_AFTER_S
    command = CancelAllOrders(account_id, on_disconnect=True)
    while True:
        try:
            answer = await get_gateway().submit(command)
        except (EngineUnavailable, OutcomeUnknown) as error:
            # An unknown outcome is tried again, too: orders that stay are what must not happen.
            if loop.time() >= deadline:
                logger.exception("orders of account %d outlive its connection", account_id)
                return
            logger.warning("cancel on disconnect of account %d waits: %r", account_id, error)
            await asyncio.sleep(RETRY_S)
        except Exception:
            logger.exception("orders of account %d outlive its connection", account_id)
            return
        else:
            canceled = sum(isinstance(event, OrderCanceled) for event in answer.events)
            logger.info("connection of account %d ended: %d orders canceled", account_id, canceled)
            return
