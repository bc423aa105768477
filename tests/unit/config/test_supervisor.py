import asyncio
import io
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from config import supervisor as module
from config.processes import ProcessSpec
from config.supervisor import Lines, StartFailed, StopRequested, Supervisor

DEADLINE_S = 60.0


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def supervisor(output: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    monkeypatch.setattr(module, "_LAST_LINES_TIMEOUT_S", DEADLINE_S)
    return Supervisor(Lines(output))


def python(name: str, code: str, **arguments: object) -> ProcessSpec:
    return ProcessSpec(name, (sys.executable, "-u", "-c", code), **arguments)  # type: ignore[arg-type]


def forever(name: str, folder: Path) -> ProcessSpec:
    """Writes its pid, then waits; notes the moment at which it is told to stop."""
    pid_file = folder / f"{name}.pid"
    code = (
        "import os, pathlib, signal, sys, time\n"
        f"pid_file = pathlib.Path({str(pid_file)!r})\n"
        "def stop(*_):\n"
        f"    pathlib.Path({str(folder / name)!r}).write_text(str(time.monotonic_ns()))\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "draft = pid_file.with_suffix('.draft'); draft.write_text(str(os.getpid()))\n"
        "draft.rename(pid_file)\n"
        "while True: signal.pause()\n"
    )
    return python(name, code, is_ready=pid_file.exists)


async def eventually(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        await asyncio.sleep(0.01)


def pid_of(folder: Path, name: str) -> int:
    return int((folder / f"{name}.pid").read_text())


async def test_every_line_carries_the_name_of_its_process(
    supervisor: Supervisor, output: io.StringIO
) -> None:
    await supervisor.run_once("step", (sys.executable, "-c", "print('one\\ntwo')"), {})
    assert output.getvalue().splitlines() == ["step       | one", "step       | two"]


async def test_processes_stop_in_reverse_order(supervisor: Supervisor, tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        await supervisor.start(forever(name, tmp_path))
    await supervisor.stop()
    stopped = [int((tmp_path / name).read_text()) for name in ("third", "second", "first")]
    assert stopped == sorted(stopped)


async def test_a_process_that_is_killed_comes_back(
    supervisor: Supervisor, tmp_path: Path, output: io.StringIO
) -> None:
    await supervisor.start(forever("engine", tmp_path))
    killed = pid_of(tmp_path, "engine")
    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: pid_of(tmp_path, "engine") != killed, "another engine")
    await supervisor.stop()
    assert "engine was ended by SIGKILL; starting it again in 0.25 s" in output.getvalue()


async def test_what_a_killed_process_had_started_goes_with_it(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, pathlib, signal, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"draft = pathlib.Path({str(pids)!r} + '.new')\n"
        "draft.write_text(f'{os.getpid()} {child.pid}')\n"
        f"draft.rename({str(pids)!r})\n"
        "while True: signal.pause()\n"
    )
    await supervisor.start(python("web", code, is_ready=pids.exists))
    parent, child = map(int, pids.read_text().split())
    os.kill(parent, signal.SIGKILL)

    def is_gone() -> bool:
        try:
            return "\nState:\tZ" in Path(f"/proc/{child}/status").read_text()
        except FileNotFoundError:
            return True

    await eventually(is_gone, "the end of the killed process's child")
    await supervisor.stop()


async def test_a_process_that_keeps_failing_is_reported_and_the_start_given_up(
    supervisor: Supervisor, output: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RESTART_MAX_DELAY_S", 0.01)
    spec = python("web", "print('no such module'); raise SystemExit(3)", is_ready=lambda: False)
    with pytest.raises(StartFailed, match="web does not start"):
        await supervisor.start(spec)
    await supervisor.stop()
    assert "web        | no such module" in output.getvalue()
    assert "web KEEPS FAILING (5 times in a row): web ended with code 3" in output.getvalue()


async def test_a_step_that_fails_ends_the_start(supervisor: Supervisor) -> None:
    with pytest.raises(StartFailed, match="failed with code 4"):
        await supervisor.run_once("step", (sys.executable, "-c", "raise SystemExit(4)"), {})


async def test_a_process_that_ignores_the_stop_signal_is_killed(
    supervisor: Supervisor, tmp_path: Path, output: io.StringIO
) -> None:
    deaf = tmp_path / "deaf"
    code = (
        "import pathlib, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(deaf)!r}).touch()\n"
        "while True: signal.pause()\n"
    )
    await supervisor.start(python("deaf", code, is_ready=deaf.exists, stop_timeout_s=0.2))
    await supervisor.stop()
    assert "deaf did not stop in 0.2 s: killed" in output.getvalue()


async def test_a_line_longer_than_the_limit_is_printed_in_parts(
    supervisor: Supervisor, output: io.StringIO
) -> None:
    length = module.MAX_LINE_BYTES * 2 + 5
    await supervisor.run_once("step", (sys.executable, "-c", f"print('x' * {length})"), {})
    assert output.getvalue().count("x") == length


async def test_a_stop_signal_during_the_start_ends_it(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.stop_on_signals()
    try:
        await supervisor.start(forever("first", tmp_path))
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StopRequested):
            await supervisor.start(python("never", "input()", is_ready=lambda: False))
        await supervisor.wait()
        await supervisor.stop()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)
    assert (tmp_path / "first").exists(), "the first process was not told to stop"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of the death")
async def test_children_do_not_outlive_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    spec = forever("child", tmp_path)
    code = (
        "import asyncio\n"
        "from config.processes import ProcessSpec\n"
        "from config.supervisor import Supervisor\n"
        "async def main():\n"
        f"    await Supervisor().start(ProcessSpec('child', {spec.argv!r}))\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    await eventually((tmp_path / "child.pid").exists, "the child's start")
    parent.kill()
    await parent.wait()
    await eventually((tmp_path / "child").exists, "the child's orderly stop")
