"""Both models as one ONNX graph on one thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import onnxruntime as ort

from scoring.detectors import DETECTORS
from window.features import FEATURES
from window.samples import Floats

_OUTPUTS = [*(each.score for each in DETECTORS), "reconstruction"]


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of n samples. NaN in a row: the sample cannot be scored.

    ``reconstruction_error`` (n,): mean squared residual of the standardised features; larger is less normal.
    ``forest_score`` (n,): scikit-learn's `score_samples`, in [-1, 0); lower is less normal.
    ``reconstruction`` (n, 14): the features the autoencoder expected, in their own units.
    """

    reconstruction_error: Floats
    forest_score: Floats
    reconstruction: Floats

    def __len__(self) -> int:
        return len(self.reconstruction_error)

    def take(self, rows: Any) -> Scores:
        """The rows named by an index array, a mask or a slice, in that order."""
        return Scores(self.reconstruction_error[rows], self.forest_score[rows], self.reconstruction[rows])


class Graph:
    """One ONNX Runtime session: float64 features in, scores out.

    A row's scores have the same bits in a batch of any size (on one family of processors). Threads may share it
    safely; two that score at the same time gain no speed.
    """

    def __init__(self, model: bytes) -> None:
        """``model``: the bytes of `model.onnx`. Raises ONNX Runtime's own errors, and ValueError for inputs or outputs
        that are not ours."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        takes = [(i.name, i.type, i.shape[1:]) for i in self._session.get_inputs()]
        gives = [o.name for o in self._session.get_outputs()]
        if takes != [("features", "tensor(double)", [len(FEATURES)])] or gives != _OUTPUTS:
            raise ValueError(f"the graph takes {takes} and gives {gives}")

    def score(self, features: Floats) -> Scores:
        """Score features of shape (n, 14), in their own units. A row with a value that is not finite, or beyond
        float32, gets NaN for both scores."""
        if len(features) == 0:
            return Scores(np.empty(0), np.empty(0), np.empty((0, len(FEATURES))))
        found = self._session.run(_OUTPUTS, {"features": np.ascontiguousarray(features, np.float64)})
        return Scores(*cast("list[Floats]", found))
