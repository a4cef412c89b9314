"""Which rows of sessions become lessons."""

from __future__ import annotations

import numpy as np

from models.data.sessions import features_of, training_rows
from window.features import FeatureRules
from window.samples import Samples

RULES = FeatureRules()
SESSIONS = [Samples.of(np.arange(n, dtype=float), 3.0 + np.arange(n) / 1e3, np.full(n, 25.0)) for n in (40, 300)]


def test_rows_are_drawn_from_each_session_but_its_first_and_half_are_corrupted_as_well() -> None:
    """At most so many of each; a corrupted row is to be given back as it was."""
    found = training_rows(SESSIONS, RULES, 1, most=100)
    assert len(found.inputs) == len(found.targets) == 35 + 17 + 100 + 50
    equal = (found.inputs == found.targets).all(axis=1)
    for rows, all_equal in ((slice(0, 35), True), (slice(35, 52), False), (slice(52, 152), True)):
        assert equal[rows].all() == all_equal
    first = {row.tobytes() for rows in features_of(SESSIONS, RULES) for row in rows[:5]}
    every = {row.tobytes() for rows in features_of(SESSIONS, RULES) for row in rows}
    targets = {row.tobytes() for row in found.targets}
    assert targets <= every
    assert not targets & first


def test_nothing_is_corrupted_of_what_weights_are_kept_by() -> None:
    """The same rows, shown as they are wanted."""
    found = training_rows(SESSIONS, RULES, 1, most=100, corrupted=False)
    assert len(found.targets) == 135
    assert np.array_equal(found.inputs, found.targets)
