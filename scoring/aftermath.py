"""A fault that is over: the return to the level before it is no new anomaly.

Scores and changes look at the samples before a sample too, so they alarm for a while after a fault has ended: at the
return, and as long as samples of the fault are among those they look at. A sample at which every reading is back where
those before the fault lead to, or at which a heating has ended, is no anomaly for that reason any more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import ceil, sqrt

from scoring.config import BundleConfig
from scoring.course import FASTEST_C_S, Course, ReadingName
from scoring.detectors import Stage
from window.features import ROLLING

_LEAST_SCATTER_C = 0.02
_ALL = 10.0
"""A heating has ended where all but this part of it had come."""
_WARMED_C_S = 6.0 * FASTEST_C_S
"""A current of three times the capacity an hour warms a cell of 5 Ah by less than this."""
_SURE = 5.0
"""The steps that show the end of a heating are so many that it would stand out from their noise so many times."""


def goes_on(course: Course) -> bool:
    """Is the newest reading part of a fault? A cell that was heated stays warm: there the fault is that it warms."""
    if course.reading == "current":
        return course.is_off or course.swing is not None
    return course.is_off and (course.jumped or not _ended(course))


def is_own(course: Course, changed: Collection[ReadingName]) -> bool:
    """Is the temperature off for itself, and not because a current that is off warms its cell a little?"""
    far = abs(course.departed) > 2.0 * course.reach  # nearer than that the rate is that of the noise
    return course.reading in changed or (far and abs(course.rate()) > _WARMED_C_S)


def remaining(
    stages: Stage, of: Mapping[ReadingName, Course], changed: Collection[ReadingName], config: BundleConfig
) -> Stage:
    """The stages of a sample without those that alarm for samples before it alone.

    ``changed``: the readings that a rule of policy `evidence` found changed. Where both readings were off, only a
    temperature that is off for itself goes on, and not what a current that is over has warmed.
    """
    courses = [course for course in of.values() if course.excursions]
    going = [course for course in courses if goes_on(course)]
    if len(courses) > 1:
        current, warm = of["current"], of["temperature"]
        own = is_own(warm, changed) and not _left_warm(current, warm)
        going = [course for course in going if own or course is current]
    if not courses or going or config.evidence is None:
        return stages
    since = min(_since(course) for course in courses)
    if since < ROLLING:
        stages &= ~Stage.FOREST
    if since < ROLLING - 1 + config.evidence.out_of:
        stages &= ~Stage.RECONSTRUCTION
    return stages & ~Stage.CHANGE


def _left_warm(current: Course, warm: Course) -> bool:
    """Is the temperature off by no more than a current that was higher can have warmed the cell, and no more since the
    current is back?"""
    if current.is_off or warm.onset < current.excursions[0][0] or abs(current.extreme) <= abs(current.before):
        return False
    off_s = sum(current.ts[end] - current.ts[first] for first, end in current.excursions)
    since = abs(warm.now - warm.values[current.excursions[-1][1]])
    return abs(warm.departed) <= _WARMED_C_S * off_s and since <= warm.reach


def beyond(course: Course, config: BundleConfig) -> bool:
    """Does the newest reading lie beyond a severity limit? Then nothing is over."""
    limit = config.severity.medium
    return abs(course.now) >= limit.current_a if course.reading == "current" else course.now >= limit.temperature_c


def _since(course: Course) -> int:
    """How many samples ago the last one was that was part of the fault: out of place, or still warming."""
    last = len(course.values) - 1
    if not course.is_off:
        return last - course.excursions[-1][1] + 1
    most = abs(course.now - course.before) / _ALL
    return last - next(k for k in range(course.onset, last + 1) if abs(course.now - course.values[k]) <= most)


def _ended(course: Course) -> bool:
    """Has the temperature stopped to go away from where it was? Its newest steps are no more than normal, and at most
    half as fast as those before."""
    ts, values = course.ts, course.values
    first, last = max(course.onset - 1, 0), len(values) - 1
    rise = course.now - values[first]
    if rise == 0.0:
        return True
    way = 1.0 if rise > 0.0 else -1.0
    scatter = max(course.scatter, _LEAST_SCATTER_C) * sqrt(2.0)
    least = ceil(_SURE * scatter * (last - first) / abs(rise))
    for at in range(min(max(last - least, course.onset), last - 1), first, -1):
        elapsed_s = ts[last] - ts[at]
        before = way * (values[at] - values[first]) / (ts[at] - ts[first])
        recent = way * (values[last] - values[at]) / elapsed_s
        if recent <= before / 2 and recent <= 2.0 * FASTEST_C_S + scatter / elapsed_s:
            return True
    return False
