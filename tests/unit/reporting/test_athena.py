"""The table definition for Athena against the archive's own lines and keys."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from explained import explained
from repository import ROOT

from reporting.anomaly.evidence import Evidence
from reporting.keys import minute_key
from scoring.detectors import Stage
from scoring.explanation import Band
from scoring.faults import Forecast
from scoring.rules import Rule
from scoring.severity import Severity

SQL = (ROOT / "docs" / "athena.sql").read_text()
DEFINITION = re.sub(r"--.*", "", SQL).split(";")[0]
SCALARS = {"string": str, "double": (int, float), "boolean": bool, "int": int}
TOLD = explained()
EVIDENCE = Evidence(
    "rack/7", 1_784_989_507.25, 7.5, 41.0, 60.5, 53.25, -0.75, -0.5, Stage.FOREST, Severity.HIGH, TOLD, "bw-x"
)
FULL = replace(
    EVIDENCE,
    explanation=replace(
        TOLD,
        rules=(Rule("change", 61.5, 3.8, "current"),),
        band=Band((2.4, 2.6), (25.0, 26.0)),
        forecast=Forecast("temperature", Severity.MEDIUM, 50.0, 1_784_989_600.0, 92.75, 0.25),
        forest={"temperature": 0.1},
    ),
)


def split(text: str) -> list[str]:
    """By the commas that stand in no bracket."""
    parts, depth, begin = [], 0, 0
    for at, c in enumerate(text):
        depth += (c in "<(") - (c in ">)")
        if c == "," and depth == 0:
            parts.append(text[begin:at])
            begin = at + 1
    return [*parts, text[begin:]]


def columns(text: str) -> dict[str, str]:
    """Names and types of a list of columns."""
    return {name.strip("`"): kind for name, kind in (each.split(None, 1) for each in split(text))}


def bracket(after: str) -> str:
    """What stands in the bracket that follows."""
    begin = DEFINITION.index("(", DEFINITION.index(after)) + 1
    depth, at = 1, begin
    while depth:
        depth += {"(": 1, ")": -1}.get(DEFINITION[at], 0)
        at += 1
    return DEFINITION[begin : at - 1]


def assert_fits(kind: str, value: Any, where: str) -> None:
    """A JSON value is what a type of Athena's says, no field more and none less."""
    name, _, inside = "".join(kind.split()).partition("<")
    inside = inside.removesuffix(">")
    if name == "struct":
        fields = dict(each.split(":", 1) for each in split(inside))
        assert list(fields) == list(value), where
        for field, of in fields.items():
            assert_fits(of, value[field], f"{where}.{field}")
    elif name == "map":
        assert split(inside)[0] == "string"
        for key, each in value.items():
            assert_fits(split(inside)[1], each, f"{where}[{key}]")
    elif name == "array":
        assert isinstance(value, list), where
        for each in value:
            assert_fits(inside, each, where)
    else:
        assert isinstance(value, SCALARS[name]), where
        assert isinstance(value, bool) == (name == "boolean"), where


def test_the_columns_are_those_of_an_archive_line() -> None:
    """All of them, in its order and of its types: names of structs and columns are compared with a full line."""
    line = json.loads(FULL.line())
    found = columns(bracket("battery_events"))
    assert list(found) == list(line)
    for name, kind in found.items():
        assert_fits(kind, line[name], name)
    assert list(json.loads(EVIDENCE.line())) == [
        name for name in found if name not in ("expected_band", "forecast", "forest_features")
    ]


def test_a_struct_with_a_field_more_or_less_does_not_fit() -> None:
    """What the test above leans on."""
    assert_fits("struct<a:double,b:array<string>>", {"a": 1.0, "b": ["x"]}, "")
    for value in ({"a": 1.0}, {"a": 1.0, "b": [], "c": 1}, {"a": "1", "b": []}, {"a": True, "b": []}):
        with pytest.raises(AssertionError):
            assert_fits("struct<a:double,b:array<string>>", value, "")


def test_a_projected_partition_is_where_the_archive_writes() -> None:
    """By the template, with the values as projection writes them; no partition has a column's name."""
    partitions = columns(bracket("PARTITIONED BY"))
    assert partitions == {"device_folder": "string", "dt": "string", "hour": "int"}
    assert not set(partitions) & set(columns(bracket("battery_events")))
    said = dict(re.findall(r"'([\w.]+)' = '([^']*)'", bracket("TBLPROPERTIES")))
    assert said["projection.enabled"] == "true"
    assert {name: said[f"projection.{name}.type"] for name in partitions} == {
        "device_folder": "injected",
        "dt": "date",
        "hour": "integer",
    }
    assert (said["projection.dt.format"], said["projection.hour.range"]) == ("yyyy-MM-dd", "0,23")
    key = minute_key("rack/7", 1_784_955_907.25)  # 2026-07-25 05:05:07 UTC
    hour = "5".zfill(int(said["projection.hour.digits"]))
    values = {"device_folder": "rack%2F7", "dt": "2026-07-25", "hour": hour}
    place = re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], said["storage.location.template"])
    assert place == f"s3://BUCKET/{key.rsplit('/', 1)[0]}/"


def test_every_query_names_a_device() -> None:
    """Athena refuses a query without one where the partition is injected."""
    queries = [each for each in re.sub(r"--.*", "", SQL).split(";")[1:] if each.strip()]
    assert len(queries) == 2
    for query in queries:
        assert re.search(r"device_folder (=|IN) ", query)
        assert re.search(r"\bdt (=|BETWEEN) ", query)
