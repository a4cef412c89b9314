"""The licences of the image's packages, from the packages' own metadata.

`python -m infra.supply.licences docs/licences.md` writes the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import metadata
from pathlib import Path

from infra.supply.lock import RUNTIME, pins

CLASSIFIER = "License :: OSI Approved :: "
PAGE = """\
# Licences

Of the Python packages in the image, from their own metadata. `make licences` writes this page from
`requirements/runtime.txt`, and a test holds it to that. Wheels also carry libraries of others (OpenBLAS in numpy,
FreeType in pillow, what `ThirdPartyNotices.txt` of onnxruntime names): their texts lie in the packages' folders in the
image. The system below is the base image's, with its own licences.

| package | licence |
|---|---|
"""


def licence(package: str) -> str:
    """A package's licence in a line. Raises `LookupError` if its metadata name none."""
    about = metadata(package)
    said: str | None = about["License-Expression"]
    if said:
        return said
    # Older packages: the classifiers have fixed words; the free text may be a name or the whole licence.
    classified = [each.removeprefix(CLASSIFIER) for each in about.get_all("Classifier", []) if CLASSIFIER in each]
    if classified:
        return ", ".join(classified)
    free: str = about["License"] or ""
    if free and "\n" not in free:
        return free
    raise LookupError(f"the metadata of {package} name no licence")


def page(packages: Iterable[str]) -> str:
    """The page for people: one row per package, in the order of names."""
    return PAGE + "".join(f"| {name} | {licence(name)} |\n" for name in sorted(packages))


if __name__ == "__main__":
    found = page(pin.name for pin in pins(RUNTIME.read_text(encoding="utf-8")))
    Path(sys.argv[1]).write_text(found, encoding="utf-8")
