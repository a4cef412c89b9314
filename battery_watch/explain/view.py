"""Shows the result of `recheck`: for people, or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from battery_watch.explain.comparison import Difference
from battery_watch.explain.recheck import Checked, reasons
from reporting.contract.events import ChartLink, utc
from reporting.names import flat
from scoring.detectors import DETECTORS
from scoring.feature_words import WORDS

_BAR = 24
_SHOWN = 0.01
"""Smaller shares are summed up in one row."""


def as_json(checked: Checked) -> dict[str, Any]:
    """Everything. ``said``: what was sent or, without a message, archived. ``now``: the evidence as of today."""
    now = checked.now
    return {
        "event": checked.request.id,
        "device": checked.device,
        "ts": checked.ts,
        "datetime": utc(checked.ts).isoformat().replace("+00:00", "Z"),
        "model": checked.model,
        "agreement": checked.agreement,
        "why": reasons(checked),
        "differs_from_message": _listed(checked.of_message),
        "differs_from_archive": _listed(checked.of_archive),
        "summary": _sentence(checked),
        "said": checked.then,
        "now": None if now is None else _content(checked),
        "archive": {"bucket": checked.bucket, "key": checked.key, "found": checked.line is not None},
        "chart": {"bucket": checked.bucket, "key": checked.chart} if checked.chart else None,
    }


def show(checked: Checked, console: Console) -> None:
    """For people: as of now, or as published then if the table no longer has the sample."""
    of = _content(checked)
    at = f"{utc(checked.ts):%Y-%m-%d %H:%M:%S.%f}"[:-3]
    console.print(Text(f"{flat(str(of['severity'])).upper()}: {flat(checked.device)} at {at} UTC", "bold"))
    console.print(Text(flat(_sentence(checked), longest=None)))
    console.print(_readings(of))
    console.print(_rules(of))
    console.print(_scores(of))
    console.print(_shares(of["contributions"]))
    if "forest_features" in of:
        console.print(_forest(of["forest_features"]))
    for name, value in _places(checked, of).items():
        console.print(Text.assemble((f"{name:9}", "bold"), flat(value, longest=None)), soft_wrap=True)
    console.print()
    _agreement(checked, console)


def _content(checked: Checked) -> Mapping[str, Any]:
    return checked.then if checked.now is None else _now(checked)


def _now(checked: Checked) -> dict[str, Any]:
    assert checked.now is not None
    return checked.now.content()


def _sentence(checked: Checked) -> str:
    if checked.now is not None:
        return checked.now.explanation.sentence
    return str(checked.then.get("summary", "The archive keeps no sentence; the numbers are those it has."))


def _readings(of: Mapping[str, Any]) -> Table:
    table = _table("", "actual", "expected", "normal here")
    for name, key, unit, digits in (("current", "current_a", "A", 3), ("temperature", "temperature_c", "°C", 2)):
        band, expected = of.get("expected_band"), of.get("expected")
        table.add_row(
            name,
            f"{of['actual'][key]:.{digits}f} {unit}",
            f"{expected[key]:.{digits}f} {unit}" if expected else "not known",
            f"{band[key][0]:.{digits}f} to {band[key][1]:.{digits}f} {unit}" if band else "not known",
        )
    return table


def _rules(of: Mapping[str, Any]) -> Table:
    table = _table("rules met", "value", "limit")
    for rule in of.get("rules", ()):
        about = f" of the {rule['reading']}" if "reading" in rule else ""
        table.add_row(f"{rule['rule'].replace('_', ' ')}{about}", f"{rule['value']:.6g}", f"{rule['limit']:.6g}")
    if not of.get("rules"):
        table.add_row("none: no anomaly", "", "")
    return table


def _scores(of: Mapping[str, Any]) -> Table:
    table = _table("", "score", "trained threshold", "")
    for each in DETECTORS:
        score = of["scores"][each.key]
        side = each.alarms if score["exceeded"] else {"above": "not above", "below": "not below"}[each.alarms]
        table.add_row(each.label, f"{score['value']:.6g}", f"{score['threshold']:.6g}", side)
    return table


def _shares(shares: Mapping[str, float]) -> Table:
    table = _table("shares in the reconstruction error", "", "")
    ordered = sorted(shares.items(), key=lambda each: -each[1])
    top = ordered[0][1] or 1.0
    rest = 0.0
    for name, share in ordered:
        if share >= _SHOWN:
            table.add_row(WORDS[name][0], f"{share:.1%}", "█" * max(1, round(_BAR * share / top)))
        else:
            rest += share
    if rest > 0:
        table.add_row("the others", f"{rest:.1%}", "")
    return table


def _forest(features: Mapping[str, float]) -> Table:
    table = _table("the forest's features", "rise", "")
    top = max(features.values(), default=1.0)
    for name, rise in features.items():
        table.add_row(WORDS[name][0], f"+{rise:.3f}", "█" * max(1, round(_BAR * rise / top)))
    if not features:
        table.add_row("none of its own: the combination", "", "")
    return table


def _places(checked: Checked, of: Mapping[str, Any]) -> dict[str, str]:
    found = {
        "kinds": ", ".join(kind.replace("_", " ") for kind in of.get("kinds", ())) or "none",
        "rarity": str(of["rarity"]),
        "bundle": checked.model,
        "event": checked.request.id,
        "archive": f"s3://{checked.bucket}/{checked.key}" + ("" if checked.line else " (no line of this sample)"),
        "chart": f"s3://{checked.bucket}/{checked.chart}" if checked.chart else "none yet that shows it",
    }
    link = checked.request.sent.chart if checked.request.sent is not None else None
    if link is not None and link.expires > datetime.now(UTC):
        found["link"] = _link(link)
    return found


def _link(link: ChartLink) -> str:
    return f"{link.url} (until {link.expires:%Y-%m-%d %H:%M} UTC)"


def _agreement(checked: Checked, console: Console) -> None:
    compared = " and ".join(name for name, _ in _accounts(checked))
    if checked.agreement == "bits":
        console.print(Text(f"Scored again, all numbers agree to the bit with {compared}.", "bold green"))
    elif checked.agreement == "rounding":
        console.print(Text(f"Scored again, all numbers agree with {compared}, but not to the bit.", "bold green"))
    elif checked.now is None:
        console.print(Text("Not scored again.", "bold red"))
    else:
        console.print(Text(f"Scored again, the numbers do not agree with {compared}.", "bold red"))
    if checked.agreement == "no":
        sent = [(name, found) for name, found in _accounts(checked) if found]
        if len(sent) == 2 and {*map(_key, sent[1][1])} <= {*map(_key, sent[0][1])}:
            sent = [(compared, sent[0][1])]
        for name, found in sent:
            console.print(_differences(name, found))
    for reason in reasons(checked):
        console.print(Text(f"Why: {reason}."))


def _accounts(checked: Checked) -> list[tuple[str, list[Difference]]]:
    """The accounts to compare with, and what differs from each."""
    both = (("the message", checked.of_message), ("the archive", checked.of_archive))
    return [(name, found) for name, found in both if found is not None]


def _key(found: Difference) -> tuple[str, str]:
    return found.field, repr(found.then)


def _differences(name: str, found: list[Difference]) -> Table:
    table = _table(f"differs from {name}", "then", "now")
    shares = [each for each in found if each.field.startswith("contributions.")]
    for each in found:
        if each not in shares and (each.field != "summary" or len(found) == 1):
            table.add_row(*(Text(flat(said)) for said in (each.field, *_short(each.then, each.now))))
    if shares:
        table.add_row("contributions", "", f"{len(shares)} of them")
    return table


def _short(*values: Any) -> list[str]:
    """With six digits where these show the difference."""
    texts = [f"{each:.6g}" if isinstance(each, float) else "-" if each is None else str(each) for each in values]
    if len({*texts}) < len(texts):
        texts = [str(each) for each in values]
    return [text if len(text) <= 40 else f"{text[:37]}..." for text in texts]


def _listed(found: list[Difference] | None) -> list[dict[str, Any]] | None:
    return None if found is None else [{"field": d.field, "then": d.then, "now": d.now} for d in found]


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place in (0, len(headings) - 1) else "right", no_wrap=True)
    return table
