"""`battery-watch tail` and `events` as processes and by the command line, against the embedded AWS."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from explained import explained

from battery_watch.events.temporary_queue import PREFIX
from demo.world import BUCKET
from reporting.anomaly.evidence import Evidence
from reporting.anomaly.publication import Publication
from reporting.anomaly.sample_message import sample_message
from reporting.contract.events import utc
from reporting.health.notice import Notice
from reporting.keys import minute_key
from reporting.message import Message
from reporting.sinks.archive import Archive, StoredObject
from reporting.sinks.publisher import Answer
from reporting.sinks.topic import Topic
from scoring.detectors import Stage
from scoring.severity import Severity

T = 1_784_989_500.0  # 2026-07-25 14:25:00 UTC
EVIDENCE = Evidence(
    device="rack/7",
    ts=T,
    current_a=2.5,
    temperature_c=61.5,
    reconstruction_error=60.5,
    error_threshold=53.25,
    forest_score=-0.75,
    forest_threshold=-0.5,
    stages=Stage.FOREST,
    severity=Severity.HIGH,
    explanation=explained(),
    model="bw-x",
)


def anomaly(**changes: Any) -> Message:
    to = Publication("urn:battery-watch:t", BUCKET, datetime(2026, 7, 25, 14, 25, 1, tzinfo=UTC))
    return sample_message(replace(EVIDENCE, **changes), to, episode="e", revision=0)


def notice(device: str) -> Message:
    told = Notice("health.silence", device, T, "opened", f"Nothing has come of {device}.")
    return told.message(source="urn:battery-watch:t", table="t", recorded=utc(T))


@contextmanager
def tails(account: Any, *commands: list[str]) -> Iterator[list[tuple[subprocess.Popen[str], str]]]:
    """Runs `tail` with these options, all at the same time; with what each says when it listens."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "battery_watch", "tail", *options],
            env=account.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for options in commands
    ]
    try:
        yield [(each, each.stderr.readline() if each.stderr else "") for each in running]
    finally:
        for each in running:
            each.kill()
            each.communicate()


def left(account: Any) -> tuple[list[str], list[str]]:
    """Queues and subscriptions of any tail."""
    queues = account.world.aws.sqs.list_queues(QueueNamePrefix=PREFIX).get("QueueUrls", [])
    subscriptions = account.world.aws.sns.list_subscriptions_by_topic(TopicArn=account.world.topic_arn)["Subscriptions"]
    return queues, [each["Endpoint"] for each in subscriptions if PREFIX in each["Endpoint"]]


def test_exactly_the_events_asked_for_are_printed_and_nothing_is_left(account: Any) -> None:
    """By severity, device and type, filtered by SNS itself, as it was published; only the topic may send to the queue.
    After Ctrl-C, and when the reader has left, neither queue nor subscription is there."""
    request = ["--json", "--severity", "high", "--device", "rack/7", "--device", "a", "--type", "anomaly."]
    with tails(account, request, ["--type", "health.gap"]) as ((picky, said), (unread, _)):
        assert "severity high or critical, device rack/7 or a, type anomaly.*" in said
        assert "Ctrl-C ends it" in said
        assert [len(each) for each in left(account)] == [2, 2]
        unread.stdout.close()  # as in `tail | head`; nothing will be written that could fail
        assert_filtered_by_sns(account, next(word for word in said.split() if word.startswith(PREFIX)).rstrip("."))

        filters = [anomaly(), anomaly(device="a", severity=Severity.CRITICAL, ts=T + 1)]
        others = [anomaly(severity=Severity.MEDIUM, ts=T + 2), anomaly(device="b", ts=T + 3), notice("rack/7")]
        assert Topic(account.world.aws.sns, account.world.topic_arn).publish(others + filters) == Answer()
        assert sorted(picky.stdout.readline() for _ in filters) == sorted(f"{each.body}\n" for each in filters)
        picky.send_signal(signal.SIGINT)
        assert picky.communicate(timeout=20) == ("", "Ended; queue and subscription are removed.\n")
        assert picky.returncode == 130
        assert unread.wait(timeout=20) == 141
        assert unread.stderr.read() == ""
    assert left(account) == ([], [])


