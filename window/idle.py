"""When is a shard proven idle? The proof grows with what it claims (rules 5 and 24).

GetRecords may return any number of empty pages before it comes to records. So an empty page proves little by itself. It
proves more the more empty pages come before it, and the shorter the time is of which it says that nothing was written.
"""

from __future__ import annotations

from math import inf

IDLE_PAGES, IDLE_OVER_S = 3, 1.0
"""So many empty pages in a row, over so many seconds, prove that a shard is at its tip where they claim little."""
NEAR_S = 30.0
"""A shard is near its tip when the last thing known of it, a record or a proof, is at most this old
(docs/decisions/0020)."""
LONG_S_PER_MINUTE, LONG_AT_MOST_S = 1.0, 30.0
"""A longer claim takes empty pages over so many seconds for each minute claimed."""
LONG_PAGES, ENOUGH_PAGES, ENOUGH_S = 40, 10, 60.0
"""It takes so many pages too, 8 s of a reader that asks five times a second; or, of one that asks seldom, so many over
a minute."""
POLLS_STOPPED_S = 40.0
"""A shard that was not asked for so long must prove again that it is at its tip."""


class IdleProof:
    """How far one shard is proven idle.

    All times are epoch seconds of the service: when a page was asked for, and when records were created. ``until``:
    nothing that comes later was written before it, but for the slack of the merge; -inf until anything is proven. It
    never falls.

    >>> proof = IdleProof()
    >>> proof.records(1000.0, full=False)
    >>> for asked_at in (1001.0, 1001.5, 1002.0):
    ...     proof.empty(asked_at)
    >>> proof.until
    1002.0
    """

    def __init__(self) -> None:
        self.until = -inf
        self._known = -inf
        self._tip = False
        self._pages = 0
        self._since = inf
        self._asked_at = -inf

    def under_way(self, since: float) -> bool:
        """Have empty pages come since then that do not prove it yet?"""
        return self._pages > 0 and not self._tip and self._asked_at >= since

    def begin(self, known: float) -> None:
        """Reading begins where a record of that time was the last one. Nothing is promised, but a claim is only as long
        as the time since then."""
        self._known = max(self._known, known)

    def trust(self, until: float) -> None:
        """It is proven elsewhere: by the iterator taken at the tip at that time, by the parent, or by the last owner,
        once the shard was read again as far as that one had read it."""
        self.until = max(self.until, until)
        self._known = max(self._known, until)

    def records(self, created: float, *, full: bool) -> None:
        """Records came, the last one created then. ``full``: more may wait behind them."""
        self._known = created
        self._tip = self._tip and not full
        self._restart()

    def empty(self, asked_at: float, *, renewed: bool = False, closed: bool = False) -> None:
        """An empty page came that was asked for then. ``renewed``: reading had failed before it, and records may have
        been written since the last page. ``closed``: the shard is closed. It is never idle, but its pages count: it may
        turn out to be open."""
        if renewed or asked_at - self._asked_at > POLLS_STOPPED_S:
            self._tip = False
            self._restart()
        self._asked_at = asked_at
        self._pages += 1
        self._since = min(self._since, asked_at)
        claim_s = asked_at - self._known
        self._tip = (self._tip and claim_s <= NEAR_S) or self._proves(claim_s)
        if self._tip and not closed:
            self.until = max(self.until, asked_at)
            self._known = max(self._known, asked_at)

    def _proves(self, claim_s: float) -> bool:
        over_s = self._asked_at - self._since
        if claim_s <= NEAR_S:
            return self._pages >= IDLE_PAGES and over_s >= IDLE_OVER_S
        least_s = max(IDLE_OVER_S, min(LONG_AT_MOST_S, claim_s / 60.0 * LONG_S_PER_MINUTE))
        enough = LONG_PAGES if over_s < ENOUGH_S else ENOUGH_PAGES
        return over_s >= least_s and self._pages >= enough

    def _restart(self) -> None:
        self._pages, self._since = 0, inf
