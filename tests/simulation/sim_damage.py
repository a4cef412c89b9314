"""What people and programs do to the bucket: state that is deleted, saved and put back, a bucket that is gone."""

from __future__ import annotations

from collections.abc import Mapping

from sim_bucket import Bucket, Stored

SAVE = "state saved"
DAMAGE = (
    "heads deleted",
    "windows deleted",
    SAVE,
    "heads restored",
    "windows restored",
    "state restored",
    "bucket deleted",
)
"""``restored``: as it was when it was saved last, whatever has been written since."""
_NAMES = {"heads": ("/head",), "windows": ("/windows",), "state": ("/head", "/windows")}


class Damage:
    """Does it to one bucket. A host that is alive is not asked."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._saved: Mapping[str, Stored] = {}

    def do(self, what: str) -> None:
        """One of `DAMAGE`."""
        objects = self._bucket.objects
        if what == "bucket deleted":
            objects.clear()
            self._bucket.exists = False
            return
        if what == SAVE:
            self._saved = {key: objects[key] for key in self._of("state")}
            return
        part, change = what.split()
        for key in self._of(part):
            if change == "deleted" or key not in self._saved:
                del objects[key]
        if change == "restored":
            objects.update({key: kept for key, kept in self._saved.items() if key.endswith(_NAMES[part])})

    def _of(self, part: str) -> list[str]:
        return [key for key in self._bucket.objects if key.startswith("state/") and key.endswith(_NAMES[part])]
