"""What is asked of vectorscan for which pattern, and that what is kept on disk says the same as what was made."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from nhiscan.detect.expressions import database
from nhiscan.detect.precise.detector import Detector, load
from nhiscan.detect.precise.plan import Plan, kept, planned

TOKEN = Detector(
    kind="acme_token",
    title="Token of Acme",
    issuer="acme",
    severity="high",
    confidence=0.9,
    pattern="acm_[0-9a-z]{12}",
    format="acm_ and 12 digits or letters",
    source="https://docs.acme.example",
    true=(),
    false=(),
)


@pytest.mark.parametrize(
    ("pattern", "near", "looked_for"),
    [
        ("acm_[0-9a-z]{12}", None, b"acm_0123456789ab"),
        ("[0-9a-z]{30}", "acme", b"my ACME key"),
        ("[0-9a-z]{30}", r"acme\W+key", b"acme\nkey"),
    ],
)
def test_the_value_is_looked_for_where_it_tells_and_else_its_word(
    pattern: str, near: str | None, looked_for: bytes
) -> None:
    plan = planned([replace(TOKEN, pattern=pattern, near=near)])
    ((number, _),) = plan.of_near.items() if near else plan.of_value.items()
    expression, flags = plan.expressions[number]
    case, dots = (re.IGNORECASE if flags & 1 else 0), (re.DOTALL if flags & 2 else 0)
    assert re.search(expression, looked_for, case | dots)


def test_two_detectors_share_the_look_for_one_word() -> None:
    one, other = (replace(TOKEN, kind=kind, pattern="[0-9a-z]{30}", near="acme") for kind in ("acme_a", "acme_b"))
    assert list(planned([one, other]).of_near.values()) == [[0, 1]]


@pytest.mark.parametrize(("start", "is_looked_for_everywhere"), [("acm", True), ("acm_", False)])
def test_a_value_with_a_common_beginning_is_looked_for_at_every_place(
    start: str, is_looked_for_everywhere: bool
) -> None:
    plan = planned([replace(TOKEN, pattern=f"{start}[0-9a-z]{{12}}")])
    assert list(plan.of_place.values()) == ([[(0, 15)]] if is_looked_for_everywhere else [])


def said(plan: Plan) -> str:
    """In one form, whether lists or tuples hold it."""
    return json.dumps(asdict(plan), default=bytes.hex)


def test_what_is_kept_says_what_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made, again = kept(), kept()
    assert len(list((tmp_path / "nhiscan").glob("*.plan"))) == 1
    assert said(again[1]) == said(made[1])
    unsaid = {"true": (), "false": (), "title": "", "format": "", "source": ""}
    assert list(again[0]) == [replace(detector, **unsaid) for detector in made[0]]  # type: ignore[arg-type] # by name


def test_without_a_home_nothing_is_kept_and_all_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "default_folder", lambda: None)
    detectors, plan = kept()
    assert detectors == load()
    assert plan == planned(detectors)
