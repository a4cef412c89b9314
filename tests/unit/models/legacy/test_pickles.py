"""Only what a scaler or a forest consists of is unpickled."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree._tree import Tree

from models.legacy import estimators, pickles
from models.legacy.errors import LegacyError
from models.legacy.files import File
from window.features import FEATURES

RNG = np.random.default_rng(1)
ROWS = RNG.normal(size=(300, 14)) * 3 + 7
NAMES = list(FEATURES)


class Harm:
    """Does harm when unpickled: leaves a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


@pytest.fixture(scope="module")
def forest() -> Any:
    return IsolationForest(n_estimators=8, random_state=np.random.RandomState(3)).fit(ROWS)


def dumped(value: Any, **options: Any) -> bytes:
    target = io.BytesIO()
    joblib.dump(value, target, **options)
    return target.getvalue()


def undone(content: bytes, expected: str) -> tuple[Any, str]:
    return pickles.unpickle(File("file.pkl", content), expected)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_every_protocol(forest: Any, protocol: int) -> None:
    """The estimators come back as they were, with the version that wrote them."""
    scaler = StandardScaler().fit(ROWS)
    again, version = undone(pickle.dumps(scaler, protocol), "StandardScaler")
    assert version == sklearn.__version__
    assert np.array_equal(again.transform(ROWS), scaler.transform(ROWS))
    again, version = undone(pickle.dumps(forest, protocol), "IsolationForest")
    assert version == sklearn.__version__
    assert np.array_equal(again.score_samples(ROWS), forest.score_samples(ROWS))


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)], ids=str)
def test_files_of_joblib(forest: Any, compress: Any) -> None:
    """With names of columns, which joblib stores as an array of objects."""
    import pandas as pd

    scaler = StandardScaler().fit(pd.DataFrame(ROWS, columns=NAMES))
    again, version = undone(dumped(scaler, compress=compress), "StandardScaler")
    assert (version, list(again.feature_names_in_)) == (sklearn.__version__, NAMES)
    assert np.array_equal(again.scale_, scaler.scale_)
    again, _ = undone(dumped(forest, compress=compress), "IsolationForest")
    assert np.array_equal(again.score_samples(ROWS), forest.score_samples(ROWS))


@pytest.mark.parametrize("write", [pickle.dumps, dumped])
def test_harm_is_not_done(tmp_path: Path, write: Any) -> None:
    """In the place of the estimator, in its attributes, and in an array of objects, which joblib itself would unpickle
    without a guard."""
    for k, wrap in enumerate((lambda harm: harm, lambda harm: [harm], lambda harm: np.array([harm], object))):
        target = tmp_path / str(k)
        scaler = StandardScaler().fit(ROWS)
        scaler.note = wrap(Harm(target))
        for value in (scaler, wrap(Harm(target))):
            with pytest.raises(LegacyError, match=r"asks for (posix|nt)\.mkdir, which no StandardScaler needs"):
                undone(write(value), "StandardScaler")
        assert not target.exists()
        pickle.loads(pickle.dumps(Harm(target)))
        assert target.exists(), "the harm would have worked"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (MinMaxScaler().fit(ROWS), "holds a sklearn.preprocessing._data.MinMaxScaler; a fitted StandardScaler"),
        (make_pipeline(StandardScaler()), "holds a sklearn.pipeline.Pipeline"),
        ({"scaler": StandardScaler()}, "holds a dict"),
        (np.zeros(14), "holds a ndarray"),
        (IsolationForest(), "holds a IsolationForest"),
    ],
)
def test_other_objects_are_named(value: Any, said: str) -> None:
    """What it is, and what was expected."""
    with pytest.raises(LegacyError, match=said):
        undone(pickle.dumps(value), "StandardScaler")


@pytest.mark.parametrize("write", [pickle.dumps, dumped, lambda value: dumped(value, compress=3)])
def test_damaged_files(write: Any) -> None:
    """Cut off anywhere, the version that wrote it is still told where it can be read."""
    content = write(StandardScaler().fit(ROWS))
    for end in (5, len(content) // 2, len(content) - 1):
        with pytest.raises(LegacyError, match=r"cannot be unpickled|is damaged|is cut off"):
            undone(content[:end], "StandardScaler")
    with pytest.raises(LegacyError, match=rf"scikit-learn {sklearn.__version__}; this is"):
        undone(pickle.dumps(StandardScaler().fit(ROWS))[:-1], "StandardScaler")


def test_what_unpacks_to_too_much_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes can hold gigabytes."""
    monkeypatch.setattr(pickles, "MOST_UNPACKED", 10_000)
    with pytest.raises(LegacyError, match="more than 10,000 bytes when unpacked"):
        undone(dumped(b"0" * 1_000_000, compress=9), "StandardScaler")


def test_a_forest_of_an_older_scikit_learn(forest: Any) -> None:
    """Before 1.3, nodes had no column for missing values, and the forest kept no tables beside its trees."""

    def older(tree: Tree) -> Any:
        state = tree.__getstate__()
        nodes = state["nodes"]
        kept = [name for name in nodes.dtype.names if name != "missing_go_to_left"]
        as_then = np.empty(nodes.shape, [(name, nodes.dtype[name]) for name in kept])
        for name in kept:
            as_then[name] = nodes[name]
        return Tree, tree.__reduce__()[1], {**state, "nodes": as_then}

    old = pickle.loads(pickle.dumps(forest))
    del old._decision_path_lengths, old._average_path_length_per_tree
    target = io.BytesIO()
    pickler = pickle.Pickler(target)
    pickler.dispatch_table = copyreg.dispatch_table.copy()
    pickler.dispatch_table[Tree] = older
    pickler.dump(old)
    content = target.getvalue().replace(sklearn.__version__.encode(), b"1.2.2")
    with pytest.raises(ValueError, match="dtype"):
        pickle.loads(target.getvalue())
    again, version = undone(content, "IsolationForest")
    assert version == "1.2.2"
    estimators.forest_of(again, NAMES)
    assert np.array_equal(again.score_samples(ROWS), forest.score_samples(ROWS))
