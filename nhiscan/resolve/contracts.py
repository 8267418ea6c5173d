"""Whether a partner's access still has a contract, tenant by tenant.

Only contracts that grant access count: an NDA or a DPA never keeps a partner alive, and a date that could not
be read never ends one. A parent's contract covers the partners below it when it says so: subsidiaries, brands
and whatever names a parent without saying how, but never a sub-processor, whose access is its own affair.
"""

from __future__ import annotations

import duckdb

from nhiscan import statements


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills partner_tenants for every partner and tenant with an asserted identity; reads identity_partners."""
    conclude(con)
    con.execute(
        """
        delete from partner_tenants;

        insert into partner_tenants
        select partner_id, tenant_id, is_ended, ended_at, revoke_by, contract_id, has_contract, is_renewal_unconfirmed,
            reason, register_row
        from contract_conclusions
        where tenant_id is not null
        order by partner_id, tenant_id
        """
    )


def conclude(con: duckdb.DuckDBPyConnection) -> None:
    """Fills two temporary tables.

    `covering`: each contract that grants access, once for every partner that it covers, with its state at as_of:
    draft, future, suspended, unreadable, in_force or ended. `contract_conclusions`: partner_tenants, and for each
    partner one row more whose tenant is null: all its contracts together, wherever they apply.
    """
    for name in ("contract_states", "contract_conclusions"):
        con.execute(statements.sql("nhiscan.resolve", name))
