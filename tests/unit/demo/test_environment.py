from __future__ import annotations

from demo.environment import client_environment, scrubbed


def test_nothing_that_leads_to_a_real_account_reaches_a_child() -> None:
    """Profiles, keys, endpoints and the worker's own settings of the caller stay behind; the rest is passed on."""
    caller = {
        "PATH": "/bin",
        "MODEL_DIR": "/bundle",
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "secret",
        "AWS_ENDPOINT_URL_DYNAMODB": "https://example.com",
        "BATTERY_TABLE_NAME": "real",
        "RESULTS_BUCKET_NAME": "real",
        "TOPIC_ARN": "real",
        "DEVICE_KEY_NAME": "serial",
        "TAKE_OVER_S": "3600",
        "PULSE_FILE": "/run/pulse",
    }
    assert scrubbed(caller) == {"PATH": "/bin", "MODEL_DIR": "/bundle"}


def test_the_loopback_is_exempt_from_a_proxy_of_the_caller() -> None:
    """What was exempt before stays so."""
    environment = client_environment({"no_proxy": "internal.example"}, "http://127.0.0.1:1")
    assert environment["NO_PROXY"] == environment["no_proxy"] == "internal.example,127.0.0.1"
