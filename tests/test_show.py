"""What `nhiscan show` takes for the id of a case or finding."""

from __future__ import annotations

import duckdb
import pytest

from nhiscan import show, store
from nhiscan.errors import QueryError


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = store.empty()
    con.execute("insert into cases (case_id) values ('aaaaaaaaaa0000000000'), ('bbbbbbbbbb0000000000')")
    con.execute("insert into findings (finding_id) values ('aaaaaaaaaa1111111111'), ('cccccccccc0000000000')")
    return con


def test_the_beginning_of_an_id_means_the_one_thing_that_has_it(con: duckdb.DuckDBPyConnection) -> None:
    assert show.anything(con, "bbbbbbbbbb")[0].title == "case"
    assert show.anything(con, "cccccccccc")[0].title == "finding"


def test_a_beginning_of_several_ids_names_them(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError) as caught:
        show.anything(con, "aaaaaaaaaa")
    assert caught.value.hint == "take one of the ids: aaaaaaaaaa0000000000, aaaaaaaaaa1111111111"


def test_a_beginning_too_short_to_mean_one_is_not_taken(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError, match="no identity, credential, finding or case 'bbbbb'"):
        show.anything(con, "bbbbb")


def titles(con: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    return [section.title for section in show.anything(con, name)]


def test_resources_policies_and_integrations_are_shown_by_their_ids() -> None:
    con = store.empty()
    con.execute("insert into resource_facts (resource_id, native_id) values ('aws:1:function/sync', 'arn:sync')")
    con.execute("insert into policies (policy_id, native_id) values ('vault:main:acl/kontor', 'kontor')")
    con.execute("insert into integration_facts (integration_id) values ('aws:1:account/333333333331')")
    assert titles(con, "arn:sync")[0] == "resource"
    assert titles(con, "kontor")[0] == "policy"
    assert titles(con, "aws:1:account/333333333331")[0] == "integration"


def test_a_name_of_several_resources_lists_them() -> None:
    con = store.empty()
    con.execute("insert into resource_facts (resource_id, native_id) values ('a', 'same'), ('b', 'same')")
    with pytest.raises(QueryError) as caught:
        show.anything(con, "same")
    assert caught.value.hint == "take one of the ids: a, b"
