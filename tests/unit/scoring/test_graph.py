"""The graph of the default bundle: equal bits in any batch, and no score for a broken row."""

import numpy as np
import pytest
from repository import SHIPPED_BUNDLE

from scoring.bundle import Bundle, load
from scoring.graph import Graph, Scores
from window.features import features, tails


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The default bundle."""
    return load(SHIPPED_BUNDLE)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """1,200 rows: a noisy charge with steps in it, then anything at all."""
    rng = np.random.default_rng(5)
    current_a = 2.5 + rng.normal(0, 0.05, 600) + np.where(np.arange(600) % 90 < 10, 2.0, 0.0)
    temperature_c = 24.0 + rng.normal(0, 0.05, 600) + np.arange(600) * 0.01
    real = features(tails(np.arange(600.0), current_a, temperature_c))
    wild = rng.normal(size=(600, 14)) * 10.0 ** rng.uniform(-3, 5, (600, 1))
    return np.concatenate([real, wild])


def bits(scores: Scores) -> tuple[bytes, bytes, bytes]:
    return (
        scores.reconstruction_error.tobytes(),
        scores.forest_score.tobytes(),
        scores.reconstruction.tobytes(),
    )


@pytest.mark.parametrize("offset", [0, 1, 7, 31, 640])
def test_a_row_has_the_same_bits_in_a_batch_of_1_to_100_at_any_offset_and_of_1000(
    bundle: Bundle, rows: np.ndarray, offset: int
) -> None:
    """Whether a sample comes alone or with a thousand others must not show."""
    one_by_one = [bundle.graph.score(rows[k : k + 1]) for k in range(offset, offset + 100)]
    alone = Scores(
        np.concatenate([s.reconstruction_error for s in one_by_one]),
        np.concatenate([s.forest_score for s in one_by_one]),
        np.concatenate([s.reconstruction for s in one_by_one]),
    )
    for size in range(1, 101):
        assert bits(bundle.graph.score(rows[offset : offset + size])) == bits(alone.take(slice(0, size)))
    large = bundle.graph.score(rows[:1000])
    begin = min(offset, 900)
    assert bits(large.take(slice(begin, begin + 100))) == bits(
        bundle.graph.score(rows[begin : begin + 50000]).take(slice(0, 100))
    )


def test_a_strided_view_scores_as_its_copy(bundle: Bundle, rows: np.ndarray) -> None:
    """A caller's memory layout does not matter."""
    view = np.asfortranarray(rows)[::3]
    assert bits(bundle.graph.score(view)) == bits(bundle.graph.score(rows[::3].copy()))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 3.5e38, -1e300])
def test_a_broken_feature_gives_no_score(bundle: Bundle, rows: np.ndarray, broken: float) -> None:
    """In whichever column, and its neighbours in the batch keep theirs."""
    for column in range(14):
        batch = rows[:3].copy()
        batch[1, column] = broken
        scores = bundle.graph.score(batch)
        assert np.isnan(scores.reconstruction_error).tolist() == [False, True, False]
        assert np.isnan(scores.forest_score).tolist() == [False, True, False]
        kept = bundle.graph.score(rows[:3])
        assert bits(scores.take([0, 2])) == bits(kept.take([0, 2]))


def test_a_huge_finite_feature_is_scored_and_strange(bundle: Bundle, rows: np.ndarray) -> None:
    """A logger's 3.4e38 A is a finite float32: it must not come out as normal."""
    batch = rows[:1].copy()
    batch[0, 0] = 3.4e38
    scores = bundle.graph.score(batch)
    assert scores.reconstruction_error[0] > 1e30


def test_no_rows(bundle: Bundle) -> None:
    """Nothing in, nothing out."""
    scores = bundle.graph.score(np.empty((0, 14)))
    assert len(scores) == 0
    assert scores.reconstruction.shape == (0, 14)


def test_another_graph_is_refused() -> None:
    """A valid graph with other inputs is not ours."""
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "other", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    with pytest.raises(ValueError, match="the graph takes"):
        Graph(model.SerializeToString())
