"""The proof that a shard is idle grows with what it claims (rule 24)."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from window.idle import (
    ENOUGH_PAGES,
    ENOUGH_S,
    IDLE_OVER_S,
    LONG_AT_MOST_S,
    LONG_PAGES,
    NEAR_S,
    POLLS_STOPPED_S,
    IdleProof,
)

POLL_S = 0.2
HOUR_S = 3600.0


def read_to(created: float) -> IdleProof:
    """A shard whose last page of records was full, and ended with one of that time."""
    proof = IdleProof()
    proof.records(created, full=True)
    return proof


def ask(proof: IdleProof, at: float, pages: int, every_s: float = POLL_S) -> float:
    """So many empty pages; returns when the last one was asked for."""
    for n in range(pages):
        proof.empty(at + n * every_s)
    return at + (pages - 1) * every_s


@pytest.mark.parametrize("behind_s", [0.0, 5.0, NEAR_S - IDLE_OVER_S])
def test_rule_24_near_the_tip_three_empty_pages_over_a_second_are_enough(behind_s: float) -> None:
    """Later one page is, as long as they keep coming."""
    proof = read_to(1000.0)
    ask(proof, 1000.0 + behind_s, 5)
    assert proof.until == -inf
    last = ask(proof, 1000.0 + behind_s + 1.0, 1)
    assert proof.until == last
    proof.records(last + 1.0, full=False)
    proof.empty(last + 2.0)
    assert proof.until == last + 2.0


@pytest.mark.parametrize(("behind_s", "over_s"), [(180.0, 3.0), (600.0, 10.0), (1800.0, 30.0), (2 * HOUR_S, 30.0)])
def test_rule_24_a_longer_claim_takes_a_second_for_each_minute(behind_s: float, over_s: float) -> None:
    """Thirty at most."""
    proof = read_to(1000.0)
    at = 1000.0 + behind_s
    pages = max(int(over_s / POLL_S), LONG_PAGES)
    ask(proof, at, pages, every_s=over_s / pages)
    assert proof.until == -inf
    last = ask(proof, at + over_s + 1.0, 1)
    assert proof.until == last
    proof.empty(last + POLL_S)
    assert proof.until == last + POLL_S


def test_rule_24_few_pages_prove_a_long_claim_if_they_go_on_for_a_minute() -> None:
    """A reader of hundreds of shards asks for each of them every few seconds."""
    proof = read_to(1000.0)
    last = ask(proof, 1000.0 + HOUR_S, 12, every_s=5.0)
    assert (proof.until, proof.under_way(last), proof.under_way(last + 1.0)) == (-inf, True, False)
    proof.empty(last + 5.0)
    assert (proof.until, proof.under_way(last)) == (last + 5.0, False)


def test_rule_24_five_empty_pages_in_a_two_hour_catch_up_prove_nothing() -> None:
    """They were taken for the tip: 689 of 3,600 samples came too late for their window."""
    proof = read_to(0.0)
    now = 2 * HOUR_S
    for created in range(0, int(now) - 200, 300):
        proof.records(float(created), full=created % 600 == 0)
        now = ask(proof, now + POLL_S, 5)
        assert proof.until == -inf


def test_rule_24_an_iterator_at_the_tip_is_a_proof_by_its_time() -> None:
    """And so are a parent's, and the last owner's once the shard was read as far again."""
    proof = IdleProof()
    proof.trust(1000.0)
    assert proof.until == 1000.0
    last = ask(proof, 1001.0, 6)
    assert proof.until == last


def test_rule_24_where_reading_begins_shortens_the_claim_and_promises_nothing() -> None:
    """The head knows the last record's time."""
    proof = IdleProof()
    proof.begin(1000.0)
    assert proof.until == -inf
    last = ask(proof, 1009.0, 6)
    assert proof.until == last


