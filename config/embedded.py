"""The whole venue in one process: engine, projector, scheduler and bots beside the web server."""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import IO, Any

from celery.beat import EmbeddedService
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connections

from config.celery import app as celery_app
from orderbook.gateway.bridge.address import socket_path
from orderbook.gateway.bridge.joining import LAYERS
from orderbook.gateway.bridge.server import BridgeServer
from orderbook.gateway.gateway import Gateway
from orderbook.worker.engine_worker import EngineWorker
from orderbook.worker.projector import Projector
from trading.demo import load_demo, run_demo_bots

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 120.0
"""Longest recovery of the engine that a start waits for."""
STOP_TIMEOUT_S = 5.0
PROJECTOR_RETRY_S = 5.0
"""Until a projector that failed is started again."""


class AlreadyRunning(RuntimeError):
    pass


class EmbeddedVenue:
    """Holds a lock on DATA_DIR: one process, one venue."""

    failed = False
    """Whether the engine stopped by itself; the process then exits with an error."""

    def __init__(self) -> None:
        self._lock: IO[str] | None = None
        self._engine: asyncio.Task[None] | None = None
        self._bots: asyncio.Task[None] | None = None
        self._stopped = threading.Event()
        self._projector: threading.Thread | None = None
        self._beat: Any = None

    async def start_engine(self) -> None:
        """Returns once the engine has recovered and leads."""
        self._lock = _lock_taken_ahead() or take_lock()
        worker = EngineWorker()
        engine = self._engine = asyncio.create_task(worker.run(), name="engine")
        leading = asyncio.create_task(worker.leading.wait())
        await asyncio.wait(
            {engine, leading}, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
        )
        leading.cancel()
        if engine.done():
            await engine
        if not worker.leading.is_set():
            raise TimeoutError(f"the engine did not recover within {START_TIMEOUT_S:.0f} s")
        engine.add_done_callback(self._engine_ended)

    async def load_demo(self, gateway: Gateway) -> None:
        """Fills a new venue once; later starts leave what operators have changed."""
        marker = settings.DATA_DIR / "demo-loaded"
        if settings.LOAD_DEMO and not marker.exists():
            await load_demo(gateway)
            marker.touch()

    async def start_followers(self) -> None:
        """Everything that follows the engine and that it never waits for."""
        self._projector = threading.Thread(target=self._project, name="projector", daemon=True)
        self._projector.start()
        # Beat runs the tasks it knows in its own thread, and would queue any other for nobody.
        celery_app.loader.import_default_modules()
        self._beat = EmbeddedService(
            celery_app, thread=True, schedule_filename=str(settings.DATA_DIR / "beat-schedule")
        )
        self._beat.daemon = True
        self._beat.start()
        if settings.RUN_BOTS:
            self._bots = asyncio.create_task(run_demo_bots(), name="bots")

    async def stop_bots(self) -> None:
        """Before the gateway that they trade through: what it is yet to answer when it stops has
        an unknown outcome."""
        if self._bots is not None:
            await _cancel(self._bots)

    async def stop(self) -> None:
        """Last of all, the engine with it: nothing acknowledged waits for a stopped part."""
        self._stopped.set()
        if self._engine is not None:
            self._engine.remove_done_callback(self._engine_ended)
            await _cancel(self._engine)
        if self._beat is not None:
            self._beat.service.stop(wait=False)
        if self._projector is not None:
            await asyncio.to_thread(self._projector.join, STOP_TIMEOUT_S)
        if self._lock is not None:
            self._lock.close()

    def _project(self) -> None:
        """Starts again what fails, as a supervisor would: nothing else would ever write a table."""
        while not self._stopped.is_set():
            try:
                Projector().run(self._stopped)
            except Exception:
                logger.exception("the projector failed; reads stay exact, reports lag meanwhile")
                self._stopped.wait(PROJECTOR_RETRY_S)
            finally:
                connections.close_all()

    def _engine_ended(self, task: asyncio.Task[None]) -> None:
        """The engine ends by itself only when it may not carry on: the process goes with it."""
        error = None if task.cancelled() else task.exception()
        logger.critical("the engine stopped; the venue stops with it", exc_info=error)
        EmbeddedVenue.failed = True
        os.kill(os.getpid(), signal.SIGTERM)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await asyncio.wait_for(task, STOP_TIMEOUT_S)


async def open_bridge() -> BridgeServer:
    """Lets commands beside this venue reach its engine. Without a socket the venue runs all the
    same. Call it once the gateway is set, and with the lock held."""
    bridge = BridgeServer(socket_path(), {name: get_channel_layer(name) for name in LAYERS})
    try:
        await bridge.start()
    except OSError as error:
        logger.warning("commands beside this venue cannot reach it: %s", error)
    return bridge


_ahead: IO[str] | None = None


@contextlib.contextmanager
def lock_taken_ahead() -> Iterator[None]:
    """Takes the lock for the venue that this process is about to run, so that nobody comes in
    between; the venue has it from its start on. Raises AlreadyRunning."""
    global _ahead
    _ahead = take_lock()
    try:
        yield
    finally:
        if (unused := _lock_taken_ahead()) is not None:
            unused.close()


def _lock_taken_ahead() -> IO[str] | None:
    global _ahead
    lock, _ahead = _ahead, None
    return lock


def take_lock() -> IO[str]:
    """The lock on DATA_DIR, for as long as the file is open. Raises AlreadyRunning."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    lock = (settings.DATA_DIR / "venue.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise AlreadyRunning(
            f"Another process runs the venue in {settings.DATA_DIR}. An embedded venue is one "
            "process: stop that one, choose another DATA_DIR, or use full mode for several "
            "web processes."
        ) from error
    return lock
