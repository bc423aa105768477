"""Runs a plan to its end and checks what is left: liveness first, then every invariant."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from orderbook import journal
from orderbook.core.events import OrderAccepted
from orderbook.core.invariants import check
from orderbook.core.snapshot import state_hash
from orderbook.core.units import Side
from orderbook.gateway import protocol, tail
from orderbook.models import JournalBatch, ProjectionCursor
from orderbook.worker import projector as projector_module
from orderbook.worker.recovery import Replica
from tests.simulation import flow, tables
from tests.simulation.clients import Told
from tests.simulation.errors import Violation, require
from tests.simulation.patches import patched_product
from tests.simulation.plan import GATEWAYS, Plan
from tests.simulation.world import Part, World

GRACE_S = 6.0
"""After healing, until every new command must be answered."""
PATIENCE_S = 6.0
"""For whatever must happen in a healthy venue."""
PROBES = 3
MAX_LEVELS = 1_000
ANSWER_MARGIN_S = 0.5
"""How long after its deadline a client may be without an answer."""


class Report(NamedTuple):
    plan: Plan
    failure: Violation | None
    injected: Counter[str]
    outcomes: Counter[str]
    events: Counter[str]
    """What happened in the venue, by kind (``event_kinds.EVENT_KINDS``)."""
    steps: int
    digest: str
    """Of every line of the trace."""
    last_lines: list[str]


def run(plan: Plan, *, write: Callable[[str], None] | None = None) -> Report:
    """``write`` gets every line of the trace. The same plan gives the same trace, always."""
    with_real_tables = plan.seed % 4 == 0
    world = World(plan, with_real_tables=with_real_tables, write=write)
    with patched_product(
        world.loop,
        world.network,
        world.server,
        world.make_thread,
        world.random,
        plan.snapshot_every,
    ):
        try:
            world.run()
            for phase in PHASES:
                if world.failure is None:
                    world.watch(phase, world)
        except (journal.JournalDamaged, projector_module.ProjectionFailed) as error:
            world.fail(Violation("I9" if "projection" in str(error) else "I5", str(error)))
        finally:
            world.dispose()
    return Report(
        plan,
        world.failure,
        world.injected,
        Counter(told.outcome for told in world.told),
        world.audit.counts,
        world.loop.steps,
        world.digest,
        world.last_lines,
    )


# -- liveness -------------------------------------------------------------------------------------


def _probe(world: World) -> None:
    """Every new command is answered, through each gateway, and there is a leader."""
    world.run_until(lambda: False, world.loop.time() + GRACE_S)
    answered: list[str] = []

    async def client(part: Part) -> None:
        for number in range(PROBES):
            told = await world.submit(part, flow.probe(1 + GATEWAYS.index(part.name), number))
            if told is not None and told.answer is not None and told.answer.sequence:
                answered.append(part.name)

    for name in GATEWAYS:
        world._spawn_in(name, client)
    wanted = PROBES * len(GATEWAYS)
    if not world.run_until(lambda: len(answered) == wanted, world.loop.time() + PATIENCE_S):
        raise Violation("liveness", f"{len(answered)} of {wanted} commands are answered")
    # A leader whose lock went to an engine that ended since answers until another one holds it.
    if not world.run_until(lambda: world.leader() is not None, world.loop.time() + PATIENCE_S):
        raise Violation("liveness", "no engine leads")


def _settle(world: World) -> None:
    """Waits for what is under way, then until everyone who follows the journal is at its end."""
    world.run_until(lambda: False, max(world.loop.time(), world.network.last_arrival) + 0.5)

    def is_level() -> bool:
        end = world.audit.last_sequence
        return (
            all(one._replica.sequence == end for one in world.standbys())
            and all(world.parts[name].feed.last_sequence == end for name in GATEWAYS)
            and all(world.parts[name].depth.is_whole for name in GATEWAYS)
            and all(told.told_at or not told.process.alive for told in world.told)
            and set(_cursors().values()) == {end}
        )

    latest_s = world.loop.time() + PATIENCE_S
    while not is_level() and world.failure is None:
        require(
            world.loop.time() < latest_s,
            "liveness",
            f"at sequence {world.audit.last_sequence} standbys are at "
            f"{[one._replica.sequence for one in world.standbys()]}, feeds at "
            f"{[world.parts[name].feed.last_sequence for name in GATEWAYS]}, books of "
            f"{[sorted(world.parts[name].depth.books) for name in GATEWAYS]}, tables at "
            f"{_cursors()}",
        )
        world.run_until(lambda: False, world.loop.time() + 0.1)


def _cursors() -> dict[str, int]:
    return dict(ProjectionCursor.objects.values_list("name", "sequence"))


# -- what is left ---------------------------------------------------------------------------------


def _check_journal(world: World) -> None:
    """The rows are those that were committed, and what web processes heard is what they say."""
    stored = [
        tuple(bytes(value) if isinstance(value, memoryview | bytes) else value for value in row)
        for row in JournalBatch.objects.order_by("first_sequence").values_list()
    ]
    require(stored == world.audit.rows, "I4", "the journal is not what was committed to it")
    expected = [events for _, events in world.audit.entries]
    for name in GATEWAYS:
        listener = world.parts[name].listener
        require(not listener.missed, "I4", f"{name} missed sequences without being told of a gap")
        require(listener.heard == expected, "I4", f"{name} heard something else than the journal")


def _check_told(world: World) -> None:
    for told in world.told:
        _check_one(world, told)


def _check_one(world: World, told: Told) -> None:
    places = [world.audit.places[one] for one in told.command_ids if one in world.audit.places]
    name = f"{told.command} told {told.outcome}"
    if told.outcome == "answered":
        assert told.answer is not None
        wanted = [told.answer.sequence]
        require(places == wanted, "I3", f"{name}: in the journal at {places}, not at {wanted}")
    elif told.outcome == "unavailable":
        require(not places, "I3", f"{name}, which says not executed, is in the journal at {places}")
    if told.process.alive and not told.process.was_frozen:
        latest = told.asked_at + world.deadline_s + ANSWER_MARGIN_S
        require(0 < told.told_at <= latest, "liveness", f"{name} only at {told.told_at:.3f} s")
    _ask_by_client_order_id(world, told)


def _ask_by_client_order_id(world: World, told: Told) -> None:
    """What a client with an unknown outcome finds when it asks is what became of its order."""
    client_order_id = getattr(told.command, "client_order_id", "")
    if told.outcome != "unknown" or not client_order_id:
        return
    account_id = told.command.account_id  # type: ignore[union-attr]
    found = [
        record.sequence
        for record in tail.records_after(0, account_id)
        if isinstance(record.event, OrderAccepted)
        and record.event.client_order_id == client_order_id
    ]
    expected = [
        sequence
        for sequence, (_, events) in enumerate(world.audit.entries, 1)
        for event in events
        if isinstance(event, OrderAccepted)
        and (event.account_id, event.client_order_id) == (account_id, client_order_id)
    ]
    require(found == expected, "I3", f"asked for {client_order_id}: {found}, journal: {expected}")


def _live_state(world: World, sequence: int) -> protocol.StateHash:
    """Asked again while the answer is older than ``sequence``: an engine whose lock was given away
    does not know it before it writes, and reads the same queue."""
    results: list[protocol.QueryResult] = []

    async def client(part: Part) -> None:
        results.append(await part.gateway.query(protocol.GetStateHash()))

    latest_s = world.loop.time() + PATIENCE_S
    while not results or results[-1].sequence < sequence:  # type: ignore[union-attr]
        asked = len(results) + 1
        world._spawn_in(GATEWAYS[0], client)
        if not world.run_until(lambda asked=asked: len(results) == asked, latest_s):  # type: ignore[misc]
            raise Violation("liveness", f"no query is answered as of {sequence}: {results}")
    live = results[-1]
    assert isinstance(live, protocol.StateHash)
    return live


def _check_replay(world: World) -> None:
    """The leader's memory, the standbys' and a replay from nothing are the same state."""
    replica = Replica()
    for row in journal.verified_rows(0, replica.checksum):
        replica.apply(row)
    live = _live_state(world, replica.sequence)
    require(replica.sequence == live.sequence, "I5", "the engine is not where its journal is")
    check(replica.engine)
    replayed = state_hash(replica.engine)
    require(replayed == live.state_hash, "I5", "a replay gives another state than the leader has")
    for one in world.standbys():
        require(state_hash(one._replica.engine) == replayed, "I5", "a standby is in another state")
    _check_recovery(replayed)


def _check_recovery(replayed: str) -> None:
    """From the newest snapshot on."""
    replica = Replica()
    replica.recover()
    require(state_hash(replica.engine) == replayed, "I5", "recovery gives another state")


def _check_depth(world: World) -> None:
    """What web processes made of the published updates is the leader's book."""
    replica = Replica()
    replica.recover()
    for symbol, book in replica.engine.books.items():
        levels = [tuple(level) for level in book.depth()]
        for name in GATEWAYS:
            copy = world.parts[name].depth.books[symbol]
            shown = [(Side.BUY, *level) for level in copy.bids(MAX_LEVELS)]
            shown += [(Side.SELL, *level) for level in copy.asks(MAX_LEVELS)]
            require(
                shown == levels and copy.update_id == book.update_id,
                "I5",
                f"{name} shows {shown} of {symbol} at {copy.update_id}, and the engine has "
                f"{levels} at {book.update_id}",
            )


def _check_tables(world: World) -> None:
    """The rows say what the journal says, and a rebuild gives them again."""
    expected = [
        (sequence, index, repr(event))
        for sequence, (_, events) in enumerate(world.audit.entries, 1)
        for index, event in enumerate(events)
    ]
    require(tables.event_rows() == expected, "I9", "the table of events is not the journal")
    before = tables.table_rows()
    projections = tables.projections(with_real_tables=world.with_real_tables)
    for projection in projections:
        projector_module.reset(projection)
    projector_module.Projector(projections).catch_up()
    after = tables.table_rows()
    for table, rows in before.items():
        require(rows == after[table], "I9", f"a rebuild gives other rows of {table}")


PHASES = (
    _probe,
    _settle,
    _check_journal,
    _check_told,
    _check_replay,
    _check_depth,
    _check_tables,
)
"""What is checked in the end, in this order."""
