"""What is wrong, in a sentence that a technician would write: from the readings, never from the features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from scoring.config import BundleConfig
from scoring.course import FASTEST_C_S, LEAST, Course, ReadingName
from scoring.faults import FaultKind, Forecast
from scoring.rules import Rule

UNITS: dict[ReadingName, str] = {"current": "A", "temperature": "°C"}
_PER_MINUTE_BELOW = 0.1
"""A slower rate than this is told per minute: nobody can picture 0.02 °C a second."""
_FEW = 3
"""With fewer samples than this, what a temperature has done says more than its rate."""
_EXACT_S = 20.0
"""A forecast of more than this is told in steps of five seconds: it is no better."""
_RATHER, _OFTEN = 1.5, 2.0
"""A rate is called faster than normal from the first on, and a multiple of it from the second on."""


@dataclass(frozen=True, slots=True)
class View:
    """What is known of an anomalous sample. ``courses``: none where its session is too young. ``readings``: its own,
    amperes and degrees Celsius. ``rules``: those it met. ``forecast``: where it leads, if it leads to a limit."""

    courses: Mapping[ReadingName, Course]
    readings: Mapping[ReadingName, float]
    rules: tuple[Rule, ...]
    forecast: Forecast | None
    config: BundleConfig


def sentence(kind: FaultKind, view: View) -> str:
    """One sentence about a fault of this kind."""
    return f"{_SAYS[kind](view)}."


def normal(view: View) -> str:
    """The sentence about a sample that is no anomaly."""
    current, temperature = (value(name, view.readings[name]) for name in UNITS)
    return f"Current {current} and temperature {temperature} are as in normal charging."


def value(reading: ReadingName, number: float) -> str:
    """A reading with its unit."""
    return f"{_number(reading, number)} {UNITS[reading]}"


def duration(seconds: float) -> str:
    """A time that is rather short, in words.

    >>> duration(1.0), duration(94.0), duration(130.0), duration(7000.0)
    ('1 s', '94 s', '2 minutes', '2 hours')
    """
    if seconds < 99.5:
        return f"{max(1.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.0f} hours"


def band(course: Course) -> tuple[float, float]:
    """The range in which a normal reading would lie now."""
    return course.expected - course.reach, course.expected + course.reach


def _moved(reading: ReadingName, view: View, up: str, down: str) -> str:
    """A reading that went off in one step: from where to where, and when; or since when it has been there."""
    course = view.courses[reading]
    if not course.is_off:
        return _back(course)
    rises = abs(course.now) > abs(course.expected) if reading == "current" else course.departed > 0
    when = _clock(course.ts[course.onset])
    name, before = reading.capitalize(), _number(reading, course.before)
    if course.onset == len(course.values) - 1:
        said = f"{name} {up if rises else down} from {before} to {value(reading, course.now)} at {when}"
    else:
        said = f"{name} has been {value(reading, course.now)} since {when}, {'up' if rises else 'down'} from {before}"
        said += f" {UNITS[reading]}"
    return said + _normally(course)


def _back(course: Course) -> str:
    """A reading that was off a moment ago."""
    first, end = course.excursions[-1]
    lasted = duration(course.ts[end] - course.ts[first])
    extreme, now = value(course.reading, course.extreme), value(course.reading, course.now)
    return f"{course.reading.capitalize()} is back at {now} after {lasted} at {extreme}{_normally(course)}"


def _over_current(view: View) -> str:
    course = view.courses.get("current")
    if course is None or not (course.is_off or course.is_back):
        return _beyond("current", view)
    return _moved("current", view, "jumped", "fell") + _leading(view, "current")


def _drop_out(view: View) -> str:
    return _moved("current", view, "jumped", "fell")


def _unsteady(view: View) -> str:
    course = view.courses["current"]
    first = len(course.values) - 1 if course.swing is None else course.swing
    low, high = min(course.values[first:]), max(course.values[first:])
    between = f"{_number('current', low)} and {value('current', high)}"
    usual = _normally(course) if course.excursions[0][0] >= LEAST else ""  # else nobody knows what is normal
    return f"Current has swung between {between} since {_clock(course.ts[first])}{usual}"


def _drift(view: View) -> str:
    course = view.courses["current"]
    if course.is_back:
        return _back(course)
    if not course.is_off:
        way = "up" if course.rate() > 0 else "down"
        minute = f"{abs(course.rate()) * 60:.2f} A a minute"
        return f"Current drifts {way} by {minute}, to {value('current', course.now)}{_normally(course)}"
    lasted = duration(course.ts[-1] - course.ts[max(course.onset - 1, 0)])
    moved = f"from {_number('current', course.before)} to {value('current', course.now)}"
    return f"Current drifted {moved} in {lasted}{_normally(course)}{_leading(view, 'current')}"


def _heating(view: View) -> str:
    return _warming(view, "rises", "rose") + _leading(view, "temperature")


def _cooling(view: View) -> str:
    return _warming(view, "falls", "fell")


def _warming(view: View, now: str, then: str) -> str:
    course = view.courses["temperature"]
    if course.excursions and (course.is_back or abs(course.rate()) < FASTEST_C_S):
        return _back(course) if course.is_back else _moved("temperature", view, then, then)
    if course.is_off and len(course.values) - course.onset < _FEW:
        lasted = duration(course.ts[-1] - course.ts[max(course.onset - 1, 0)])
        moved = f"from {_number('temperature', course.before)} to {value('temperature', course.now)}"
        return f"Temperature {then} {moved} in {lasted}{_normally(course)}"
    rate = abs(course.rate())
    often = rate / FASTEST_C_S
    said = f"Temperature {now} {_rate(rate)}"
    if often >= _RATHER and course.rate() > 0:
        times = f"{often:.0f} times as fast as" if often >= _OFTEN else "faster than"
        said += f", {times} in a normal charge"
    if course.is_off:
        said += f": from {_number('temperature', course.before)} to {value('temperature', course.now)} in "
        return said + duration(course.ts[-1] - course.ts[max(course.onset - 1, 0)])
    return f"{said}, now {value('temperature', course.now)}"


def _jump(view: View) -> str:
    return _moved("temperature", view, "jumped", "fell")


def _high(view: View) -> str:
    return _beyond("temperature", view)


def _beyond(reading: ReadingName, view: View) -> str:
    """A reading that has reached a severity limit, and nothing shows how."""
    limits, now = view.config.severity, view.readings[reading]
    of = {"critical": limits.critical, "high": limits.high, "medium": limits.medium}
    reached = {name: each.current_a if reading == "current" else each.temperature_c for name, each in of.items()}
    size = abs(now) if reading == "current" else now
    name, limit = next((name, limit) for name, limit in reached.items() if size >= limit)
    return f"{reading.capitalize()} is {value(reading, now)}; the {name} limit is {_limit(reading, limit)}"


def _frozen(view: View) -> str:
    stuck = [rule for rule in view.rules if rule.name == "stuck" and rule.reading is not None]
    said = " and ".join(
        f"{rule.reading} has read exactly {view.readings[rule.reading] + 0.0:g} {UNITS[rule.reading]} "
        f"in the last {rule.value:.0f} samples"
        for rule in stuck
        if rule.reading is not None
    )
    return f"{said[:1].upper()}{said[1:]}: the sensor or its logger may be stuck"


def _outside(view: View) -> str:
    learnt: dict[ReadingName, tuple[float, float]] = {
        "current": view.config.training_range.current_a,
        "temperature": view.config.training_range.temperature_c,
    }
    said = [
        f"{rule.reading} is {value(rule.reading, rule.value)}, far outside the "
        f"{_number(rule.reading, learnt[rule.reading][0])} to {value(rule.reading, learnt[rule.reading][1])} "
        "of the charges that were learnt from"
        for rule in view.rules
        if rule.name == "range" and rule.reading is not None
    ]
    words = " and ".join(said)
    return words[:1].upper() + words[1:]


def _unusual(view: View) -> str:
    current, temperature = (value(name, view.readings[name]) for name in UNITS)
    if view.courses and not any(course.excursions for course in view.courses.values()):
        return (
            f"Current {current} and temperature {temperature} are each near what they were, "
            "but together they look unlike normal charging"
        )
    return f"Current {current} at {temperature} looks unlike normal charging"


def _normally(course: Course) -> str:
    low, high = band(course)
    return f" (normal here: {_number(course.reading, low)} to {value(course.reading, high)})"


def _leading(view: View, reading: ReadingName) -> str:
    found = view.forecast
    if found is None or found.reading != reading:
        return ""
    limit = -found.limit if view.readings[reading] < 0 and reading == "current" else found.limit
    soon = duration(5.0 * round(found.in_s / 5.0) if found.in_s > _EXACT_S else found.in_s)
    return f"; at this rate {_limit(reading, limit)} (the {found.severity.name.lower()} limit) in about {soon}"


def _rate(per_s: float) -> str:
    return f"{per_s:.2f} °C a second" if per_s >= _PER_MINUTE_BELOW else f"{per_s * 60:.1f} °C a minute"


def _number(reading: ReadingName, number: float) -> str:
    digits = 2 if reading == "current" else 1
    return f"{round(number, digits) + 0.0:.{digits}f}"  # plus 0.0 turns "-0.00" into "0.00"


def _limit(reading: ReadingName, limit: float) -> str:
    return f"{round(limit, 2):g} {UNITS[reading]}"


def _clock(ts: float) -> str:
    return f"{datetime.fromtimestamp(ts, UTC):%H:%M:%S}"


_SAYS: dict[FaultKind, Callable[[View], str]] = {
    FaultKind.OVER_CURRENT: _over_current,
    FaultKind.DROP_OUT: _drop_out,
    FaultKind.UNSTEADY_CURRENT: _unsteady,
    FaultKind.CURRENT_DRIFT: _drift,
    FaultKind.TEMPERATURE_HIGH: _high,
    FaultKind.HEATING: _heating,
    FaultKind.COOLING: _cooling,
    FaultKind.TEMPERATURE_JUMP: _jump,
    FaultKind.FROZEN_READING: _frozen,
    FaultKind.OUT_OF_RANGE: _outside,
    FaultKind.UNUSUAL_PATTERN: _unusual,
}
