"""Prints how many privileges the roles of a file of authorization details hold: a whole process, to be measured."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from collectors.aws import identities, policies
from nhiscan import load, model, store
from nhiscan.resolve import privileges
from tests.bench.authorization_details import ACCOUNT

_TENANT: Final = f"aws:{ACCOUNT}"


def main(path: Path) -> None:
    gc.set_threshold(100_000, 20, 20)  # as the command line does
    con = duckdb.connect()
    con.execute(store.schema_sql())
    load.load(con, list(_records(json.loads(path.read_text(encoding="utf-8")))))
    privileges.run(con)
    counted = {
        "rows": "select count(*) from privileges",
        "administrators": "select count(*) from privileges where verb = 'admin' and certainty = 'definite'",
    }
    print(json.dumps({name: con.execute(sql).fetchall()[0][0] for name, sql in counted.items()}))


def _records(details: dict[str, Any]) -> Iterator[model.Record]:
    roles = details["RoleDetailList"]
    yield model.Tenant(_TENANT, "aws")
    for dataset in ("identities", "policies", "memberships"):
        yield model.Coverage("aws", _TENANT, dataset, "complete")
    for role in roles:
        role["CreateDate"] = datetime.fromisoformat(role["CreateDate"])
        yield from identities.role_records(_TENANT, role, last_use_was_read=False)
    yield from policies.policy_records(_TENANT, roles, details["Policies"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
