"""One row a resource: whose it is, in which environment it stands and whom its own policy lets in."""

from __future__ import annotations

from typing import Final

import duckdb

from nhiscan import statements
from nhiscan.resolve import names, owners, partners

_ENVIRONMENT_TAGS: Final = frozenset({"env", "environment", "stage"})
# What runs code, by kind; whatever runs as an identity does so too.
_WORKLOADS: Final = ("app", "function", "instance", "job", "pipeline", "project", "task")
_ENVIRONMENTS: Final = {
    "prod": ("live", "prd", "prod", "production"),
    "staging": ("acceptance", "pre-prod", "preprod", "stage", "staging", "stg", "uat"),
    "test": ("qa", "test", "testing", "tst"),
    "dev": ("dev", "develop", "development"),
    "sandbox": ("playground", "poc", "sandbox", "sbx"),
}


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills resource_facts; reads identity_facts. Tags are read as those of identities."""
    partners.read_register(con)
    owners.read_people(con)
    found = con.execute("select distinct name from resource_tags order by name").fetchall()
    words = [(word, environment) for environment, words in _ENVIRONMENTS.items() for word in words]
    con.execute(
        """
        create or replace temp table environment_tags as
        select unnest($name::varchar[]) as name
        """,
        {"name": [name for (name,) in found if names.label(name) in _ENVIRONMENT_TAGS]},
    )
    con.execute(
        """
        create or replace temp table environment_words as
        select unnest($word::varchar[]) as word, unnest($environment::varchar[]) as environment
        """,
        {"word": [word for word, _ in words], "environment": [environment for _, environment in words]},
    )
    con.execute(
        "create or replace temp table workload_kinds as select unnest($kind::varchar[]) as kind",
        {"kind": list(_WORKLOADS)},
    )
    for name in ("ours", "tenants", "resource_facts"):
        con.execute(statements.sql("nhiscan.resolve", name))
