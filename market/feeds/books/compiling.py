"""How kernels are compiled: once for a machine, kept in a file, without Python's global lock.

numba keeps the machine code in ``__pycache__`` beside the source; where that folder cannot be
written, in the user's cache folder; with ``NUMBA_CACHE_DIR`` in that folder. Where none of these
can be written every process compiles for itself.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core.caching import FunctionCache

Function = TypeVar("Function", bound=Callable[..., Any])


SOURCES = (
    "books/compiling.py",
    "books/contract.py",
    "books/hashing.py",
    "books/kernels.py",
    "books/ladder.py",
    "books/layout.py",
    "books/lookahead.py",
    "books/queues.py",
    "books/tops.py",
    "dbn/records.py",
)
"""Whatever may be compiled into a kernel."""


@cache
def sources_digest() -> str:
    feeds = Path(__file__).parents[1]
    digest = blake2b(digest_size=16)
    for name in SOURCES:
        digest.update((feeds / name).read_bytes())
    return digest.hexdigest()


_njit: Any = partial(njit, nogil=True, _nrt=False)
"""Without the runtime that counts references to arrays: nothing is allocated, and counting at every
call of a part would take ten times as long as all the rest."""


class _Cache(FunctionCache):
    """numba would notice a change of the kernel's own file only, not of the parts of it."""

    def _index_key(self, *args: Any) -> tuple[Any, ...]:
        return (*super()._index_key(*args), sources_digest())  # type: ignore[no-untyped-call]


def kernel(function: Function) -> Function:
    """A function that is called from Python, with its parts compiled into it."""
    compiled: Any = _njit()(function)
    with suppress(RuntimeError):  # numba found no folder that it may write to
        compiled._cache = _Cache(function)  # type: ignore[no-untyped-call]
    result: Function = compiled
    return result


def part(function: Function) -> Function:
    """A function that kernels call; it is compiled into each of them, wherever it is called."""
    compiled: Function = _njit(forceinline=True)(function)
    return compiled


def rare(function: Function) -> Function:
    """A function that kernels call not so often that its call would matter."""
    compiled: Function = _njit()(function)
    return compiled


def was_loaded(compiled: Any) -> bool:
    """Whether the machine code of a kernel that is ready was found, not made."""
    return bool(compiled.stats.cache_hits)
