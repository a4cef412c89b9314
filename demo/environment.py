"""The environment of the demo's processes: without anything that leads to a real account."""

from __future__ import annotations

from collections.abc import Mapping

REGION = "us-east-1"
LOOPBACK = "127.0.0.1"

_PREFIXES = ("AWS_", "BATTERY_", "RESULTS_", "MINISTACK_", "LOCALSTACK_")
_NAMES = frozenset(
    {
        *("AUTH", "BIND_HOST", "GATEWAY_PORT", "EDGE_PORT", "SERVICES", "USE_SSL", "PERSIST_STATE"),
        *("DEVICE_KEY_NAME", "TOPIC_ARN", "LOG_FORMAT", "LOG_LEVEL"),
        *("NAMESPACE", "START", "PUBLISH", "MODEL_EVERY_S", "LINK_TTL_S", "TAKE_OVER_S", "PULSE_FILE"),
    }
)


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without the settings of AWS, of the emulator and of the worker.

    A profile or an endpoint from the caller would send the demo's writes to a real table. ``MODEL_DIR`` stays: the demo
    is also the fastest way to try a bundle.
    """
    return {name: value for name, value in environ.items() if not name.startswith(_PREFIXES) and name not in _NAMES}


def client_environment(environ: Mapping[str, str], url: str) -> dict[str, str]:
    """The variables with which any AWS client talks to the emulator at ``url`` only."""
    exempt = ",".join(filter(None, [environ.get("NO_PROXY") or environ.get("no_proxy"), LOOPBACK]))
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        # A proxy in the caller's environment cannot reach our loopback.
        "NO_PROXY": exempt,
        "no_proxy": exempt,
    }
