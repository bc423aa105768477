import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.errors import NumbaError

from market.feeds.books import compiling, kernels

ROOT = Path(__file__).parents[4]
WARM_UP = """
from market.feeds.books.fast import warm_up
warm_up(lambda warmth: warmth.loaded is None or print(warmth.kernel, warmth.loaded))
"""


def double(value: int) -> int:
    return 2 * value


def test_kernels_release_the_global_lock() -> None:
    for kernel in (kernels.apply_records, kernels.read_orders):
        assert kernel.targetoptions["nogil"]  # type: ignore[attr-defined]


def test_a_kernel_works_where_no_folder_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(function: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(compiling, "_Cache", refuse)
    compiled = compiling.kernel(double)
    assert compiled(21) == 42
    assert not compiling.was_loaded(compiled)


def test_machine_code_is_not_used_when_a_part_of_it_has_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))

    def loaded() -> bool:
        compiled = compiling.kernel(double)
        assert compiled(21) == 42
        return compiling.was_loaded(compiled)

    assert [loaded(), loaded()] == [False, True]
    monkeypatch.setattr(compiling, "sources_digest", lambda: "of other sources")
    assert [loaded(), loaded()] == [False, True]


def test_kernels_allocate_nothing() -> None:
    """Compiled without counted references; what allocates does not compile."""

    def wasteful(length: int) -> int:
        return len([0] * length)

    with pytest.raises(NumbaError):
        compiling.kernel(wasteful)(3)


@pytest.mark.slow
def test_the_second_process_finds_what_the_first_compiled(tmp_path: Path) -> None:
    def told() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", WARM_UP],
            cwd=ROOT,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )
        return done.stdout.splitlines()

    names = ["apply_records", "rebuild", "read_levels", "read_orders", "write_tops"]
    assert told() == [f"{name} False" for name in names]
    assert told() == [f"{name} True" for name in names]
