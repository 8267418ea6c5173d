"""Whatever is left to an offboarded partner is found, and where it could not be seen, that is said: random estates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Final

import duckdb
import pytest

from nhiscan.lifecycle import verify
from nhiscan.scan import STAGES
from tests.lifecycle.offboarded import KINDS, NOW, Case, cases, scanned

SEEDS: Final = range(1, 7)
EACH: Final = 35  # 210 offboardings
DATASETS: Final = sorted({planted.shown_by for case in cases(1, EACH) for planted in case.left})


def resolved(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    for stage in STAGES:
        stage(con)
    return con


def verdict(con: duckdb.DuckDBPyConnection, state: Path, case: Case) -> verify.Verdict:
    return verify.verify(con, state, [], (case.partner_id, None), at=NOW, max_age=timedelta(days=1))


def wrong(case: Case, told: verify.Verdict) -> set[str | None]:
    """What lives and was not found, and what was found to live although it was taken back."""
    found = {living.thing_id for living in told.lives}
    left: set[str | None] = {thing for planted in case.left for thing in planted.ids}
    taken: set[str | None] = {thing for planted in case.taken for thing in planted.ids}
    return (left - found) | (taken & found)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_that_is_left_to_offboarded_partners_is_found_and_nothing_that_was_taken_back(
    seed: int, tmp_path: Path
) -> None:
    made = cases(seed, EACH)
    con = resolved(scanned(made))

    for case in made:
        told = verdict(con, tmp_path, case)
        assert not wrong(case, told), case.partner_id
        assert not told.unchecked
        assert told.exit_code == (1 if case.left else 0)
        assert {gone.thing_id for gone in told.gone} >= {gone for taken in case.taken for gone in taken.named}


@pytest.mark.parametrize("shown_by", DATASETS, ids=":".join)
def test_what_could_hide_it_is_said_where_it_was_not_read(shown_by: tuple[str, str], tmp_path: Path) -> None:
    tenant, dataset = shown_by
    made = cases(7, 4)
    con = resolved(scanned(made, unread=shown_by))

    for case in made:
        told = verdict(con, tmp_path, case)
        assert told.exit_code != 0
        assert any(gap.says.startswith(f"{dataset} of {tenant}: denied") for gap in told.unchecked)


def without_one_branch() -> Iterator[tuple[str, str]]:
    script = resources.files("nhiscan.resolve").joinpath("holdings.sql").read_text(encoding="utf-8")
    branches = script.split("    union all\n")
    for number in range(1, len(branches) - 1):
        yield branches[number], "    union all\n".join((*branches[:number], *branches[number + 1 :]))


def test_no_branch_of_the_holdings_could_be_missing_without_being_missed(tmp_path: Path) -> None:
    made = [case for case in cases(94, 16) if case.left]
    assert {kind for case in made for kind in case.kinds} == {kind.__name__ for kind in KINDS}
    con = resolved(scanned(made))

    unmissed = []
    for branch, script in without_one_branch():
        con.execute(script)
        if not any(wrong(case, verdict(con, tmp_path, case)) for case in made):
            unmissed.append(branch)

    assert unmissed == []
