"""What the collector says fits together: no row names what was not collected, nothing is spoilt by loading."""

from __future__ import annotations

from fixtures.aws.simulator import Simulator
from nhiscan import load, store
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
