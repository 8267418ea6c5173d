"""What the collector says fits together: no row names what was not collected, nothing is spoilt by loading."""

from __future__ import annotations

from fixtures.aws.simulator import Simulator
from nhiscan import load, store
from nhiscan.resolve import paths, privileges, unused
from tests.aws.conftest import OUR_SCAN, scan


def test_loading_drops_and_spoils_nothing(simulator: Simulator) -> None:
    said = scan(simulator.url, **OUR_SCAN, regions=("us-east-1", "eu-central-1"))
    with store.empty() as con:
        load.load(con, said.records)
        statuses = dict(con.execute("select tenant_id || ' ' || dataset, status from coverage").fetchall())
        counts = {
            table: con.execute(f"select count(*) from {table}").fetchall()[0][0]
            for table in ("grants", "org_nodes", "org_policies", "resources", "service_uses", "settings", "usage")
        }
    assert statuses == {f"{record.tenant_id} {record.dataset}": record.status for record in said.of("coverage")}
    assert counts == {table: len(said.of(table)) for table in counts}


def test_what_access_advisor_answered_is_set_beside_what_policies_grant(simulator: Simulator) -> None:
    said = scan(simulator.url, **OUR_SCAN, regions=("us-east-1",))
    with store.empty() as con:
        load.load(con, said.records)
        for step in (privileges.run, paths.run, unused.run):
            step(con)
        found = con.execute(
            "select u.verb, u.is_used, u.services, u.services_unused, u.evidence from unused_privileges u "
            "join identities i using (identity_key) where i.name = 'upload'"
        ).fetchall()
    evidence = "last used: 2026-01-30 s3; by access advisor of 2026-01-31, which looks back to 2024-12-27"
    assert found == [("read-data", True, 1, 0, evidence)]
