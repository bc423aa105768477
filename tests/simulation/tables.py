"""The projector of the simulation: the product's, with a projection that shows every event."""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.db import connections

from orderbook.projections import Projection, Recorded, registered
from orderbook.worker.projector import Projector
from tests.simulation.database import EVENTS_TABLE

PROJECTED_APPS = ("accounts", "market", "trading")
NOT_PROJECTED = {"User", "ReconciliationRun"}


class EventsProjection:
    """Each event as a row, in the order of the journal."""

    name = "simulation.events"

    def apply(self, records: Sequence[Recorded]) -> None:
        rows = [(record.sequence, record.index, repr(record.event)) for record in records]
        with connections["default"].cursor() as cursor:
            cursor.executemany(f"INSERT INTO {EVENTS_TABLE} VALUES (%s, %s, %s)", rows)

    def reset(self) -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute(f"DELETE FROM {EVENTS_TABLE}")


class StopAfterOneStep:
    """In the place of the event that ends ``Projector.run``: it ends after one round of it, however
    the round went."""

    def __init__(self) -> None:
        self._asked = False

    def is_set(self) -> bool:
        asked, self._asked = self._asked, True
        return asked

    def wait(self, timeout: float) -> None:
        """The simulation waits in between."""


def projections(*, with_real_tables: bool) -> tuple[Projection, ...]:
    return (EventsProjection(), *(registered() if with_real_tables else ()))


def run_one_step(projector: Projector) -> None:
    stop: Any = StopAfterOneStep()
    projector.run(stop)


def event_rows() -> list[tuple[int, int, str]]:
    with connections["default"].cursor() as cursor:
        cursor.execute(f"SELECT sequence, place, event FROM {EVENTS_TABLE} ORDER BY rowid")
        return list(cursor.fetchall())


def table_rows() -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that a projection writes, without arbitrary row ids."""
    rows: dict[str, list[tuple[object, ...]]] = {EVENTS_TABLE: list(event_rows())}
    for app in PROJECTED_APPS:
        for model in apps.get_app_config(app).get_models():
            if model.__name__ in NOT_PROJECTED:
                continue
            auto = model._meta.auto_field
            names = [field.attname for field in model._meta.fields if field is not auto]
            rows[model._meta.label] = sorted(model._default_manager.values_list(*names), key=repr)
    return rows
