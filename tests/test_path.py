"""What `nhiscan path` finds: the shortest definite way, else the shortest doubtful one, and what allows each step."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from nhiscan import path, remedy, store
from nhiscan.cli import cli
from nhiscan.errors import QueryError
from tests.report.estate import insert

AWS = "aws:111111111111"
HOSTILE = "x'; drop table scans; --\n\x1b[31m<script>\u202e" + "long" * 500


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    """Five identities, of which the fifth is an administrator by a policy."""
    con = store.empty()
    for key, name in enumerate(("ci", "deploy", "build", "ops", "root"), 1):
        identity(con, key, name)
    insert(con, "policies", {"policy_key": 7, **thing("policy", "everything", kind="customer_managed")})
    insert(
        con,
        "privileges",
        {"identity_key": 5, "verb": "admin", "certainty": "definite", "policy_key": 7, "statement": "all of it"},
    )
    reach(con, 5, 0, None)
    return con


def thing(word: str, name: str, **more: Any) -> dict[str, Any]:
    native_id = f"arn:aws:iam::111111111111:{word}/{name}"
    told = {f"{word}_id": f"{AWS}:{word}/{name}", "provider": "aws", "tenant_id": AWS, "name": name}
    return {**told, "native_id": native_id, **more}


def identity(con: duckdb.DuckDBPyConnection, key: int, name: str, **more: Any) -> None:
    told = thing("role", name, kind="workload_role", **more)
    insert(con, "identities", {"identity_key": key, "identity_id": told.pop("role_id"), **told})


def edge(con: duckdb.DuckDBPyConnection, start: int, end: int, certainty: str = "definite", **more: Any) -> None:
    told = {"kind": "may-assume", "is_rewriting": False, "evidence": f"{start} to {end}", **more}
    insert(con, "access_edges", {"from_key": start, "to_key": end, "certainty": certainty, **told})


def reach(con: duckdb.DuckDBPyConnection, key: int, hops: int, next_key: int | None, **more: Any) -> None:
    row = {"goal": "admin", "certainty": "definite", **more}
    insert(con, "reach", {"identity_key": key, "hops": hops, "next_key": next_key, **row})


def told(con: duckdb.DuckDBPyConnection, start: str, to: str | None = None) -> tuple[str | None, list[str], bool]:
    """Certainty, evidence of the steps in their order, and whether the scan lacks the rest."""
    way = path.ask(con, f"{AWS}:role/{start}", to=None if to is None else f"{AWS}:role/{to}").way
    if way is None:
        return None, [], False
    return way.certainty, ["; ".join(step.evidence) for step in way.steps], way.is_cut


def test_the_way_to_an_administrator_is_the_one_that_the_scan_holds(con: duckdb.DuckDBPyConnection) -> None:
    edge(con, 1, 2)
    edge(con, 2, 5)
    reach(con, 1, 2, 2)
    reach(con, 2, 1, 5)
    assert told(con, "ci") == ("definite", ["1 to 2", "2 to 5"], False)


def test_an_administrator_comes_with_what_makes_it_one(con: duckdb.DuckDBPyConnection) -> None:
    answer = path.ask(con, f"{AWS}:role/root", to=None)
    assert answer.way == path.Way("definite", ())
    assert [(right.statement, right.policy and right.policy.name) for right in answer.rights] == [
        ("all of it", "everything")
    ]


def test_who_reaches_no_administrator_has_no_way(con: duckdb.DuckDBPyConnection) -> None:
    edge(con, 1, 2)
    assert told(con, "ci") == (None, [], False)


def test_an_empty_scan_says_that_it_holds_nobody() -> None:
    with pytest.raises(QueryError) as caught:
        path.ask(store.empty(), "aws:1:role/x", to=None)
    assert caught.value.hint == "the scan holds none"


def test_a_step_through_a_hub_is_one_step_with_both_sides(con: duckdb.DuckDBPyConnection) -> None:
    insert(con, "access_hubs", {"hub_key": -3, "name": "whoever the account lets in"})
    edge(con, 1, -3, policy_key=7, statement="allow assume", evidence="the right")
    edge(con, -3, 5, evidence="the trust")
    reach(con, 1, 1, 5)
    way = path.ask(con, f"{AWS}:role/ci", to=None).way
    assert way is not None
    (step,) = way.steps
    assert (step.start.name, step.end.name, step.through) == ("ci", "root", "whoever the account lets in")
    assert step.evidence == ("the right", "the trust")
    assert [(side.policy and side.policy.name, side.statement) for side in step.permissions] == [
        ("everything", "allow assume")
    ]


def test_of_several_ways_of_a_step_the_surest_is_told_and_the_others_are_counted(
    con: duckdb.DuckDBPyConnection,
) -> None:
    edge(con, 1, 5, "potential", evidence="if it is so")
    edge(con, 1, 5, evidence="for sure", path_id="lambda-003")
    insert(con, "access_hubs", {"hub_key": -1, "name": "hub"})
    edge(con, 1, -1)
    edge(con, -1, 5, "conditional")
    reach(con, 1, 1, 5)
    answer = path.ask(con, f"{AWS}:role/ci", to=None)
    assert answer.way is not None
    (step,) = answer.way.steps
    assert (step.evidence, step.other_ways) == (("for sure",), 2)
    assert "2 other ways" in remedy.shape(answer)["steps"][0]["to_break"]


def test_who_rewrites_its_own_rights_is_one_step_away(con: duckdb.DuckDBPyConnection) -> None:
    edge(con, 2, 2, kind="may-change", is_rewriting=True)
    edge(con, 1, 2)
    reach(con, 1, 2, 2)
    reach(con, 2, 1, 2)
    assert told(con, "ci") == ("definite", ["1 to 2", "2 to 2"], False)
    assert remedy.shape(path.ask(con, f"{AWS}:role/deploy", to=None))["steps"][0]["says"].startswith(
        "may rewrite its own rights"
    )


def test_rewriting_somebody_harmless_is_told_and_not_assuming_it(con: duckdb.DuckDBPyConnection) -> None:
    edge(con, 1, 2, evidence="assumes")
    edge(con, 1, 2, kind="may-change", is_rewriting=True, evidence="rewrites")
    reach(con, 1, 1, 2)
    assert told(con, "ci") == ("definite", ["rewrites"], False)


def test_a_way_that_depends_on_something_says_which_step(con: duckdb.DuckDBPyConnection) -> None:
    edge(con, 1, 2, "conditional")
    edge(con, 2, 5)
    reach(con, 1, 2, 2, certainty="potential")
    reach(con, 2, 1, 5)
    shape = remedy.shape(path.ask(con, f"{AWS}:role/ci", to=None))
    assert shape["certainty"] == "potential"
    assert [step["certainty"] for step in shape["steps"]] == ["conditional", "definite"]


@pytest.mark.parametrize(
    ("provider", "path_id", "title", "fix"),
    [
        ("aws", "lambda-003", "Replace the code of a function", "workloads whose role may do no more"),
        ("vault", "vault-approle-secret-id", "makes a secret id and knows the role id", "bind its login"),
        ("vault", "unheard-of", None, "bind its login"),
        (HOSTILE, HOSTILE, None, "take the right to assume it"),
    ],
)
def test_a_known_escalation_path_says_what_it_is_and_how_it_is_broken(
    con: duckdb.DuckDBPyConnection, provider: str, path_id: str, title: str | None, fix: str
) -> None:
    identity(con, 9, "start", provider=provider)
    identity(con, 10, "end", provider=provider)
    edge(con, 9, 10, path_id=path_id, statement="allow it")
    (step,) = remedy.shape(path.ask(con, f"{AWS}:role/start", to=f"{AWS}:role/end"))["steps"]
    assert step["path_title"] == title
    assert fix in step["to_break"]


@pytest.mark.parametrize(
    "rows",
    [
        [(1, 2, 2), (2, 3, 1)],
        [(1, 2, None)],
        [(1, 2, 2)],
        [(1, 2, 2), (2, 1, 5)],
    ],
    ids=["a circle", "no next", "next reaches nothing", "no such step"],
)
def test_a_way_that_the_scan_does_not_hold_to_its_end_is_said_to_be_cut(
    con: duckdb.DuckDBPyConnection, rows: list[tuple[int, int, int | None]]
) -> None:
    edge(con, 1, 2)
    edge(con, 2, 1)
    for key, hops, next_key in rows:
        reach(con, key, hops, next_key)
    certainty, steps, is_cut = told(con, "ci")
    assert (certainty, is_cut) == ("definite", True)
    assert len(steps) < 3


def test_a_way_that_claims_more_steps_than_any_is_followed_so_far_only(con: duckdb.DuckDBPyConnection) -> None:
    for key in range(100, 140):
        identity(con, key, f"n{key}")
        edge(con, key, key + 1)
        reach(con, key, 140 - key, key + 1)
    certainty, steps, is_cut = told(con, "n100")
    assert (certainty, len(steps), is_cut) == ("definite", path.MOST_STEPS, True)


def test_a_chain_without_end_is_not_followed_to_its_end(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("insert into reach select range, 'admin', 'definite', 1, range + 1 from range(1000, 100000)")
    assert path.to_administrator(con, [1000]) == {1000: path.Way("definite", (), is_cut=True)}


def test_the_shortest_definite_way_to_somebody_is_taken_before_a_shorter_doubtful_one(
    con: duckdb.DuckDBPyConnection,
) -> None:
    edge(con, 1, 4, "conditional")
    edge(con, 1, 2)
    edge(con, 2, 3)
    edge(con, 3, 4)
    assert told(con, "ci", "ops") == ("definite", ["1 to 2", "2 to 3", "3 to 4"], False)


def test_without_a_definite_way_the_shortest_doubtful_one_is_told(con: duckdb.DuckDBPyConnection) -> None:
    edge(con, 1, 4, "conditional")
    edge(con, 1, 2)
    edge(con, 2, 4, "potential")
    assert told(con, "ci", "ops") == ("potential", ["1 to 4"], False)


def test_a_hub_counts_no_step_and_a_circle_ends_the_search(con: duckdb.DuckDBPyConnection) -> None:
    edge(con, 1, -1)
    edge(con, -1, 1)
    edge(con, -1, 2)
    edge(con, 2, 1)
    edge(con, 2, 2, is_rewriting=True)
    assert told(con, "ci", "deploy") == ("definite", ["1 to -1; -1 to 2"], False)
    assert told(con, "ci", "ops") == (None, [], False)


def test_of_equally_short_ways_the_same_is_told_whatever_the_order_of_rows(con: duckdb.DuckDBPyConnection) -> None:
    for start, end in ((3, 4), (1, 3), (2, 4), (1, 2)):
        edge(con, start, end)
    assert told(con, "ci", "ops") == ("definite", ["1 to 2", "2 to 4"], False)


def test_a_search_ends_after_the_most_steps(con: duckdb.DuckDBPyConnection) -> None:
    for key in range(100, 100 + path.MOST_STEPS + 2):
        identity(con, key, f"n{key}")
        edge(con, key, key + 1)
    last = 100 + path.MOST_STEPS
    assert told(con, "n100", f"n{last}")[0] == "definite"
    assert told(con, "n100", f"n{last + 1}")[0] is None


def test_everybody_is_there_already(con: duckdb.DuckDBPyConnection) -> None:
    assert told(con, "ci", "ci") == ("definite", [], False)


def test_a_credential_and_a_native_id_mean_their_identity(con: duckdb.DuckDBPyConnection) -> None:
    insert(con, "credentials", {"credential_id": f"{AWS}:access_key/k", "native_id": "AKIAEXAMPLE", "identity_key": 3})
    native_id = "arn:aws:iam::111111111111:role/build"
    assert [path.find(con, name) for name in (f"{AWS}:access_key/k", "AKIAEXAMPLE", native_id)] == [3, 3, 3]


def test_an_unknown_name_gets_the_nearest_one(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError) as caught:
        path.ask(con, f"{AWS}:role/deplay", to=None)
    assert caught.value.hint == f"did you mean '{AWS}:role/deploy'?"


def test_a_native_id_of_several_names_them(con: duckdb.DuckDBPyConnection) -> None:
    identity(con, 8, "other", native_id="arn:aws:iam::111111111111:role/build")
    with pytest.raises(QueryError, match="means several"):
        path.find(con, "arn:aws:iam::111111111111:role/build")


def test_what_could_hide_a_way_is_named_where_none_is_found(con: duckdb.DuckDBPyConnection) -> None:
    insert(con, "coverage", {"tenant_id": AWS, "dataset": "trusts", "status": "denied"})
    insert(con, "coverage", {"tenant_id": AWS, "dataset": "scps", "status": "complete"})
    insert(con, "coverage", {"tenant_id": AWS, "dataset": "usage.calls", "status": "denied"})
    assert path.ask(con, f"{AWS}:role/ci", to=None).not_read == ((AWS, "trusts"),)


def test_what_could_forbid_a_definite_way_is_named_for_the_tenants_on_it(con: duckdb.DuckDBPyConnection) -> None:
    edge(con, 1, 5)
    reach(con, 1, 1, 5)
    for tenant_id in (AWS, "aws:222222222222"):
        insert(con, "coverage", {"tenant_id": tenant_id, "dataset": "trusts", "status": "denied"})
        insert(con, "coverage", {"tenant_id": tenant_id, "dataset": "scps", "status": "unsupported"})
    assert path.ask(con, f"{AWS}:role/ci", to=None).not_read == ((AWS, "scps"),)


def test_hostile_names_are_found_by_and_never_become_a_command(con: duckdb.DuckDBPyConnection) -> None:
    identity(con, 9, HOSTILE)
    edge(con, 9, 9, kind="may-change", is_rewriting=True, statement=HOSTILE, evidence=HOSTILE)
    reach(con, 9, 1, 9)
    (step,) = remedy.shape(path.ask(con, f"{AWS}:role/{HOSTILE}", to=None))["steps"]
    assert step["evidence"] == [HOSTILE]
    assert step["check_by_hand"] == [None]


def test_a_name_with_a_quote_is_one_word_for_a_shell(con: duckdb.DuckDBPyConnection) -> None:
    identity(con, 9, "it's $(id)")
    edge(con, 1, 9)
    answer = path.ask(con, f"{AWS}:role/ci", to=f"{AWS}:role/it's $(id)")
    (command,) = remedy.shape(answer)["steps"][0]["check_by_hand"]
    assert command == ("aws iam get-role --role-name 'it'\"'\"'s $(id)' --query Role.AssumeRolePolicyDocument")


def commands(con: duckdb.DuckDBPyConnection) -> list[str | None]:
    (step,) = remedy.shape(path.ask(con, f"{AWS}:role/ci", to=f"{AWS}:role/deploy"))["steps"]
    found: list[str | None] = step["check_by_hand"]
    return found


@pytest.mark.parametrize(
    ("provider", "kind", "name", "native_id", "command"),
    [
        ("aws", "customer_managed", "p", "arn:aws:iam::1:policy/p", "get-policy --policy-arn arn:aws:iam::1:policy/p"),
        ("aws", "inline", "p", "arn:aws:iam::1:user/a/ci/p", "get-user-policy --user-name ci --policy-name p"),
        ("aws", "inline", "p", "arn:aws:iam::1:role/ci/p", "get-role-policy --role-name ci --policy-name p"),
        ("vault", "acl", "p", "team/p", "vault policy read -namespace=team/ p"),
        ("vault", "acl", "p", "p", "vault policy read p"),
    ],
)
def test_a_policy_comes_with_the_command_that_reads_it(
    con: duckdb.DuckDBPyConnection, provider: str, kind: str, name: str, native_id: str, command: str
) -> None:
    told = {"policy_id": "policy", "provider": provider, "kind": kind, "name": name, "native_id": native_id}
    insert(con, "policies", {"policy_key": 8, **told})
    edge(con, 1, 2, policy_key=8)
    assert (commands(con)[0] or "").endswith(command)


@pytest.mark.parametrize("kind", ["function", "task", "instance", "project", "secret", "parameter"])
def test_a_workload_or_secret_comes_with_a_command_that_shows_no_value(
    con: duckdb.DuckDBPyConnection, kind: str
) -> None:
    told = {"provider": "aws", "kind": kind, "name": "sync", "native_id": "arn:aws:x:eu-central-1:1:thing/sync"}
    insert(con, "resources", {"resource_key": 8, "resource_id": "r", "region": "eu-central-1", **told})
    edge(con, 1, 2, kind="runs-as", resource_key=8)
    command = commands(con)[0] or ""
    assert "sync" in command
    assert "--region eu-central-1" in command
    assert "--query" in command or "get-resource-policy" in command or "describe-parameters" in command


def test_nothing_limits_the_root_of_a_vault(con: duckdb.DuckDBPyConnection) -> None:
    insert(
        con, "policies", {"policy_key": 8, "policy_id": "p", "provider": "vault", "name": "root", "native_id": "root"}
    )
    insert(con, "privileges", {"identity_key": 2, "verb": "admin", "certainty": "definite", "policy_key": 8})
    reach(con, 2, 0, None)
    edge(con, 1, 2, policy_key=8)
    reach(con, 1, 1, 2)
    shape = remedy.shape(path.ask(con, f"{AWS}:role/ci", to=None))
    told = [shape["steps"][0]["to_break"], shape["because"][0]["to_break"]]
    assert told == ["revoke it: nothing limits the policy root"] * 2


def documented() -> dict[str, set[str]]:
    """Keys of docs/json.md by the list that they are of; the object itself is ``."""
    text = (Path(__file__).parent.parent / "docs" / "json.md").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {"": set()}
    for item in re.split(r"\n\* ", text.split("# The JSON of a path")[1].split("\n# ")[0])[1:]:
        key, *more = re.findall(r"`(\w+)`", item)
        found[""].add(key)
        found[key] = set(more)
    return found


def test_the_documented_keys_are_the_real_ones(con: duckdb.DuckDBPyConnection) -> None:
    edge(con, 1, 5, statement="allow")
    reach(con, 1, 1, 5)
    insert(con, "coverage", {"tenant_id": AWS, "dataset": "scps", "status": "denied"})
    shape = remedy.shape(path.ask(con, f"{AWS}:role/ci", to=None))
    told = documented()
    assert told[""] == set(shape)
    assert told["steps"] == set(shape["steps"][0]) | set(shape["steps"][0]["allowed_by"][0])
    assert [told[key] for key in ("because", "not_read")] == [set(shape[key][0]) for key in ("because", "not_read")]


@pytest.fixture
def published(tmp_path: Path, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a scan with one identity that rewrites its own rights, one that may not, and one hostile name."""
    identity(con, 9, HOSTILE)
    edge(con, 9, 9, kind="may-change", is_rewriting=True, statement=HOSTILE, evidence=HOSTILE)
    reach(con, 9, 1, 9)
    edge(con, 1, 5, "conditional", evidence="only from 192.0.2.0/24")
    reach(con, 1, 1, 5, certainty="potential")
    for key in range(20, 45):
        identity(con, key, f"n{key}")
        edge(con, 3, key)
    con.execute(
        "insert into identity_facts (identity_key, identity_id) select identity_key, identity_id from identities"
    )
    (tmp_path / "nhiscan.toml").write_text('[company]\nname = "Acme"\n[state]\npath = "state"\n')
    state = tmp_path / "state"
    state.mkdir()
    with store.locked(state), store.Build(state, store.new_scan_id(datetime(2026, 1, 31, tzinfo=UTC))) as build:
        for table in ("identities", "identity_facts", "access_edges", "reach", "privileges", "policies"):
            held = con.execute(f"select * from {table}").fetchall()
            build.con.executemany(f"insert into {table} values ({', '.join('?' * len(held[0]))})", held)
        build.publish()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*words: str, command: str = "path") -> Result:
    return CliRunner().invoke(cli, [command, *words], catch_exceptions=False)


