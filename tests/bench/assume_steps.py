"""Who may assume whom among the roles of one account, of which some trust their account and some everybody."""

from __future__ import annotations

import json
import time
from pathlib import Path

import duckdb

from collectors.aws import policies
from nhiscan import load, model, store
from nhiscan.resolve import aws_edges, aws_iam, paths_assume

from .authorization_details import ACCOUNT
from .measured import Measured
from .privilege_steps import details

_TENANT = f"aws:{ACCOUNT}"


def assume_graph(folder: Path, size: int) -> Measured:
    """`pairs`: steps from identity to identity; `edges`: rows that say so; `graph_cpu_ms`: CPU of the graph alone."""
    path, roles = details(folder, size)
    measured = Measured(counts={"roles": roles})
    con = _loaded(path)
    with measured.timed("read policies"):
        documents = aws_iam.Documents(con)
    with measured.timed("combinations"):
        holders = aws_edges.holders(con, documents, wanted="select identity_key from identities")
    before = time.process_time()
    with measured.timed("assume graph"):
        edges = aws_edges.Edges()
        paths_assume.run(con, holders, edges)
        edges.write(con, holders.counts)
    measured.counts["graph_cpu_ms"] = round((time.process_time() - before) * 1000)
    for name, query in _COUNTS.items():
        ((measured.counts[name],),) = con.execute(query).fetchall()
    return measured


_COUNTS = {
    "edges": "select count(*) from access_edges",
    "hubs": "select count(*) from access_hubs",
    "pairs": (
        "select (select count(*) from access_edges where from_key >= 0 and to_key >= 0) + "
        "coalesce(sum(i.entries * o.exits), 0) from "
        "(select to_key as hub, count(*) as entries from access_edges where to_key < 0 group by to_key) i join "
        "(select from_key as hub, count(*) as exits from access_edges where from_key < 0 group by from_key) o "
        "using (hub)"
    ),
}


def _loaded(path: Path) -> duckdb.DuckDBPyConnection:
    found = json.loads(path.read_text(encoding="utf-8"))
    records: list[model.Record] = [model.Tenant(_TENANT, "aws")]
    for number, role in enumerate(found["RoleDetailList"]):
        role_id = f"{_TENANT}:role/{role['RoleName']}"
        records.append(
            model.Identity(role_id, "aws", _TENANT, "workload_role", role["RoleName"], role["Arn"], is_nhi=True)
        )
        kind, principal = (
            ("any", "*")
            if number % 10 == 0
            else ("account", f"arn:aws:iam::{ACCOUNT}:root")
            if number % 10 < 6
            else ("identity", f"arn:aws:iam::{ACCOUNT}:role/app-{number // 2}")
        )
        records.append(
            model.Trust(
                f"{role_id}:trust/1",
                role_id,
                tenant_id=_TENANT,
                mechanism="assume_role",
                principal_kind=kind,
                principal=principal,
                account=None if kind == "any" else ACCOUNT,
            )
        )
    records += policies.policy_records(_TENANT, found["RoleDetailList"], found["Policies"])
    con = store.empty()
    load.load(con, records)
    return con
