"""The load of all benchmarks: batteries that charge at 1 Hz, one sample in a hundred an anomaly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson

BEGIN = 1_767_225_600
"""2026-01-01, UTC. Charts that lie so far back are not drawn: only openings are, as in any catch-up."""
TABLE, SHARD = "bench", "shardId-00000001767225600000-00000000"
PAGE = 1000
FIRST_SEQUENCE = 10**20
HOT_C = 61.5
SHARE = 0.001
"""Anomalies among all samples, where nothing else is said."""
_WITH_EACH, _APART_S = 5, 37
"""Samples that one hot reading makes anomalies, itself included; how far those of two devices lie apart."""
_NOISE = np.random.default_rng(7).standard_normal((2, 65_536))


def names(count: int) -> list[str]:
    """The names of the devices."""
    return [f"cell-{number:04d}" for number in range(count)]


def reading(second: int, device: int, share: float = SHARE) -> tuple[float, float]:
    """Amperes and degrees Celsius of the ``device``-th battery; ``second`` counts from anywhere. ``share``: of the
    samples that are anomalies."""
    noise_a, noise_c = _NOISE[:, (second + 4099 * device) % _NOISE.shape[1]]
    every_s = round(_WITH_EACH / share)
    hot = (second + _APART_S * device) % every_s == every_s // 2
    return round(2.5 + 0.004 * float(noise_a), 3), HOT_C if hot else round(25.0 + 0.03 * float(noise_c), 2)


def item(device: str, ts: int, values: tuple[float, float]) -> dict[str, dict[str, str]]:
    """A sample as the table has it, in DynamoDB's JSON."""
    current_a, temperature_c = values
    return {
        "device": {"S": device},
        "ts": {"N": str(ts)},
        "current": {"N": str(current_a)},
        "temperature": {"N": str(temperature_c)},
    }


class Charges:
    """The records of a stream, second by second, every device once in each. ``begin``: the first second, epoch s;
    ``share``: see `reading`."""

    def __init__(self, devices: Sequence[str], begin: int = BEGIN, share: float = SHARE) -> None:
        self.devices = devices
        self.begin = begin
        self._share = share
        self.row = 0
        """How many samples were made."""

    @property
    def second(self) -> int:
        """Of the next sample, epoch seconds."""
        return self.begin + self.row // len(self.devices)

    def records(self, count: int) -> list[bytes]:
        """The next records, as GetRecords has each in JSON."""
        return [self._record() for _ in range(count)]

    def _record(self) -> bytes:
        second, device = divmod(self.row, len(self.devices))
        ts = self.begin + second
        image = item(self.devices[device], ts, reading(second, device, self._share))
        sequence = str(FIRST_SEQUENCE + self.row)
        self.row += 1
        change = {
            "ApproximateCreationDateTime": ts,
            "Keys": {"device": image["device"], "ts": image["ts"]},
            "NewImage": image,
            "SequenceNumber": sequence,
            "SizeBytes": 90,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        about = {"eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1"}
        return orjson.dumps({"eventID": f"{self.row:032x}", **about, "dynamodb": change})


def pages(records: Sequence[bytes], size: int = PAGE) -> list[list[bytes]]:
    """Records in pages."""
    return [list(records[n : n + size]) for n in range(0, len(records), size)]
