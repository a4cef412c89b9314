"""The rules of cdk-nag, and how to accept a finding: at its resource, with a reason."""

from __future__ import annotations

from typing import Any

from aws_cdk import Acknowledgment, App, Stack, Validations
from cdk_nag import AwsSolutionsChecks
from constructs import IConstruct


def check(app: App) -> None:
    """Check every synthesis of the app. A synthesis with a finding fails and lists it."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def accept(where: IConstruct, rule: str, reason: str) -> None:
    """Accept a finding. ``rule``: the rule's id, `AwsSolutions-S1`, or that of one finding,
    `AwsSolutions-IAM5[Resource::*]`."""
    Validations.of(where).acknowledge(Acknowledgment(id=rule, reason=reason))


def accept_pattern(where: IConstruct, resource: str, reason: str) -> None:
    """Accept that a policy names this one pattern."""
    accept(where, f"AwsSolutions-IAM5[Resource::{_flat(Stack.of(where).resolve(resource))}]", reason)


def _flat(value: Any) -> str:
    """A value of a template as cdk-nag writes it in the ids of its findings."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        return "".join(_flat(part) for part in argument[1])
    if function == "Fn::GetAtt":
        return f"<{'.'.join(argument)}>"
    return f"<{argument}>" if function == "Ref" else str(argument)
