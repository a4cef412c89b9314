"""What the worker remembers of a device's health from one run of records to the next.

The head and the window snapshot store these values by the names of their fields: renaming a field breaks every head
that is stored.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """Adjacent records of one device that belong together: the ``ts`` and the clock ``offset_s`` of the first, the
    ``until`` of the last, and how many they are."""

    since: float
    until: float
    offset_s: float
    count: int


@dataclass(frozen=True, slots=True)
class Frozen:
    """A reading that repeats: since which stamp, how often, and whether a notice said so (``told``)."""

    current_a: float
    temperature_c: float
    since: float
    count: int
    told: bool = False


@dataclass(frozen=True, slots=True)
class Fit:
    """The open question whether a bundle knows this battery: the bundle's id, the stamp of the first sample that
    counts, how many samples were counted and how many of them lie outside its training range."""

    bundle: str
    since: float
    seen: int = 0
    outside: int = 0


@dataclass(frozen=True, slots=True)
class Overwriting:
    """Samples that overwrite others with materially other readings: the stamps of the first of them and the last
    (``until``), how many (``count``) of how many samples (``seen``, until it is told), and whether a notice said so."""

    since: float
    until: float
    seen: int = 0
    count: int = 0
    told: bool = False


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """The state of one device.

    ``last``: stamp of its last record. ``silent``: a notice said that it is silent. ``context``: it is known from the
    table alone, from before the first start, and its silence gets no notice. ``frozen``: the reading that may repeat.
    ``skew_s``: how far its clock is known to be ahead. ``suspect``: records that may show that its clock is wrong.
    ``late``: late records that wait for their notice, the last of them at ``late_stamp``. ``quarantine_told``: stamp of
    the last quarantine notice. ``asked``: the last bundle for which the fit is settled; ``fit``: the fit that is open.
    ``overwriting``: samples that overwrite others, while they are counted or a notice about them is open.
    """

    last: float = 0.0
    silent: bool = False
    context: bool = False
    frozen: Frozen | None = None
    skew_s: float | None = None
    suspect: Run | None = None
    late: Run | None = None
    late_stamp: float = 0.0
    quarantine_told: float | None = None
    asked: str = ""
    fit: Fit | None = None
    overwriting: Overwriting | None = None
