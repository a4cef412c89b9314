from __future__ import annotations

from dataclasses import replace

import pytest

from demo import score
from demo.archive import Anomaly
from demo.message import Message
from demo.outage import planned
from demo.score import Latency, RunRecord, Waited, summarise
from demo.script import Fault, FaultKind, Script
from reporting.anomaly import episodes

EPOCH_S = 1_700_000_000
SCRIPT = Script(
    60,
    (
        Fault(FaultKind.DROP_OUT, "upload", -500, -490, 1.0),
        Fault(FaultKind.OVER_CURRENT, "live", 15, 18, 4.5),
    ),
)

PLAN = planned(SCRIPT)


def step(kind: str, offset_s: float, *, of: str = "drop_out", episode: str = "", received_s: float = 0.0) -> Message:
    return Message(
        id=f"{kind}{offset_s}",
        step=kind,
        kind=of,
        device="device4",
        ts=EPOCH_S + offset_s,
        severity="high",
        episode=episode or of,
        summary="It got hot.",
        received_s=received_s,
    )


def archived(*offsets_s: float) -> list[Anomaly]:
    return [Anomaly("device4", EPOCH_S + offset_s, "high", "bw-test") for offset_s in offsets_s]


OPENED = step("opened", 15, of="over_current", received_s=100.2)
GOOD = RunRecord(
    script=SCRIPT,
    epoch_s=EPOCH_S,
    written=1260,
    messages=(
        step("opened", -500),
        step("closed", -426),
        OPENED,
        step("escalated", 16, of="over_current", received_s=101.1),
    ),
    ledger={"read": 1262, "scored": 1258, "duplicate": 1, "late": 0, "quarantined": 1, "ignored": 0, "lost": 0},
    anomalies=archived(*range(-500, -490), 15, 16),
    charts=2,
    put_s={EPOCH_S + 14: 99.0, EPOCH_S + 15: 100.0, EPOCH_S + 16: 101.0},
)


def test_a_good_run_passes_with_the_figures_of_the_issue() -> None:
    """Every record accounted for, every fault found, no false alarm; the JSON holds exactly the agreed fields."""
    summary = summarise(GOOD)
    assert summary.passed
    assert summary.as_json() == {
        "written": 1260,
        "scored": 1258,
        "duplicate": 1,
        "quarantined": 1,
        "late": 0,
        "anomalies": 12,
        "messages": 4,
        "charts": 2,
        "faults_injected": 2,
        "faults_missed": 0,
        "most_messages": 2,
        "behind": 0.0,
        "false_alarms": 0,
        "episodes": {"opened": 2, "escalated": 1, "ongoing": 0, "closed": 1},
        "false_episodes": 0,
        "time_in_alarm": round((9 + 1 + 1 + 1) / 1260, 4),
        "latency_ms": {"p50": 150.0, "p99": 199.0},
        "lost": 0,
        "unaccounted": 0,
        "duplicate_messages": 0,
        "conflicting": 0,
        "kills": 0,
        "recovery_s": None,
        "waited": {"messages": 0, "max_s": None},
    }


def test_a_fault_whose_kind_nobody_told_fails_the_run() -> None:
    """An episode of another kind inside it is a false one; another fault's does not count."""
    summary = summarise(replace(GOOD, messages=(step("opened", -499, of="unusual_pattern"), OPENED)))
    assert (summary.faults_missed, summary.false_episodes) == (1, 1)
    assert summary.failures == (
        "No episode of kind drop_out opened in the drop-out of the upload part (-500 to -490 s).",
        "1 false episodes, the first of kind unusual_pattern about the sample at -499 s: It got hot.",
    )


@pytest.mark.parametrize("offset_s", [-501, -474, 14, 34, 59])
def test_a_sample_outside_every_fault_and_its_aftermath_is_a_false_alarm(offset_s: int) -> None:
    """One second too early, and from the sixteenth second after a fault."""
    summary = summarise(replace(GOOD, anomalies=[*archived(offset_s), *GOOD.anomalies]))
    assert summary.false_alarms == 1
    assert summary.failures == (f"1 false alarms in the archive, the first about the sample at {offset_s:+d} s.",)


def test_at_most_one_sample_in_twenty_may_lie_behind_the_end_of_a_fault() -> None:
    """The return to the level before is no new anomaly."""
    anomalies = archived(*range(-500, -490), *range(15, 18))
    few = replace(GOOD, anomalies=[*archived(-480), *anomalies * 2])
    assert summarise(few).behind == round(1 / 27, 4)
    assert summarise(few).passed
    many = summarise(replace(GOOD, anomalies=[*anomalies, *archived(28)]))
    assert many.failures == (
        "1 of 14 anomalous samples lie behind the end of a fault, the first at +28 s: at most 5% should.",
    )


def test_more_than_three_messages_about_a_fault_fail_the_run() -> None:
    """Somebody is woken by each."""
    more = (step("ongoing", 17, of="over_current"), step("closed", 80, of="over_current"))
    summary = summarise(replace(GOOD, messages=(*GOOD.messages, *more)))
    assert summary.most_messages == 4
    assert summary.failures == ("4 messages told of the over-current at +15 s: 3 at most should.",)


