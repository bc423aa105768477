"""The documentation of the REST interface: complete, unambiguous, and open to anybody."""

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator


@pytest.fixture
def schema() -> dict:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_the_schema_is_valid_and_gives_no_warning(tmp_path) -> None:
    GENERATOR_STATS.reset()
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema"))
    assert not GENERATOR_STATS


def operations(schema: dict) -> list[dict]:
    methods = {"get", "post", "put", "patch", "delete"}
    return [
        operation
        for path in schema["paths"].values()
        for method, operation in path.items()
        if method in methods
    ]


def test_every_operation_has_a_name_of_its_own_and_a_summary(schema: dict) -> None:
    found = operations(schema)
    names = [operation["operationId"] for operation in found]
    assert len(names) == len(set(names)) > 20
    assert not [name for name in names if name[-1].isdigit()]
    assert all(operation.get("summary") for operation in found)


def test_every_way_in_is_described(schema: dict) -> None:
    assert set(schema["components"]["securitySchemes"]) == {"bearer", "browser_session"}
    used = {name for o in operations(schema) for way in o.get("security", []) for name in way}
    assert used == {"bearer", "browser_session"}


def test_every_operation_documents_the_error_shape(schema: dict) -> None:
    for operation in operations(schema):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                shape = answer["content"]["application/json"]["schema"]["$ref"]
                assert shape == "#/components/schemas/Error", operation["operationId"]


@pytest.mark.parametrize("path", ["/api/schema/", "/api/docs/"])
def test_the_documentation_is_open(path: str) -> None:
    assert Client().get(path).status_code == 200
