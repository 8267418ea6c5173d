"""What is measured, each in a process of its own: ours beside networkx and pandas on the same rows."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from nhiscan import atomic, load, model, rule, store
from nhiscan.resolve import paths

from . import estate
from .assume_steps import assume_graph
from .crm_steps import hubspot_check, hubspot_collect, salesforce_check, salesforce_collect
from .judging import SCAN_ID, judged
from .measured import Measured
from .privilege_steps import privileges_cloudsplaining, privileges_generate, privileges_ours
from .request_steps import requests_ours

RULES: Final = (
    "gov-business-owner-missing",
    "life-issued-never-used",
    "life-key-age-exceeded",
    "life-rotation-not-working",
    "off-contract-ended-access",
    "off-dormant-account-enabled",
)
_SAMPLE: Final = 200_000  # records
_MOST_HOPS: Final = paths.MOST_HOPS


def generate(folder: Path, size: int) -> Measured:
    measured = Measured()
    for name, count in (("estate", size), ("sample", max(size // 50, 200))):
        (folder / name).mkdir()
        with measured.timed(name):
            measured.counts[name] = estate.write(count, folder / name)
    return measured


def load_parquet(folder: Path, size: int) -> Measured:
    """A published scan whose database is gone is rebuilt from its snapshot."""
    del size
    measured = Measured()
    state = folder / "rebuilt"
    snapshot = state / "scans" / SCAN_ID
    snapshot.mkdir(parents=True)
    for table in store.tables():
        shutil.copyfile(folder / "estate" / f"{table}.parquet", snapshot / f"{table}.parquet")
    atomic.write_text(state / "CURRENT", f"{SCAN_ID}\n")
    with measured.timed("load from Parquet"):
        store.database(state)
    shutil.rmtree(state)
    return measured


def load_records(folder: Path, size: int) -> Measured:
    """Records as a collector yields them; making them is not timed, as that is the collector's work."""
    del size
    measured = Measured()
    records = list(_records(folder / "sample"))
    measured.counts["records"] = len(records)
    con = store.empty()
    with measured.timed("load from records"):
        load.load(con, records)
    return measured


def _records(folder: Path) -> Iterator[model.Record]:
    con = duckdb.connect()
    left = _SAMPLE
    for kind in (model.Identity, model.Policy, model.PolicyBinding, model.Membership, model.Credential, model.Tag):
        joins, columns = [], []
        for number, item in enumerate(fields(kind)):
            table = item.metadata.get("ref")
            if table:
                stem = model.KEYED[table]
                file = folder / f"{table}.parquet"
                key = f"{item.name.removesuffix('_id')}_key"
                joins.append(f"join '{file}' r{number} on r{number}.{stem}_key = t.{key}")
                columns.append(f"r{number}.{stem}_id as {item.name}")
            else:
                columns.append(f"t.{item.name}")
        rows = con.execute(
            f"select {', '.join(columns)} from '{folder / kind.table}.parquet' t {' '.join(joins)} limit {left}"
        ).fetchall()
        left -= len(rows)
        names = [item.name for item in fields(kind)]
        for row in rows:
            yield kind(**{name: _aware(value) for name, value in zip(names, row, strict=True)})


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def resolve_and_check(folder: Path, size: int) -> Measured:
    del size
    return judged(folder / "estate", folder / "state")


def _reached(rows: list[tuple[int, int]]) -> str:
    """A short form of (identity_key, hops) for comparing."""
    return hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()[:16]


def _published(folder: Path, table: str) -> Path:
    return folder / "state" / "scans" / SCAN_ID / f"{table}.parquet"


_SEEDS: Final = "select distinct identity_key from privileges where verb = 'admin' and certainty = 'definite'"


def reach_truth(folder: Path, size: int) -> Measured:
    """What was planted."""
    del size
    rows = (
        duckdb.connect().execute(f"select identity_key, hops from '{folder / 'estate' / 'truth'}.parquet'").fetchall()
    )
    return Measured(counts={"reached": len(rows)}, answer=_reached(rows))


def reach_ours(folder: Path, size: int) -> Measured:
    del size
    measured = Measured()
    con = store.empty()
    with measured.timed("build"):
        for table, columns in (
            ("access_edges", "from_key, to_key, kind, certainty, is_rewriting"),
            ("privileges", "identity_key, verb, scope, certainty"),
            ("identities", "identity_key, kind, is_nhi"),
        ):
            con.execute(f"insert into {table} by name select {columns} from '{_published(folder, table)}'")
    with measured.timed("reach"):
        paths.reach(con)
    measured.answer = _reached(
        con.execute("select identity_key, hops from reach where goal = 'admin' and certainty = 'definite'").fetchall()
    )
    return measured


def reach_networkx(folder: Path, size: int) -> Measured:
    """Backwards from the administrators, all at once; with the same next hop rule it would only be slower.

    The way from a hub on is a part of the step to it, so that one counts nothing.
    """
    del size
    import networkx as nx

    measured = Measured()
    con = duckdb.connect()
    with measured.timed("build"):
        edges = con.execute(
            "select to_key, from_key, case when from_key < 0 then 0 else 1 end "
            f"from '{_published(folder, 'access_edges')}' where certainty = 'definite' and kind <> 'member-of'"
        ).fetchall()
        privileges = f"(select * from '{_published(folder, 'privileges')}') as privileges"
        seeds = [key for (key,) in con.execute(_SEEDS.replace("from privileges", f"from {privileges}")).fetchall()]
        graph: Any = nx.DiGraph()
        graph.add_weighted_edges_from(edges)
        graph.add_nodes_from(seeds)
    with measured.timed("reach"):
        found = nx.multi_source_dijkstra_path_length(graph, set(seeds), cutoff=_MOST_HOPS)
    measured.answer = _reached([(key, hops) for key, hops in found.items() if key >= 0])
    return measured


def rules_ours(folder: Path, size: int) -> Measured:
    """The rules' own SQL on a published scan."""
    del size
    measured = Measured()
    rules = {found.rule_id: found for found in rule.load()}
    with measured.timed("open"):
        con = store.open_published(folder / "state")
        ((as_of,),) = con.execute("select as_of from scans").fetchall()
    answer = {}
    with measured.timed("rules"):
        for rule_id in RULES:
            bound = rule.bind(rules[rule_id], {}, as_of=as_of)
            answer[rule_id] = dict(
                con.execute(
                    f"select outcome, count(*) from ({bound.query}) group by outcome", dict(bound.query_values)
                ).fetchall()
            )
    measured.answer = answer
    return measured


def rules_pandas(folder: Path, size: int) -> Measured:
    del size
    from . import pandas_rules

    measured = Measured()
    con = duckdb.connect()
    with measured.timed("open"):
        frames = {
            table: con.execute(f"select {', '.join(columns)} from '{_published(folder, table)}'").df()
            for table, columns in pandas_rules.COLUMNS.items()
        }
    with measured.timed("rules"):
        measured.answer = pandas_rules.outcomes(frames, estate.AS_OF)
    return measured


STEPS: Final[Mapping[str, Callable[[Path, int], Measured]]] = {
    step.__name__: step
    for step in (
        generate,
        load_parquet,
        load_records,
        resolve_and_check,
        reach_truth,
        reach_ours,
        reach_networkx,
        rules_ours,
        rules_pandas,
        privileges_generate,
        privileges_ours,
        privileges_cloudsplaining,
        requests_ours,
        assume_graph,
        salesforce_collect,
        salesforce_check,
        hubspot_collect,
        hubspot_check,
    )
}