def test_rule_24_a_shard_of_which_nothing_is_known_needs_the_longest_proof() -> None:
    """It may have records of a day."""
    proof = IdleProof()
    ask(proof, 1000.0, int(LONG_AT_MOST_S / POLL_S))
    assert proof.until == -inf
    last = ask(proof, 1000.0 + LONG_AT_MOST_S, 2)
    assert proof.until == last


def test_rule_24_a_record_against_the_promise_makes_the_claim_long_again() -> None:
    """The stream had hidden it behind empty pages: those that follow prove as little as those before."""
    proof = read_to(1000.0)
    last = ask(proof, 1001.0, 10)
    promised = proof.until
    assert promised == last
    proof.records(last - HOUR_S, full=False)
    last = ask(proof, last + 1.0, 20)
    assert proof.until == promised
    last = ask(proof, last + POLL_S, int(LONG_AT_MOST_S / POLL_S))
    assert proof.until == last


def test_after_a_failure_or_a_pause_the_proof_begins_again() -> None:
    """Near the tip it takes a second, after ten minutes ten. The pages from before do not count."""
    proof = read_to(1000.0)
    last = ask(proof, 1001.0, 6)
    proof.empty(last + 5.0, renewed=True)
    assert proof.until == last
    last = ask(proof, last + 5.2, 100)
    assert proof.until == last
    ask(proof, last + POLLS_STOPPED_S + 600.0, 50)
    assert proof.until == last
    proof.empty(last + POLLS_STOPPED_S + 612.0)
    assert proof.until == last + POLLS_STOPPED_S + 612.0


def test_a_closed_shard_is_never_idle_but_its_pages_count() -> None:
    """A shard may be taken for closed until a listing says that it is open."""
    proof = read_to(1000.0)
    for n in range(10):
        proof.empty(1001.0 + n * POLL_S, closed=True)
    assert proof.until == -inf
    proof.empty(1003.2)
    assert proof.until == 1003.2


@pytest.mark.parametrize(("every_s", "pages_needed"), [(6.0, 11), (30.0, ENOUGH_PAGES)])
def test_rule_24_few_pages_over_a_minute_prove_no_long_claim(every_s: float, pages_needed: int) -> None:
    """Six of them did, in long seed 323: a reader of many shards shows as many pages as a minute has room for."""
    proof = read_to(1000.0)
    found = 0
    while proof.until == -inf:
        found += 1
        proof.empty(1000.0 + HOUR_S + found * every_s)
    assert found == pages_needed


pages = st.lists(
    st.one_of(
        st.tuples(st.just("records"), st.integers(1, 600), st.booleans()),
        st.tuples(st.just("empty"), st.integers(1, 40), st.booleans()),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=200)
@given(pages, st.sampled_from([0.02, 0.2, 1.0, 3.0]))
def test_rule_24_no_run_of_empty_pages_proves_a_claim_of_minutes_too_early(
    plan: list[tuple[str, int, bool]], every_s: float
) -> None:
    """A catch-up over two hours, in which any number of empty pages comes between those with records. A promise is made
    only if no more than half a minute is claimed, or if many empty pages went on for a second a minute."""
    created, now = 0.0, 2 * HOUR_S
    proof = IdleProof()
    for kind, count, flag in plan:
        if kind == "records":
            created = min(created + count, now)
            proof.records(created, full=flag)
            run, begun, known = 0, inf, created
            continue
        if created == 0.0:
            continue
        for n in range(count):
            now += every_s
            before = proof.until
            renewed = flag and n == 0
            run, begun = (1, now) if renewed else (run + 1, min(begun, now))
            proof.empty(now, renewed=renewed)
            if proof.until > before:
                claim_s = now - known
                assert proof.until == now
                assert claim_s <= NEAR_S or now - begun >= min(claim_s / 60.0, LONG_AT_MOST_S)
                assert claim_s <= NEAR_S or run >= LONG_PAGES or (run >= ENOUGH_PAGES and now - begun >= ENOUGH_S)
                known = now
    assert proof.until <= now
