"""Every documented operation against its own documentation, with good and bad generated data.

Schemathesis sends what the schema allows and what it forbids, and checks every answer: no 5xx, only
documented statuses, content types and shapes, forbidden data refused, methods and tokens checked.
Allowed data may be refused all the same, by what a schema cannot say: a cursor that no page gave, a
password that is too common, an empty book.
"""

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support.embedded_venue import EmbeddedVenue

pytestmark = pytest.mark.slow

EXAMPLES = 40
"""Generated requests of each operation."""
ANSWER_TIMEOUT_S = 60.0

schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(request=None, public=True))


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
def test_documented_operations(case: schemathesis.Case, venue: EmbeddedVenue, token: str) -> None:
    case.call_and_validate(
        base_url=venue.url,
        headers={"Authorization": f"Bearer {token}"},
        excluded_checks=[positive_data_acceptance],
        timeout=ANSWER_TIMEOUT_S,
    )
