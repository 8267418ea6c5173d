"""The risk score: worked examples, and what must hold for every input."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from typing import Any

import duckdb
import pytest

SEVERITIES = ["info", "low", "medium", "high", "critical"]
FACTORS = [0.1, 0.25, 0.4, 0.55, 0.8, 1.0]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute((files("nhiscan.check") / "score.sql").read_text(encoding="utf-8"))
        yield con


def value(con: duckdb.DuckDBPyConnection, expression: str, *values: Any) -> Any:
    return con.execute(f"select {expression}", list(values)).fetchall()[0][0]


@pytest.mark.parametrize(
    ("severity", "exposure", "privilege", "risk", "expected"),
    [
        ("critical", 1.0, 1.0, 1.0, 100),
        ("critical", 0.8, 0.85, 0.8, 89),
        ("high", 0.6, 0.65, 0.55, 66),
        ("medium", 0.8, 0.25, 0.3, 43),
        ("low", 0.6, 0.25, 0.3, 31),
        ("critical", 0.4, 1.0, 0.3, 69),
    ],
)
def test_the_worked_examples_come_out(
    con: duckdb.DuckDBPyConnection, severity: str, exposure: float, privilege: float, risk: float, expected: int
) -> None:
    score = value(con, "risk_score(?, ?, ?, ?, 0)", severity, exposure, privilege, risk)
    assert score == pytest.approx(expected, abs=0.5)


def test_equal_factors_give_themselves(con: duckdb.DuckDBPyConnection) -> None:
    assert value(con, "risk_score('medium', 0.5, 0.5, 0.5, 0)") == 50.0


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_score_never_falls_when_a_factor_rises(con: duckdb.DuckDBPyConnection, place: int) -> None:
    fixed = [0.5, 0.5, 0.5]
    scores = []
    for factor in FACTORS:
        given = [*fixed[: place - 1], factor, *fixed[place:]]
        scores.append(value(con, "risk_score('medium', ?, ?, ?, 0)", *given))
    assert all(lower < higher for lower, higher in pairwise(scores))


def test_a_score_rises_with_severity(con: duckdb.DuckDBPyConnection) -> None:
    scores = [value(con, "risk_score(?, 0.5, 0.5, 0.5, 0)", severity) for severity in SEVERITIES]
    assert all(lower < higher for lower, higher in pairwise(scores))


def test_a_privilege_factor_rises_with_the_level(con: duckdb.DuckDBPyConnection) -> None:
    factors = [value(con, "privilege_factor(?)", level) for level in range(6)]
    assert factors == [pytest.approx(f) for f in (0.1, 0.25, 0.45, 0.65, 0.85, 1.0)]


def test_an_unknown_level_has_no_factor(con: duckdb.DuckDBPyConnection) -> None:
    assert value(con, "privilege_factor(cast(null as bigint))") is None


def test_scores_stay_between_0_and_100(con: duckdb.DuckDBPyConnection) -> None:
    least = value(con, "risk_score('info', 0.1, 0.1, 0.1, 0)")
    most = value(con, "risk_score('critical', 1, 1, 1, 0)")
    assert (least, most) == (10.0, 100.0)


def test_a_floor_lifts_and_never_lowers(con: duckdb.DuckDBPyConnection) -> None:
    assert value(con, "risk_score('critical', 0.4, 0.1, 0.1, 60)") == 60.0
    assert value(con, "risk_score('critical', 1, 1, 1, 60)") == 100.0


@pytest.mark.parametrize(
    ("score", "band"),
    [
        (80, "critical"),
        (79.9, "high"),
        (60, "high"),
        (59.9, "medium"),
        (40, "medium"),
        (39.9, "low"),
        (20, "low"),
        (19.9, "info"),
    ],
)
def test_bands_begin_where_documented(con: duckdb.DuckDBPyConnection, score: float, band: str) -> None:
    assert value(con, "score_band(?::double)", score) == band


def test_a_cap_lowers_and_never_lifts_a_band(con: duckdb.DuckDBPyConnection) -> None:
    assert value(con, "lower_band('critical', 'medium')") == "medium"
    assert value(con, "lower_band('low', 'medium')") == "low"


@pytest.mark.parametrize(
    ("scores", "expected"), [([62], 62.0), ([62, 55, 50, 41], 68.5), ([62] + [45] * 30, 81.3), ([100] * 9, 100.0)]
)
def test_volume_adds_slowly(con: duckdb.DuckDBPyConnection, scores: list[float], expected: float) -> None:
    assert value(con, "roll_up(?::double, ?::double)", max(scores), sum(scores)) == expected
