"""numba's ``njit``, with a cache that several processes may fill at the same time.

numba numbers the files of machine code that it keeps of a function, one for each signature, and lists them in an index.
Processes that compile at once take the same number for different signatures: from then on the index calls one by the
name of the other, which raises, crashes or computes something else in every later run. Here each file has a name that
no other process gives. What a process writes into the index may still be overwritten by another: then a signature is
compiled once more.

numba also keeps machine code as long as the function's own file stays as it is. Here it is made anew, too, when a file
changes from which the function's module takes kernels.
"""

import functools
import hashlib
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

F = TypeVar("F", bound=Callable[..., Any])


def njit(*, cache: bool = False, **options: Any) -> Callable[[F], F]:
    """``numba.njit(**options)``; with ``cache`` the machine code is kept."""

    def compiled(function: F) -> F:
        kernel: Any = numba.njit(**options)(function)
        if cache:
            kernel._cache = _Cache(function)
        return kernel  # type: ignore[no-any-return]

    return compiled


class _Cache(FunctionCache):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        stamp = self._impl.locator.get_source_stamp(), _digest(_files(function))
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, stamp)  # type: ignore[no-untyped-call]


class _Files(IndexDataCacheFile):
    """The index and the machine code it names."""

    def _data_name(self, number: int) -> str:
        return f"{Path(self._index_name).stem}.{uuid.uuid4().hex[:16]}.nbc"

    def _load_index(self) -> dict[Any, str]:
        """Empty where it is spoilt, as after a full disk or a power cut."""
        try:
            return super()._load_index()  # type: ignore[no-any-return, no-untyped-call]
        except Exception:  # whatever unpickling raises
            return {}

    def _load_data(self, name: str) -> Any:
        try:
            return super()._load_data(name)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise OSError(f"{name} cannot be read") from error  # which numba takes for: not there

    def _save_index(self, overloads: dict[Any, str]) -> None:
        """And removes what no index names any more. A process that is looking for it compiles it once more."""
        super()._save_index(overloads)  # type: ignore[no-untyped-call]
        kept = set(overloads.values())
        for name in os.listdir(self._cache_path):
            if name.startswith(f"{Path(self._index_name).stem}.") and name.endswith(".nbc") and name not in kept:
                with suppress(OSError):  # another process was faster, or has it open
                    os.unlink(os.path.join(self._cache_path, name))


def _files(function: Callable[..., Any], found: frozenset[str] = frozenset()) -> frozenset[str]:
    """The file of a function and those that its module takes kernels from, and so on."""
    file = function.__code__.co_filename
    if file in found:
        return found
    found |= {file}
    for value in list(function.__globals__.values()):
        kernel: Any = getattr(value, "py_func", None) or getattr(value, "_defn", None)  # compiled, or an intrinsic
        if hasattr(kernel, "__code__"):
            found = _files(kernel, found)
    return found


def _digest(files: frozenset[str]) -> str:
    return hashlib.sha256(b"".join(_content(file) for file in sorted(files))).hexdigest()


@functools.cache
def _content(file: str) -> bytes:
    """Its digest, of fixed length."""
    return hashlib.sha256(Path(file).read_bytes()).digest()
