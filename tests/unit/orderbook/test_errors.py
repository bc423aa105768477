"""What every door tells a caller of an error."""

import pytest

from orderbook.core.rejects import RejectReason
from orderbook.errors import CommandRefused, EngineUnavailable, OutcomeUnknown, VenueError


@pytest.mark.parametrize(
    "error", [EngineUnavailable(), OutcomeUnknown(), *map(CommandRefused, RejectReason)]
)
def test_what_may_be_tried_again_says_when(error: VenueError) -> None:
    assert (error.status == 503) == bool(error.retry_after_s)
