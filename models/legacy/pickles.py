"""Unpickling with a list of what may be loaded.

For files of `pickle.dump` and `joblib.dump`, compressed or not. Lets through only the classes that a fitted scaler or
forest consists of, by name. Reads joblib's arrays itself, because joblib unpickles some of them without a guard. That
makes an attack harder, not impossible: you still have to trust whoever wrote the file.
"""

from __future__ import annotations

import bz2
import importlib
import io
import lzma
import math
import pickle
import re
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from models.legacy.errors import LegacyError
from models.legacy.files import File

MOST_UNPACKED = 1 << 30
RISK = """\
scaler.pkl and isolation_forest.pkl are pickles, and a pickle is a program: whoever made or changed the file decides
what runs on this machine, with your rights, the moment it is opened. No check beforehand can rule that out. Convert
only files that your own service wrote and nobody else could change; best in a container without network and
credentials. The bundle that comes out holds no pickle.

If you trust these files, say so with --trust-pickle."""

_ESTIMATORS = {
    ("sklearn.preprocessing._data", "StandardScaler"),
    ("sklearn.ensemble._iforest", "IsolationForest"),
    ("sklearn.tree._classes", "ExtraTreeRegressor"),
}
_TREE = ("sklearn.tree._tree", "Tree")
_JOBLIB = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_PLAIN = {
    ("builtins", "object"),
    ("__builtin__", "object"),
    ("copyreg", "_reconstructor"),
    ("copy_reg", "_reconstructor"),
    ("_codecs", "encode"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy", "float64"),
    ("numpy", "int64"),
    ("numpy.random._pickle", "__randomstate_ctor"),
    ("numpy.random._pickle", "__bit_generator_ctor"),
    ("numpy.random._mt19937", "MT19937"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
}
# The key, perhaps memoised, then a string: its kind, its length, its text.
_VERSION = re.compile(rb"_sklearn_version(?:q.|r.{4}|\x94)?(?:X(.)\0\0\0|\x8c(.))(.{3,32})", re.DOTALL)
# The unpickler in pure Python: joblib's arrays lie between the instructions, and the one in C has read past them.
_Unpickler: Any = pickle._Unpickler


def unpickle(file: File, expected: str) -> tuple[Any, str]:
    """The object in ``file`` and the version of scikit-learn that wrote it ("unknown" if it does not say).

    Raises `LegacyError` when the file would load anything but an ``expected`` estimator.
    """
    content = _unpacked(file)
    found = _VERSION.search(content)
    written_by = found[3][: ord(found[1] or found[2])].decode(errors="replace") if found else "unknown"
    try:
        with warnings.catch_warnings():
            # About another version of scikit-learn. The caller reports it in our own words.
            warnings.simplefilter("ignore")
            loaded = _Guarded(io.BytesIO(content), file.name, expected).load()
    except LegacyError:
        raise
    except Exception as error:  # a broken pickle can raise anything
        import sklearn

        raise LegacyError(
            f"{file.name} cannot be unpickled: {type(error).__name__}: {str(error)[:300]}. It was written by "
            f"scikit-learn {written_by}; this is {sklearn.__version__}. If the file is whole, convert it in an "
            "environment with that version of scikit-learn."
        ) from error
    if type(loaded).__name__ != expected:
        raise LegacyError(f"{file.name} holds a {type(loaded).__name__}; a fitted {expected} is expected.")
    return loaded, written_by


class _Guarded(_Unpickler):  # type: ignore[misc]
    dispatch = _Unpickler.dispatch.copy()

    def __init__(self, handle: io.BytesIO, name: str, expected: str) -> None:
        super().__init__(handle)
        self._handle, self._name, self._expected = handle, name, expected

    def find_class(self, module: str, name: str) -> Any:
        """The class or function that a pickle asks for, if a scaler or forest needs it."""
        asked = (module, name)
        if asked == _JOBLIB:
            return _Array
        if asked == _TREE:
            return _tree()
        if asked in _PLAIN or asked in _ESTIMATORS:
            modern = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
            return getattr(importlib.import_module(modern.replace("numpy.core.", "numpy._core.")), name)
        if module.startswith("sklearn."):
            raise LegacyError(f"{self._name} holds a {module}.{name}; a fitted {self._expected} is expected.")
        raise LegacyError(
            f"{self._name} asks for {module}.{name}, which no {self._expected} needs: it was made by other means, "
            "perhaps to do harm. It was not loaded."
        )

    def load_build(self) -> None:
        """As pickle does it. For an array of joblib's, also read the bytes behind the instruction."""
        _Unpickler.load_build(self)
        if isinstance(self.stack[-1], _Array):
            self.stack.append(self._array(self.stack.pop()))

    dispatch[pickle.BUILD[0]] = load_build

    def _array(self, wanted: _Array) -> Any:
        if wanted.dtype.hasobject:
            return _Guarded(self._handle, self._name, self._expected).load()
        if wanted.numpy_array_alignment_bytes is not None:
            self._handle.read(self._handle.read(1)[0])
        size = math.prod(wanted.shape) * wanted.dtype.itemsize
        content = self._handle.read(size)
        if len(content) != size:
            raise EOFError("the file ends within an array")
        return np.frombuffer(content, wanted.dtype).reshape(wanted.shape, order=wanted.order).copy(order="K")


class _Array:
    """The description joblib writes before the bytes of an array."""

    shape: tuple[int, ...]
    order: Any
    dtype: np.dtype[Any]
    numpy_array_alignment_bytes: int | None = None


def _tree() -> Callable[..., Any]:
    """scikit-learn's tree that also accepts nodes from versions before 1.3, which lack the column for missing values. A
    forest that saw no missing value does not use it."""
    from sklearn.tree._tree import NODE_DTYPE, Tree

    class UpgradedTree(Tree):  # type: ignore[misc]
        def __setstate__(self, state: dict[str, Any]) -> None:
            nodes = state["nodes"]
            if set(NODE_DTYPE.names) - set(nodes.dtype.names or ()) == {"missing_go_to_left"}:
                upgraded = np.zeros(nodes.shape, NODE_DTYPE)
                for name in nodes.dtype.names:
                    upgraded[name] = nodes[name]
                state = {**state, "nodes": upgraded}
            super().__setstate__(state)

    return UpgradedTree


def _unpacked(file: File) -> bytes:
    """The pickle itself, without joblib's compression."""
    content = file.content
    try:
        if content[:1] == b"\x78" or content[:2] == b"\x1f\x8b":
            inflate = zlib.decompressobj(47)
            unpacked, ended = inflate.decompress(content, MOST_UNPACKED), inflate.eof
        elif content[:3] == b"BZh":
            bunzip = bz2.BZ2Decompressor()
            unpacked, ended = bunzip.decompress(content, MOST_UNPACKED), bunzip.eof
        elif content[:1] in (b"\xfd", b"\x5d"):
            unxz = lzma.LZMADecompressor()
            unpacked, ended = unxz.decompress(content, MOST_UNPACKED), unxz.eof
        else:
            return content
    except (zlib.error, OSError, lzma.LZMAError) as error:
        raise LegacyError(f"{file.name} is damaged: it cannot be unpacked ({error}). Copy it again.") from error
    if not ended:
        raise LegacyError(f"{file.name} is cut off, or more than {MOST_UNPACKED:,} bytes when unpacked.")
    return unpacked
