"""Where secret values are, which of them are equal, and which credential each one is.

A value joins the inventory by an id that it carries (an access key id, a service account's address), by standing beside
such an id, by a label that names it, or by being equal to a value that does. Else the link ends at the place where it
was seen.
"""

from __future__ import annotations

import duckdb

from nhiscan import statements


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills secret_places, leak_facts and credential_sources; reads identity_facts and resource_facts."""
    for name in ("secret_links", "secret_places", "leak_facts", "credential_sources"):
        con.execute(statements.sql("nhiscan.resolve", name))
