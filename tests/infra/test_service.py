"""The stack of the worker: how it runs, what it reaches, what is watched about it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from repository import ROOT

import consumer.settings
from consumer.worker.metrics import METRICS, NAMESPACE
from consumer.worker.worker import STOP_S

if TYPE_CHECKING:
    from tests.infra.conftest import Synthesised


def container(made: Synthesised) -> dict[str, Any]:
    (only,) = made.one("AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    return dict(only)


def test_one_worker_runs_and_goes_before_the_next_comes(plain: Synthesised) -> None:
    """A lane has one owner; a deployment that does not come up is rolled back."""
    service, task = plain.one("AWS::ECS::Service"), plain.one("AWS::ECS::TaskDefinition")
    deployment = service["DeploymentConfiguration"]
    assert service["DesiredCount"] == 1
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (0, 100)
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert (task["Cpu"], task["Memory"]) == ("256", "512")


def test_with_a_stand_by_one_of_two_stays(other: Synthesised) -> None:
    """And the image is the one that is there, for its processor."""
    service, task = other.one("AWS::ECS::Service"), other.one("AWS::ECS::TaskDefinition")
    assert service["DesiredCount"] == 2
    assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 50
    assert service["DeploymentConfiguration"]["MaximumPercent"] == 100
    assert task["RuntimePlatform"]["CpuArchitecture"] == "ARM64"
    assert "battery-watch:1.2" in json.dumps(container(other)["Image"])


def test_the_container_can_write_nothing_but_its_temporary_folder(plain: Synthesised) -> None:
    """No capability, time to stop in order, and its own word for whether it is well."""
    worker = container(plain)
    assert worker["ReadonlyRootFilesystem"] is True
    assert [(each["ContainerPath"], each["ReadOnly"]) for each in worker["MountPoints"]] == [("/tmp", False)]
    assert worker["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert STOP_S < worker["StopTimeout"] <= 120
    assert worker["HealthCheck"]["Command"] == ["CMD", "battery-watch", "healthcheck"]
    assert "PortMappings" not in worker


def test_the_worker_knows_every_setting_it_is_given(plain: Synthesised, other: Synthesised) -> None:
    """No misspelt variable, none missing that has no default, and JSON: it carries the metrics."""
    fields = consumer.settings.Settings.model_fields.values()
    aliases = [field.validation_alias for field in fields]
    known = {alias if isinstance(alias, str) else alias.choices[0] for alias in aliases if alias}  # type: ignore[union-attr]
    settings = {each["Name"]: each["Value"] for each in container(plain)["Environment"]}
    assert set(settings) <= known
    assert set(settings) >= {"RESULTS_BUCKET_NAME", "TOPIC_ARN", "AWS_DEFAULT_REGION"}
    assert settings["LOG_FORMAT"] == "json"
    more = {each["Name"]: each["Value"] for each in container(other)["Environment"]}
    assert set(more) - known == {"AWS_ENDPOINT_URL_DYNAMODB_STREAMS", "AWS_ACCOUNT_ID_ENDPOINT_MODE"}
    assert (more["MODEL_DIR"], more["NAMESPACE"]) == ("s3://my-models/bundles", "two")
    assert (settings["PUBLISH"], more["PUBLISH"]) == ("episodes", "both")


def test_nothing_comes_in_and_no_gateway_costs(plain: Synthesised, other: Synthesised) -> None:
    """By default a public subnet without an inbound rule; or private ones from which only AWS is reached."""
    for made in (plain, other):
        assert made.of("AWS::EC2::NatGateway") == []
        used = made.one("AWS::ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]
        (group,) = [name["Fn::GetAtt"][0] for name in used["SecurityGroups"]]
        rules = made.template("Service")["Resources"][group]["Properties"]
        assert "SecurityGroupIngress" not in rules
        assert [(r["FromPort"], r["ToPort"]) for r in rules["SecurityGroupEgress"]] == [(443, 443)]
        assert made.of("AWS::EC2::SecurityGroupIngress") == []
        assert used["AssignPublicIp"] == ("ENABLED" if made is plain else "DISABLED")
    assert other.of("AWS::EC2::InternetGateway") == []
    named = json.dumps([each["Properties"]["ServiceName"] for each in other.of("AWS::EC2::VPCEndpoint")])
    for service in ("s3", "dynamodb", "dynamodb-streams", "sns", "logs", "ecr.api", "ecr.dkr"):
        assert f'.{service}"' in named, service


def test_alarms_and_dashboard_name_metrics_that_the_worker_has(plain: Synthesised) -> None:
    """With its own dimensions; what is not the worker's is ECS's or counted from the log."""
    alarms = [each["Properties"] for each in plain.of("AWS::CloudWatch::Alarm", "Service")]
    own = {each["MetricName"] for each in alarms if each["Namespace"] == NAMESPACE}
    assert own == {
        "Heartbeat", "LagSeconds", "Unwell", "Lagging", "Gap", "Quarantined", "Undelivered", "Fenced", "Forced",
        "Bundle",
    }  # fmt: skip
    assert own <= set(METRICS)
    dimensions = {"table": "device4", "namespace": "default"}
    for alarm in alarms:
        if alarm["Namespace"] == NAMESPACE:
            assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == dimensions
    assert {each["MetricName"] for each in alarms if each["Namespace"] != NAMESPACE} == {"Errors", "MemoryUtilization"}
    page = json.dumps(plain.one("AWS::CloudWatch::Dashboard")["DashboardBody"])
    shown = set(re.findall(rf'\\"{NAMESPACE}\\",\\"(\w+)\\"', page))
    assert len(shown) > 15
    assert shown <= set(METRICS)


def test_a_worker_that_is_silent_sets_off_the_alarm(plain: Synthesised) -> None:
    """Missing is breaching there, and nowhere else: a worker that is dead says nothing."""
    alarms = {
        each["Properties"]["MetricName"]: each["Properties"] for each in plain.of("AWS::CloudWatch::Alarm", "Service")
    }
    silent = alarms.pop("Heartbeat")
    assert (silent["ComparisonOperator"], silent["Threshold"]) == ("LessThanThreshold", 1)
    assert (silent["EvaluationPeriods"], silent["Period"]) == (5, 60)
    assert silent["TreatMissingData"] == "breaching"
    assert {each["TreatMissingData"] for each in alarms.values()} == {"notBreaching"}
    everything = [each["Properties"] for each in plain.of("AWS::CloudWatch::Alarm")]
    assert all(each["AlarmActions"] and each["OKActions"] for each in everything)


def test_errors_are_counted_as_the_log_names_them(plain: Synthesised) -> None:
    """`level` and `event` are what structlog writes; a chart that is not drawn sets off nothing."""
    counted = plain.one("AWS::Logs::MetricFilter")
    assert counted["FilterPattern"] == '{ ($.level = "error") && ($.event != "no chart") }'
    (errors,) = [
        each["Properties"]
        for each in plain.of("AWS::CloudWatch::Alarm", "Service")
        if each["Properties"]["MetricName"] == "Errors"
    ]
    assert counted["MetricTransformations"][0]["MetricNamespace"] == errors["Namespace"]
    assert plain.one("AWS::Logs::LogGroup")["RetentionInDays"] == 30


def test_every_alarm_has_its_paragraph(plain: Synthesised) -> None:
    """An alarm's description ends with the heading under which docs/operate.md says what to do."""
    headings = re.findall(r"^#+ `?(\w+)`?", (ROOT / "docs" / "operate.md").read_text(), re.MULTILINE)
    for alarm in plain.of("AWS::CloudWatch::Alarm"):
        named = alarm["Properties"]["AlarmDescription"].rsplit("docs/operate.md, ", 1)[1].rstrip(".")
        assert named in headings
