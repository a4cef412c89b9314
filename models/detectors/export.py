"""Scaler, autoencoder and forest as one ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.detectors.forest import LEAF, Forest
from models.detectors.network import SLOPE, Layer
from scoring.bundle import Scaler
from window.features import FEATURES
from window.samples import Floats

OPSET, ML_OPSET, IR = 18, 3, 10
# Path lengths are stored in two parts on binary grids of these steps. The sum over at most 256 trees then fits into
# float32's 24 bits in either part, so it is exact in any order: equal bits at any batch size.
_COARSE, _FINE = 2.0**-10, 2.0**-27
MAX_TREES, MAX_PATH = 256, 60.0


def to_onnx(
    scaler: Scaler,
    layers: Sequence[Layer],
    forest: Forest,
    *,
    error_weights: Sequence[float] | None = None,
    forest_input: str = "raw",
) -> bytes:
    """The graph that `scoring.graph.Graph` runs: float64 features in; error, forest score and reconstruction out.

    ``error_weights``: the weight of each feature's squared residual in the error; None for 1/14 each. ``forest_input``:
    whether the trees split ``"raw"`` or ``"scaled"`` features. Old models may split scaled ones.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: Any, dtype: type = np.float64) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    width = len(FEATURES)
    mean, scale = constant("mean", scaler.mean), constant("scale", scaler.scale)
    scaled = add("Div", [add("Sub", ["features", mean], "centred"), scale], "scaled")

    # In float64: ONNX Runtime's float32 product has another kernel for a single row, with other last bits.
    x = scaled
    for k, layer in enumerate(layers):
        weights, bias = constant(f"weights_{k}", layer.weights), constant(f"bias_{k}", layer.bias)
        x = add("Gemm", [x, weights, bias], f"dense_{k}")
        if k < len(layers) - 1:
            slope = constant(f"slope_{k}", SLOPE)
            x = add("Max", [x, add("Mul", [x, slope], f"leak_{k}")], f"hidden_{k}")

    # Round to float32 as scikit-learn does. Where that is infinite or NaN there is no score: x - x is NaN for exactly
    # those, and spreads over the row.
    split = "scaled" if forest_input == "scaled" else "features"
    rounded = add("Cast", [split], "rounded", to=TensorProto.FLOAT)
    zero_or_nan = add("Cast", [add("Sub", [rounded, rounded], "nothing")], "nothing64", to=TensorProto.DOUBLE)
    broken = add("MatMul", [zero_or_nan, constant("ones", np.ones((width, 1)))], "broken")

    # A product with ones/14 or the weights, not ReduceMean, whose last bits depend on the batch size.
    residual = add("Sub", [scaled, x], "residual")
    squared = add("Mul", [residual, residual], "squared")
    error = add("MatMul", [squared, constant("mean_of", weights_of(error_weights)[:, None])], "mean_squared")
    flat = constant("flat", [-1], np.int64)
    add("Reshape", [add("Add", [error, broken], "error_column"), flat], "reconstruction_error")
    add("Add", [add("Mul", [x, scale], "rescaled"), mean], "reconstruction")

    nodes.append(_trees(helper, forest))
    parts = add("Cast", ["paths"], "paths64", to=TensorProto.DOUBLE)
    # The exponent is minus the total path length divided by the normaliser. One product sums coarse and fine part.
    weights = constant("per_path", np.full((2, 1), -1.0 / forest.normaliser))
    exponent = add("MatMul", [parts, weights], "exponent")
    power = add("Pow", [constant("two", 2.0), exponent], "power")
    column = add("Add", [add("Neg", [power], "negated"), broken], "forest_column")
    add("Reshape", [column, flat], "forest_score")

    def value(name: str, *shape: str | int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)

    graph = helper.make_graph(
        nodes,
        "battery-watch",
        [value("features", "n", width)],
        [value("reconstruction_error", "n"), value("forest_score", "n"), value("reconstruction", "n", width)],
        constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="battery-watch")
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def weights_of(error_weights: Sequence[float] | None) -> Floats:
    """Error weights (14,) as the graph holds them."""
    width = len(FEATURES)
    return np.full(width, 1.0 / width) if error_weights is None else np.asarray(error_weights, np.float64)


def floored(threshold: Floats) -> Floats:
    """The largest float32 not above each threshold: for a float32 ``x``, the same ``x <= threshold``.

    Rounding to nearest would send a value between the two to the wrong leaf.
    """
    nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest).astype(np.float32)


def _trees(helper: Any, forest: Forest) -> Any:
    """One TreeEnsembleRegressor with two targets: the coarse and the fine part of each leaf's path length."""
    if forest.trees > MAX_TREES:
        raise ValueError(f"the forest has {forest.trees} trees; the graph is exact up to {MAX_TREES}")
    tree = np.repeat(np.arange(forest.trees), np.diff(forest.starts))
    node = np.arange(len(tree)) - forest.starts[tree]
    leaf = forest.left == LEAF
    path = forest.path_lengths()[leaf]
    if path.max() > MAX_PATH:
        raise ValueError(f"a path of the forest is {path.max():.0f} long; the graph is exact up to {MAX_PATH:.0f}")
    coarse = np.round(path / _COARSE) * _COARSE
    fine = np.round((path - coarse) / _FINE) * _FINE
    leaves = [int(v) for v in np.repeat(node[leaf], 2)]
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["rounded"],
        ["paths"],
        name="forest",
        domain="ai.onnx.ml",
        n_targets=2,
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=[int(v) for v in tree],
        nodes_nodeids=[int(v) for v in node],
        nodes_featureids=[int(v) for v in np.where(leaf, 0, forest.feature)],
        nodes_modes=["LEAF" if end else "BRANCH_LEQ" for end in leaf],
        nodes_values=[float(v) for v in np.where(leaf, 0.0, floored(forest.threshold))],
        nodes_truenodeids=[int(v) for v in np.where(leaf, 0, forest.left)],
        nodes_falsenodeids=[int(v) for v in np.where(leaf, 0, forest.right)],
        nodes_missing_value_tracks_true=[0] * len(tree),
        target_treeids=[int(v) for v in np.repeat(tree[leaf], 2)],
        target_nodeids=leaves,
        target_ids=[0, 1] * int(leaf.sum()),
        target_weights=[float(v) for v in np.column_stack([coarse, fine]).ravel()],
    )