@pytest.mark.usefixtures("published")
def test_the_command_tells_a_way_and_on_what_it_depends() -> None:
    lines = ran(f"{AWS}:role/ci").stdout.splitlines()
    assert lines[0] == f"{AWS}:role/ci may come to an administrator: 1 step; no way is definite"
    assert lines[1] == "  step 1 is conditional: it depends on what its statement or evidence names"
    assert "   evidence: only from 192.0.2.0/24" in lines
    assert f"{AWS}:role/root is an administrator" in lines


@pytest.mark.usefixtures("published")
def test_no_way_is_an_answer_and_no_error() -> None:
    done = ran(f"{AWS}:role/build")
    assert (done.exit_code, done.stdout) == (0, f"no way is known from {AWS}:role/build to an administrator\n")
    assert json.loads(ran(f"{AWS}:role/build", "--json").stdout)["certainty"] is None
    assert ran(f"{AWS}:role/root").stdout.startswith(f"{AWS}:role/root is an administrator itself\n")


@pytest.mark.usefixtures("published")
def test_nothing_of_a_hostile_name_reaches_the_terminal_as_it_is() -> None:
    shown = ran(f"{AWS}:role/{HOSTILE}").stdout
    assert not {"\x1b", "\u202e", "\r"} & set(shown)
    assert not any(line.startswith(("\x1b", "<script>")) for line in shown.splitlines())
    assert "a name holds characters that a terminal does not show" in shown


@pytest.mark.usefixtures("published")
def test_more_neighbours_than_are_listed_are_counted() -> None:
    assert "\nand 5 more\n" in ran(f"{AWS}:role/build", command="show").stdout
    told = json.loads(ran(f"{AWS}:role/build", "--json", command="show").stdout)
    assert (len(told["can become"]), told["not listed"]) == (20, {"can become": 5})