@pytest.mark.parametrize(("scored", "says"), [(1257, "1 unaccounted for"), (1259, "1 too many")])
def test_a_record_that_is_in_no_account_fails_the_run(scored: int, says: str) -> None:
    """Written must equal scored, duplicate, late, quarantined and ignored together."""
    summary = summarise(replace(GOOD, ledger={**GOOD.ledger, "scored": scored}))
    assert not summary.passed
    assert says in summary.failures[0]


def test_no_ledger_at_all_leaves_every_record_unaccounted_for() -> None:
    """A worker that died before its books were closed fails the run."""
    assert "1260 unaccounted for" in summarise(replace(GOOD, ledger={})).failures[0]


def test_other_reasons_to_fail_each_have_their_sentence() -> None:
    """Lost records, no chart, unreadable messages and a bad end of the worker."""
    summary = summarise(replace(GOOD, charts=0, unreadable=2, worker_exit=-9, ledger={**GOOD.ledger, "lost": 3}))
    text = " ".join(summary.failures)
    for part in ("3 records are lost", "No chart", "2 messages on the queue", "exit code -9"):
        assert part in text


def test_a_message_delivered_twice_counts_once_with_its_first_arrival() -> None:
    """A topic may repeat itself; the id tells."""
    twice = (*GOOD.messages, replace(OPENED, received_s=999.0))
    summary = summarise(replace(GOOD, messages=twice))
    assert summary == replace(summarise(GOOD), duplicate_messages=1)
    assert summary.passed


def test_an_id_with_two_bodies_fails_the_run() -> None:
    """After a kill the same words may come again; other words under the same id may not."""
    other = replace(OPENED, body='{"another": "word"}')
    summary = summarise(replace(GOOD, messages=(*GOOD.messages, other)))
    assert summary.conflicting == 1
    assert summary.failures == ("Messages that came in two versions under one id: 1.",)


def test_what_waited_for_the_recovery_is_reported_apart_from_the_latency() -> None:
    """The killed worker's messages and those put after the recovery count; what waited has its own figures."""
    outage = replace(PLAN, killed_s=100.5, started_s=102.5, standing_s=103.0, owned_s=114.0, back_s=114.5)
    messages = (
        *GOOD.messages[:2],
        replace(OPENED, received_s=100.9),  # sent by the killed worker, received after its death
        step("escalated", 16, of="over_current", received_s=114.6),
        step("opened", 30, of="over_current", received_s=115.1),
    )
    put_s = {EPOCH_S + 15: 100.4, EPOCH_S + 16: 101.4, EPOCH_S + 30: 115.0}
    summary = summarise(replace(GOOD, messages=messages, put_s=put_s, outage=outage))
    assert summary.kills == 1
    assert summary.recovery_s == 14.0
    assert summary.waited == Waited(1, 13.2)
    assert summary.latency_ms == Latency(300.0, 496.0)


def test_a_kill_without_a_recovery_fails_the_run() -> None:
    """It is not enough that nothing else went wrong; a kill that was never reached is none."""
    summary = summarise(replace(GOOD, outage=replace(PLAN, killed_s=100.0, failed=True)))
    assert summary.failures == ("After the kill no other worker took over.",)
    assert summary.recovery_s is None
    assert summarise(replace(GOOD, outage=PLAN)).kills == 0


def test_time_in_alarm_counts_what_lies_between_samples_without_a_quiet_minute() -> None:
    """Whatever the order."""
    summary = summarise(replace(GOOD, anomalies=archived(-432, -492, -500, 15), written=1000))
    assert summary.time_in_alarm == round((68 + 1 + 1) / 1000, 4)


def test_an_episode_that_no_fault_explains_fails_the_run() -> None:
    """Each opening counts, that of an episode opened again too; where it ends plays no part."""
    again = summarise(replace(GOOD, messages=(*GOOD.messages, step("opened", -200))))
    assert again.false_episodes == 1
    assert again.failures == ("1 false episodes, the first of kind drop_out about the sample at -200 s: It got hot.",)


def test_an_end_without_a_beginning_fails_the_run() -> None:
    """Nobody was told that there was an episode."""
    summary = summarise(replace(GOOD, messages=(*GOOD.messages, step("closed", 59, episode="f"))))
    assert summary.failures == ("Episodes whose opening was never published: 1.",)


def test_latency_is_that_of_the_live_part_alone() -> None:
    """Messages about the upload carry no latency, nor do those that come because nothing does; without others there is
    none to state."""
    steps = (step("opened", -500, received_s=5e6), step("closed", 16, received_s=5e6))
    assert summarise(replace(GOOD, messages=steps)).latency_ms == Latency(None, None)


def test_a_quiet_minute_is_the_workers() -> None:
    """Written twice, since the demo loads no models."""
    assert score.QUIET_S == episodes.QUIET_S
