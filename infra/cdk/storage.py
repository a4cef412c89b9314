"""The bucket for all results: events, charts, ledger, state."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.cdk import nag
from infra.cdk.config import Config

CHARTS = "battery-reports"
MINUTE_DAYS = 30
"""As long as `ledger --verify` can look back. A thousand devices write some 90 MB a day."""
EARLIER_STATES = 100
"""Earlier versions of a head or of windows that are kept at any age. S3 allows no greater number."""


class Results(Construct):
    """A private bucket that is kept when its stack is deleted.

    The head is written every 5 s, and versioning holds for the whole bucket. So the lifecycle keeps few versions, as
    many as each kind of object needs.
    """

    def __init__(self, scope: Construct, name: str, config: Config) -> None:
        super().__init__(scope, name)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=True,
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=[
                _rule("charts", f"{CHARTS}/", days=config.chart_days, earlier_days=1),
                _rule("events", "battery-events/", days=config.archive_days, earlier_days=7),
                _rule("quarantine", "battery-quarantine/", days=config.archive_days, earlier_days=7),
                _rule("undelivered", "battery-undelivered/", days=config.archive_days, earlier_days=7),
                _rule("books", "battery-ledger/", earlier_days=1),
                _rule("scored minutes", "battery-minutes/", days=MINUTE_DAYS, earlier_days=1),
                _rule("mutes", "battery-mutes/", earlier_days=90),
                # The state never expires: without its head a worker starts from nothing. Earlier versions are for a
                # restore, so the last ones stay, also if nobody has written for days.
                _rule("state", "state/", earlier_days=2, at_least=EARLIER_STATES),
                s3.LifecycleRule(
                    id="left-overs",
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                    expired_object_delete_marker=True,
                ),
            ],
        )
        nag.accept(
            self.bucket,
            "AwsSolutions-S1",
            "An access log would need a second bucket for one writer. CloudTrail data events tell who read or wrote, "
            "where that is wanted.",
        )


def _rule(
    name: str, prefix: str, *, days: int | None = None, earlier_days: int, at_least: int | None = None
) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        id=name,
        prefix=prefix,
        expiration=None if days is None else Duration.days(days),
        noncurrent_version_expiration=Duration.days(earlier_days),
        noncurrent_versions_to_retain=at_least,
    )
