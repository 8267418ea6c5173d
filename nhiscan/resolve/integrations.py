"""Fills `integration_facts`: the accounts and apps outside the company that our tenants let in, and whose they are."""

from __future__ import annotations

import duckdb

from nhiscan import statements
from nhiscan.resolve import partners


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads trusts, grants, aliases, identity_facts and app_facts; an alias that its partner shares is a claim too."""
    aliases = con.execute(
        """
        select distinct a.kind, a.value, a.partner_id, a.our_tenant, a.exclusive is not false
        from aliases a
        cross join scans s
        where a.kind in ('aws_account', 'client_id', 'entra_tenant', 'github_org')
            and a.value <> ''
            and a.partner_id in (select partner_id from partners)
            and coalesce(a.valid_from <= cast(s.as_of as date), true)
            and coalesce(a.valid_to >= cast(s.as_of as date), true)
        order by all
        """
    ).fetchall()
    rows = [
        (kind, form, partner_id, our_tenant, exclusive)
        for kind, value, partner_id, our_tenant, exclusive in aliases
        for form in sorted(partners.alias_forms(kind, value))
    ]
    con.execute(
        """
        create or replace temp table integration_aliases as
        select
            unnest($kind::varchar[]) as kind,
            unnest($value::varchar[]) as value,
            unnest($partner_id::varchar[]) as partner_id,
            unnest($our_tenant::varchar[]) as our_tenant,
            unnest($exclusive::boolean[]) as is_exclusive
        """,
        {
            column: [row[number] for row in rows]
            for number, column in enumerate(("kind", "value", "partner_id", "our_tenant", "exclusive"))
        },
    )
    for name in ("ours", "integrations"):
        con.execute(statements.sql("nhiscan.resolve", name))
