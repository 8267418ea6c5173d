"""What imported findings would lead to in a published scan: the same links as the next scan makes, shown at once."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from nhiscan import statements
from nhiscan.imports import Imported
from nhiscan.resolve import sightings
from nhiscan.store import quoted


@dataclass(frozen=True)
class Trace:
    """Where one finding leads. `evidence`: how that is known, or why the link ends where it does."""

    place: str
    kind: str
    credential: str | None
    identity: str | None
    partner: str | None
    owner: str | None
    is_live: bool | None
    last_used_at: datetime | None
    evidence: str


def follow(database: Path, imported: Iterable[Imported]) -> list[Trace]:
    """One trace for each finding, those that lead furthest first; the published scan stays as it is."""
    with tempfile.TemporaryDirectory(prefix="nhiscan-") as folder:
        copy = Path(shutil.copyfile(database, Path(folder) / "scan.duckdb"))
        rows = Path(folder) / "imported.jsonl"
        with rows.open("w", encoding="utf-8") as out:
            out.writelines(f"{json.dumps(row)}\n" for one in imported for row in _rows(one))
        with duckdb.connect(str(copy)) as con:
            columns = con.execute("describe sightings").fetchall()
            types = ", ".join(f"'{name}': '{kind}'" for name, kind, *_ in columns)
            con.execute(
                "create temp table imported as select * from read_json("
                f"'{quoted(rows)}', format = 'newline_delimited', columns = {{{types}}})"
            )
            con.execute("insert into sightings by name select * from imported")
            sightings.run(con)
            told = con.execute(statements.sql("nhiscan", "trace")).fetchall()
    return [Trace(*row) for row in told]


def _rows(imported: Imported) -> Iterator[dict[str, Any]]:
    """The findings as rows of `sightings`, as far as links are made of them, beside what the scan saw there itself."""
    for number, row in enumerate(imported.rows):
        yield {
            "sighting_id": f"imported/{imported.place}/{imported.tool}/{number}",
            "provider": "files",
            "tenant_id": f"files:{imported.place}",
            "where_kind": "repo",
            "location": f"{imported.place}: {row.path}",
            "kind": row.kind,
            "fingerprint": row.fingerprint,
            "name": row.name,
            "native_id": row.native_id,
            "issuer": row.issuer,
            "issuer_tenant": row.issuer_tenant,
            "is_test": row.is_test,
            "path": row.path,
            "line": row.line,
        }
