"""The program that writes the templates."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from infra.cdk.config import ConfigError, from_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.infra.conftest import Synthesised


def test_only_what_the_worker_is_made_of_goes_into_its_image(plain: Synthesised) -> None:
    """Neither tests nor documents nor this folder: a change of those is no new image. The stage is `worker`."""
    (asset,) = plain.folder.glob("asset.*")
    files = {str(path.relative_to(asset)) for path in asset.rglob("*") if path.is_file()}
    assert files == {
        "Dockerfile", "consumer/lane/lane.py", "models/default/manifest.json", "requirements/runtime.txt"
    }  # fmt: skip
    (assets,) = plain.folder.glob("*-Service.assets.json")
    (image,) = json.loads(assets.read_text())["dockerImages"].values()
    assert image["source"]["dockerBuildTarget"] == "worker"
    assert image["source"]["platform"] == "linux/amd64"


def test_no_account_and_no_region_is_named(plain: Synthesised) -> None:
    """They are those of whoever deploys."""
    for stack in ("Data", "Service"):
        text = json.dumps(plain.template(stack))
        assert not re.search(r"\b\d{12}\b", text)
        assert not re.search(r"\b(eu|us|ap)-[a-z]+-\d\b", text)


def test_what_is_set_aside_of_the_checks_is_this_and_has_a_reason(plain: Synthesised, other: Synthesised) -> None:
    """cdk-nag fails a synthesis; nothing may be set aside for a whole stack."""
    for made in (plain, other):
        found = [each for each in made.accepted() if "AwsSolutions" in each[1]]
        assert {re.sub(r"\[.*|^\w+::", "", rule) for _, rule, _ in found} <= {
            "AwsSolutions-S1", "AwsSolutions-SQS3", "AwsSolutions-VPC7", "AwsSolutions-ECS2", "AwsSolutions-ECS4",
            "AwsSolutions-IAM5",
        }  # fmt: skip
        assert all(where.count("/") >= 3 and len(reason) > 20 for where, _, reason in found)


def test_two_deployments_share_no_name(plain: Synthesised, other: Synthesised) -> None:
    """The namespace is in the names of the stacks, in the state and in the metrics."""
    names = [{path.name for path in made.folder.glob("*.template.json")} for made in (plain, other)]
    assert not names[0] & names[1]
    assert "/state/two/" in json.dumps(other.template("Service"))


def test_a_context_that_is_not_usable_is_told_and_writes_nothing(
    app: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    """Before any template."""
    done = app("--output", str(tmp_path / "out"), "-c", "cpu=300", "-c", "createTabel=true")
    assert done.returncode == 2
    assert "createTabel is not known: did you mean createTable?" in done.stderr
    assert "cpu: Fargate has 256, 512, 1024, 2048, 4096" in done.stderr
    assert not [*(tmp_path / "out").glob("*.template.json")]


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"memoryMib": "700"}, "with cpu 256 Fargate has 512 to 2048"),
        ({"vpcId": "vpc-1"}, "vpcId and subnetIds go together"),
        (
            {"createTable": "true", "tableStreamArn": "arn:aws:dynamodb:e:123456789012:table/device4/stream/x"},
            "createTable",
        ),
        ({"tableStreamArn": "arn:aws:dynamodb:e:123456789012:table/another/stream/x"}, "no stream of table device4"),
        ({"modelDir": "/models"}, "modelDir"),
        ({"namespace": "a.b"}, "namespace"),
        ({"emails": "a@b.org,nobody"}, "emails"),
        ({"standby": "perhaps"}, "standby"),
    ],
)
def test_a_bad_choice_is_named(context: dict[str, str], said: str) -> None:
    """By its key."""
    with pytest.raises(ConfigError, match=said):
        from_context(context)


def test_choices_come_as_text_or_as_lists() -> None:
    """From the command line and from cdk.json; what is the CDK's own is left alone."""
    config = from_context({"emails": "a@b.org, c@d.org", "standby": "true", "aws:cdk:enable-path-metadata": True})
    assert config.emails == ("a@b.org", "c@d.org")
    assert config.tasks == 2
    assert from_context({"emails": ["a@b.org"], "logRetentionDays": 7}).log_retention_days == "7"