def assert_filtered_by_sns(account: Any, name: str) -> None:
    aws = account.world.aws
    url = aws.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    queue = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    (allowed,) = json.loads(queue["Policy"])["Statement"]
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": account.world.topic_arn}}
    assert int(queue["MessageRetentionPeriod"]) <= 600
    pages = aws.sns.list_subscriptions_by_topic(TopicArn=account.world.topic_arn)["Subscriptions"]
    (arn,) = (each["SubscriptionArn"] for each in pages if each["Endpoint"] == queue["QueueArn"])
    of = aws.sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert of["RawMessageDelivery"] == "true"
    assert json.loads(of["FilterPolicy"]) == {
        "$or": [{"filterseverity": ["high", "critical"]}, {"severity": ["high", "critical"]}],
        "device": ["rack/7", "a"],
        "type": [{"prefix": "anomaly."}],
    }


def test_a_tail_that_cannot_listen_says_so_in_one_line(account: Any) -> None:
    """With exit code 2; one that ends after a time has 0, also where nothing came. Neither leaves anything."""
    for environment, words in (
        ({"TOPIC_ARN": None}, "battery-watch: the settings are not usable: TOPIC_ARN: is not set"),
        ({"TOPIC_ARN": account.world.topic_arn + "x"}, "does not exist. Check TOPIC_ARN"),
    ):
        done = account.ask("tail", **environment)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    for options in (["--type", "health.silense"], ["--for", "0s"], ["--severity", "worst"], ["--count", "0"]):
        assert account.ask("tail", *options).returncode == 2
    done = account.ask("tail", "--for", "1s")
    assert (done.returncode, done.stdout) == (0, "")
    assert left(account) == ([], [])


def archived(account: Any, *evidence: Evidence) -> list[str]:
    """Puts lines into the archive; returns them in order of time."""
    lines: dict[str, bytes] = {}
    for each in sorted(evidence, key=lambda each: each.ts):
        key = minute_key(each.device, each.ts)
        lines[key] = lines.get(key, b"") + each.line()
    for key, body in lines.items():
        Archive(account.world.aws.s3, BUCKET).put(StoredObject(key, body, "application/x-ndjson"))
    return [each.line().decode() for each in sorted(evidence, key=lambda each: each.ts)]


def test_archived_anomalies_are_read(account: Any) -> None:
    """Those of an interval, of all devices in order of time, byte for byte or for people; what is no line is named."""
    outside = replace(EVIDENCE, ts=T - 30.0), replace(EVIDENCE, ts=T + 3600.5)
    inside = [
        replace(EVIDENCE, ts=T),
        replace(EVIDENCE, ts=T + 10, device="b", severity=Severity.MEDIUM),
        replace(EVIDENCE, ts=T + 20, severity=Severity.CRITICAL),
        replace(EVIDENCE, ts=T + 3000, device="b"),
    ]
    lines = archived(account, *outside, *inside)[1:-1]
    interval = ["events", "--since", "2026-07-25T14:25Z", "--until", "2026-07-25T15:25Z"]
    done = account.ask(*interval, "--json")
    assert (done.returncode, done.stdout) == (0, "".join(lines))
    assert "4 anomalous samples of 2026-07-25 14:25 to 2026-07-25 15:25 UTC: 4 shown" in done.stderr

    done = account.ask(*interval, "--json", "--severity", "high", "--device", "rack/7", "--device", "nobody")
    assert done.stdout == lines[0] + lines[2]
    done = account.ask(*interval, "--severity", "critical")
    assert done.stdout.startswith("2026-07-25 14:25:20.000  CRITICAL  rack/7  over current: 2.50 A (2.50")
    assert len(done.stdout.splitlines()) == 1
    assert "4 anomalous samples" in done.stderr
    assert "1 shown (critical)" in done.stderr

    key = minute_key("c", T)
    account.world.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=b'nonsense\n{"device":"c","ts":1}\n')
    done = account.ask(*interval, "--json")
    assert (done.returncode, done.stdout) == (1, "".join(lines))
    assert done.stderr.count(f"{key} holds something that is no line of the archive") == 2

    for options, environment, words in (
        (["--since", "1h", "--until", "2h"], {}, "--until must be later"),
        ([], {"RESULTS_BUCKET_NAME": "nowhere"}, "bucket 'nowhere': does not exist"),
    ):
        done = account.ask("events", *options, **environment)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
