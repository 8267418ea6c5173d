"""What a person is told to do by hand: every rule says something, every command exists, and no name changes one."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import click
import pytest
from botocore import xform_name
from botocore.model import OperationModel
from hypothesis import given
from hypothesis import strategies as st

from nhiscan import rule as rules
from nhiscan.check import trial
from nhiscan.cli import cli
from nhiscan.errors import RuleError
from nhiscan.lifecycle import commands
from nhiscan.remediate import contract, runbook
from nhiscan.rule import Rule, Runbook
from tests.commands import run
from tests.demo import Run
from tests.test_rule import CONTROLS, HEAD, load

RULES = {rule.rule_id: rule for rule in rules.load()}
LINES = sorted({(rule.rule_id, words) for rule in RULES.values() for book in rule.runbook for words in book.commands})
BY_TOOL = {tool: [line for line in LINES if line[1][0] == tool] for tool in ("aws", "vault", "sf", "curl", "nhiscan")}

# Options of every command of the AWS CLI (its reference, "Global options") that ours use.
AWS_GLOBAL = {"region", "query", "output"}
# Commands and flags that ours use, from command-snapshot.json of salesforcecli/plugin-data and plugin-deploy-retrieve.
SF_FLAGS = {
    "data create record": {"sobject", "values"},
    "data delete record": {"sobject", "record-id", "where"},
    "data update record": {"sobject", "record-id", "where", "values"},
    "data query": {"query", "use-tooling-api"},
    "project retrieve start": {"metadata"},
    "project deploy start": {"metadata"},
}
# Commands of Vault and options of them: its documentation, "Commands (CLI)"; OpenBao has the same.
VAULT_FLAGS: Mapping[str, set[str]] = {
    "read": set(),
    "write": set(),
    "delete": set(),
    "policy read": set(),
    "policy write": set(),
    "token lookup": {"accessor"},
    "token revoke": {"accessor"},
    "audit list": set(),
    "audit enable": {"path"},
}
HUBSPOT = re.compile(r"https://api\.hubapi\.com/[\w/?={}.-]+")

# Calls that answer with a secret, or with settings among which one may stand, and what of these may be asked for.
TELLS = re.compile(
    "get-secret-value|create-access-key|create-service-specific-credential|reset-service-specific-credential|get-parameter"
    "|create-login-profile|assume-role|get-session-token|get-function|get-login-password|ExtlClntAppGlobalOauthSettings"
)
SETTINGS = ("get-function-configuration", "batch-get-projects", "describe-task-definition", "describe-instances")
# Options and pairs that take a value which may be a secret, and how it may come: from a file or the standard input.
TAKES = (
    "--value",
    "--secret-string",
    "--secret-binary",
    "--password",
    "--new-password",
    "--user-data",
    "--environment",
)
PAIRS = re.compile(
    r"(?:password|secret|secret_id|token|client_secret|private_key|value|api_key)=(?P<value>.*)", re.DOTALL
)
FROM_FILE = ("file://", "fileb://", "@")


def test_every_rule_has_an_action_or_says_what_a_person_does() -> None:
    assert len(RULES) > 100
    assert [id_ for id_, rule in RULES.items() if rule.action is None and not rule.runbook] == []


def test_every_rule_has_an_answer_of_its_own_for_a_provider_that_nobody_thought_of() -> None:
    elsewhere = [id_ for id_, rule in RULES.items() if not any(not b.provider and not b.kinds for b in rule.runbook)]
    assert elsewhere == []


def test_every_runbook_says_something_and_gives_commands_or_a_page() -> None:
    bad = [(id_, book.says) for id_, rule in RULES.items() for book in rule.runbook if not (book.commands or book.page)]
    assert bad == []
    assert all(not book.says.endswith(".") for rule in RULES.values() for book in rule.runbook)


def test_every_command_is_one_simple_command_of_a_known_tool() -> None:
    assert sum(map(len, BY_TOOL.values())) == len(LINES)
    for _, words in LINES:
        assert not set(words) & {"|", "||", "&", "&&", ";", "<", ">", ">>", "2>&1", "<<<"}, words
        assert not any(re.search("[`$\n]", word) for word in words), words
        assert tuple(shlex.split(shlex.join(words))) == words


def operation(words: tuple[str, ...]) -> OperationModel:
    service = {"s3api": "s3"}.get(words[1], words[1])
    model = botocore.session.get_session().get_service_model(service)
    (found,) = (name for name in model.operation_names if xform_name(name, "-") == words[2])
    return model.operation_model(found)


def options(words: Iterable[str]) -> list[str]:
    return [word.removeprefix("--").partition("=")[0] for word in words if word.startswith("--")]


@pytest.mark.parametrize(
    ("rule_id", "words"), BY_TOOL["aws"], ids=[" ".join(words[1:3]) for _, words in BY_TOOL["aws"]]
)
def test_operations_and_options_of_aws_are_those_that_its_models_describe(rule_id: str, words: tuple[str, ...]) -> None:
    called = operation(words)
    shape = called.input_shape
    members = {xform_name(member, "-"): member for member in (shape.members if shape else {})}
    used = options(words)
    assert not set(used) - members.keys() - AWS_GLOBAL - {"cli-input-json"}, rule_id
    if "cli-input-json" not in used:
        asked = shape.required_members if shape else []
        assert {xform_name(member, "-") for member in asked} <= set(used), rule_id
    assert all(word.startswith("-") or words[at - 1].startswith("--") for at, word in enumerate(words) if at > 2)


def test_commands_and_flags_of_sf_are_those_of_its_snapshot() -> None:
    assert BY_TOOL["sf"]
    for rule_id, words in BY_TOOL["sf"]:
        command = next(known for known in SF_FLAGS if " ".join(words[1:]).startswith(f"{known} "))
        assert set(options(words)) <= SF_FLAGS[command], rule_id


def test_a_deployment_names_the_one_component_that_was_changed() -> None:
    deployed = [(rule_id, words) for rule_id, words in BY_TOOL["sf"] if words[1:3] == ("project", "deploy")]
    assert len(deployed) > 10
    assert [rule_id for rule_id, words in deployed if len(words) != 6 or ":" not in words[-1]] == []


def test_a_command_that_writes_a_whole_environment_says_so() -> None:
    whole = [
        book for rule in RULES.values() for book in rule.runbook if "file://environment.json" in str(book.commands)
    ]
    assert len(whole) > 3
    assert [book.says for book in whole if "(environment.json holds " not in book.says] == []


def test_commands_and_flags_of_vault_are_those_that_its_documentation_lists() -> None:
    assert BY_TOOL["vault"]
    for rule_id, words in BY_TOOL["vault"]:
        command = next(known for known in VAULT_FLAGS if f"{' '.join(words[1:])} ".startswith(f"{known} "))
        flags = {word.lstrip("-").partition("=")[0] for word in words if word.startswith("-")}
        assert flags <= VAULT_FLAGS[command], rule_id


def test_curl_goes_to_the_provider_and_takes_its_authorization_from_a_file() -> None:
    assert BY_TOOL["curl"]
    for rule_id, (_, *words) in BY_TOOL["curl"]:
        pairs = dict(zip(words[:-1:2], words[1:-1:2], strict=True))
        assert pairs.keys() <= {"--request", "--header"}, rule_id
        assert pairs["--header"] == "@headers.txt", rule_id
        assert HUBSPOT.fullmatch(words[-1]), rule_id


@pytest.mark.parametrize(("rule_id", "words"), BY_TOOL["nhiscan"], ids=[rule_id for rule_id, _ in BY_TOOL["nhiscan"]])
def test_our_own_commands_are_in_the_command_line(rule_id: str, words: tuple[str, ...]) -> None:
    command: click.Command = cli
    rest = list(words[1:])
    while isinstance(command, click.Group):
        command = command.commands[rest.pop(0)]
    values, left, _ = command.make_parser(click.Context(command)).parse_args(args=rest)
    missing = [p.name for p in command.params if p.required and values.get(p.name or "") in (None, ())]
    assert not left
    assert not missing


def test_no_command_tells_a_secret() -> None:
    for rule_id, words in LINES:
        assert not any(TELLS.fullmatch(word) for word in words), rule_id
        assert not (set(words) & set(SETTINGS)) or "--query" in words, rule_id
        assert words[:3] != ("vault", "kv", "get"), rule_id


def taken(words: tuple[str, ...]) -> Iterator[str]:
    """What a command takes where a secret may stand."""
    for word, following in zip(words, (*words[1:], ""), strict=True):
        if word in TAKES:
            yield following
        elif pair := PAIRS.fullmatch(word):
            yield pair["value"]


def test_no_command_takes_a_value_of_a_secret_on_its_line() -> None:
    for rule_id, words in LINES:
        if words[0] != "nhiscan":
            assert all(value.startswith(FROM_FILE) or value == "-" for value in taken(words)), rule_id
    assert any(list(taken(words)) for _, words in LINES)


def test_columns_that_a_command_names_are_columns_of_the_query_or_known_of_every_finding() -> None:
    """The cases of every rule are run in test_rules.py, where a name that nothing fills is an error of the rule."""
    asked = {name for rule in RULES.values() for book in rule.runbook for name in book.placeholders()}
    assert asked - rules.OF_TARGET - rules.OF_FINDING
    fields = {field.name for field in dataclasses.fields(commands.Target)}
    assert fields - {"keys"} == rules.OF_TARGET
    assert fields - {"keys"} <= {field.name for field in dataclasses.fields(contract.Target)}


BOOK = """
[[runbook]]
says = "ask, then paint it"
commands = ["aws paint --name {name}"]
"""


def test_a_name_that_nothing_fills_is_an_error_of_the_rule(tmp_path: Path) -> None:
    rule = load(tmp_path, toml=HEAD + CONTROLS + BOOK.replace("{name}", "{nmae}"))
    case = tomllib.loads(
        'as_of = 2026-01-31T00:00:00Z\n[[case]]\nkind = "fires"\nname = "n"\n'
        'credential_facts = [{ credential_id = "k", tenant_id = "aws:1" }]\nexpect = { k = "fail" }'
    )
    told = [problem for result in trial.run(dataclasses.replace(rule, cases=case)) for problem in result.problems]
    assert any("{nmae}" in problem for problem in told)


@pytest.mark.parametrize(
    ("book", "words"),
    [
        (BOOK.replace("says =", "say ="), "unknown key 'say'"),
        (BOOK.replace('says = "ask, then paint it"', ""), "says is missing"),
        (BOOK.replace('commands = ["aws paint --name {name}"]', ""), "neither commands nor a page"),
        (BOOK.replace("{name}", "{name"), "aws paint --name {name"),
        (BOOK.replace("{name}", "{name!r}"), "is no name"),
        (BOOK.replace("{name}", "{}"), "is no name"),
        (BOOK.replace("{name}", "'{name}"), "No closing quotation"),
        (BOOK + BOOK, "is for what another one is for"),
        (BOOK + 'kind = ["a", 3]', "kind is not a text"),
        (BOOK.replace('["aws paint --name {name}"]', '"aws"'), "commands is not a list"),
    ],
)
def test_a_runbook_that_cannot_be_read_says_what_to_mend(tmp_path: Path, book: str, words: str) -> None:
    with pytest.raises(RuleError) as caught:
        load(tmp_path, toml=HEAD + CONTROLS + book)
    assert words in caught.value.message


def test_an_unknown_action_names_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="unknown action 'rotat'"):
        load(tmp_path, toml=HEAD + 'action = "rotat"' + CONTROLS)


def book(
    says: str, *lines: str, provider: str | None = None, kind: str | None = None, page: str | None = None
) -> Runbook:
    return Runbook(provider, () if kind is None else (kind,), says, tuple(tuple(shlex.split(x)) for x in lines), page)


def target(**told: str) -> commands.Target:
    given: dict[str, Any] = {
        "provider": "aws",
        "kind": "access_key",
        "native_id": "AKIAX",
        "holder_name": "svc",
        "name": "n",
        **told,
    }
    return commands.Target("credential", "c", **given)


def told(rule: Rule, of: commands.Target | contract.Target, /, **values: str) -> commands.Guide:
    return runbook.guide(rule, runbook.Finding("f", rule.rule_id, values, commands.Target("", "", "")), of)


ANY = dataclasses.replace(RULES["life-key-age-exceeded"], action=None, runbook=(book("any", page="p"),))


def test_the_most_specific_runbook_counts() -> None:
    rule = dataclasses.replace(
        ANY,
        runbook=(
            book("any", page="p"),
            book("kind", kind="access_key", page="p"),
            book("provider", provider="aws", page="p"),
            book("both", provider="aws", kind="access_key", page="p"),
        ),
    )
    assert told(rule, target()).says == "both"
    assert told(rule, target(kind="password")).says == "provider"
    assert told(rule, target(provider="vault")).says == "kind"
    assert told(rule, target(provider="vault", kind="password")).says == "any"


def test_where_the_rule_has_nothing_for_the_provider_its_action_says_which_commands_are_known() -> None:
    off = dataclasses.replace(ANY, action="revoke", runbook=(book("ask its owner", page="p"),))
    guide = told(off, target())
    assert guide.says == "ask its owner; that is: deactivate the key, and delete it once nothing misses it"
    assert guide.commands[0] == "aws iam update-access-key --user-name svc --access-key-id AKIAX --status Inactive"
    assert len(told(dataclasses.replace(off, action="rotate"), target()).commands) == 1
    assert told(off, target(provider="portal")) == commands.Guide("ask its owner", (), "p")
    assert told(dataclasses.replace(off, action=None), target()).commands == ()


def test_a_target_of_an_adapter_is_taken_as_well() -> None:
    of = contract.Target("credential", "c", "aws:1", "aws", kind="access_key", native_id="AKIAX", holder_name="svc")
    assert (
        told(dataclasses.replace(ANY, action="revoke"), of).commands
        == told(dataclasses.replace(ANY, action="revoke"), target()).commands
    )


def test_a_rule_of_others_without_a_runbook_still_gets_a_page() -> None:
    assert told(dataclasses.replace(ANY, runbook=()), target()) == commands.Guide(ANY.fix, (), "AWS Management Console")


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("it's", "aws a --n {name}"),
        ("", "aws a --n {name}"),
        ("--all", "aws a --n {name}"),
        ("@/etc/passwd", "vault write x value={name}"),
        ("file:///etc/passwd", "aws a --n {name}"),
        ("FILE", "aws a --n {name} --m {holder_name}"),
        ("a\u202eb", "aws a --n {name}"),
        ("a\nb", "aws a --n {name}"),
        ("x/../../y", "curl https://api.hubapi.com/{name}"),
        ("x?a=b", "curl https://api.hubapi.com/{name}"),
        ("..", "curl https://api.hubapi.com/{name}"),
        ("x' or Name != '", "sf data query --query \"select Id from User where Name = '{name}'\""),
        ("x IsActive=true", "sf data delete record --where 'UserId={name} GroupId=1'"),
    ],
)
def test_a_name_that_would_mean_something_else_leaves_no_command_and_a_page(value: str, line: str) -> None:
    rule = dataclasses.replace(ANY, runbook=(book("do it", "aws first", line),))
    guide = told(rule, target(name=value, holder_name=""))
    quoted = commands.Guide("do it", ("aws first", """aws a --n 'it'"'"'s'"""))
    assert guide == quoted if value == "it's" else (guide.commands == () and guide.page and "no commands" in guide.says)


def test_what_iam_cannot_change_is_sent_to_where_it_is_changed() -> None:
    rule = RULES["dep-public-trust-principal"]
    role = target(kind="workload_role", name="AWSReservedSSO_Admin_1")
    assert told(rule, role).commands == ()
    assert told(rule, role).page == "IAM Identity Center > AWS accounts and Permission sets"
    assert len(told(rule, target(kind="workload_role", name="plain")).commands) == 2


NASTY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(
    ["$(id)", "`id`", "a;b", "a'b", 'a"b', "a\\", "a b", "a|b>c", "*", "~", "!x", "#x", "{name}", "%s", "a\r\nb"]
)


@given(value=NASTY, other=NASTY, rule=st.sampled_from(sorted(RULES)), at=st.integers(0, 20))
def test_hostile_names_stay_one_word_each_or_leave_no_command(value: str, other: str, rule: str, at: int) -> None:
    found = RULES[rule]
    book = found.runbook[at % len(found.runbook)]
    values = {name: other if n % 2 else value for n, name in enumerate(sorted(book.placeholders()))}
    of_target = {name: values[name] for name in values.keys() & rules.OF_TARGET}
    fits: dict[str, Any] = {"provider": book.provider or "", "kind": book.kinds[0] if book.kinds else ""}
    of = commands.Target("credential", "c", **{**of_target, **fits})
    guide = told(dataclasses.replace(found, action=None, runbook=(book,)), of, **values)
    if not guide.commands:
        assert guide.page
        return
    for line, template in zip(guide.commands, book.commands, strict=True):
        words = shlex.split(line)
        assert "\n" not in line
        assert len(words) == len(template)
        for word, asked in zip(words, template, strict=True):
            assert word == asked.format(**values)


def test_every_failing_finding_of_the_demo_has_commands_or_a_page_and_nothing_left_open(demo: Run) -> None:
    of = dict(demo.scan.execute("select finding_id, rule_id from findings where outcome = 'fail'").fetchall())
    guides = runbook.guides(demo.scan, RULES.values(), of)
    assert len(guides) == len(of) > 200
    for rule_id, guide in ((of[finding_id], guide) for finding_id, guide in guides.items()):
        assert guide.commands or guide.page, rule_id
        assert "no commands are given" not in guide.says, rule_id
        assert not any(re.search(r"\{\w*\}", line) for line in guide.commands), rule_id


@pytest.mark.parametrize(
    ("rule_id", "subject", "line"),
    [
        (
            "life-key-age-exceeded",
            "aws:111111111111:access_key/AKIADEMOCOBALTSYNC01",
            (
                "aws iam update-access-key --user-name svc-cobalt-sync --access-key-id AKIADEMOCOBALTSYNC01"
                " --status Inactive"
            ),
        ),
        (
            "dep-static-cred-in-pipeline",
            "files:partner-sync:repository/partner-sync",
            "aws iam get-access-key-last-used --access-key-id AKIADEMOQUARTZSTAG02",
        ),
        (
            "priv-profile-shared-across-tiers",
            "salesforce:00D000000000001EAA:profile/00e0000partnersAAA",
            "sf data update record --sobject User --record-id USER_ID --values ProfileId=PROFILE_ID",
        ),
        ("leak-vault-overbroad-read", "vault:main:policy/partners-all", "vault policy read partners-all"),
        (
            "priv-delegated-admin-standing",
            "aws:111111111111:delegated_admin/333333333333",
            "aws organizations list-delegated-services-for-account --account-id 333333333333",
        ),
    ],
)
def test_a_finding_of_the_demo_is_told_with_its_own_names(demo: Run, rule_id: str, subject: str, line: str) -> None:
    rows = demo.scan.execute(
        "select finding_id from findings where rule_id = ? and subject_id = ? and outcome = 'fail'", [rule_id, subject]
    ).fetchall()
    (guide,) = runbook.guides(demo.scan, RULES.values(), [finding_id for (finding_id,) in rows]).values()
    assert line in guide.commands


def test_show_tells_what_to_do_about_a_finding_and_about_each_of_a_case(demo: Run) -> None:
    config = str(demo.config)
    ((finding_id, case_id, many),) = demo.scan.execute(
        "select f.finding_id, f.case_id, c.findings from findings f join cases c using (case_id) "
        "where f.rule_id = 'dep-static-cred-in-pipeline' and f.outcome = 'fail' order by c.findings desc, 1 limit 1"
    ).fetchall()
    shown = run("show", "--config", config, finding_id).stdout
    assert "\nby hand:\n  dep-static-cred-in-pipeline (" in shown
    assert "\n    $ aws iam get-access-key-last-used --access-key-id " in shown
    case = run("show", "--config", config, case_id).stdout.partition("\nby hand:\n")[2]
    assert len(re.findall(r"^  [\w-]+ \([0-9a-f]{12}\): ", case, re.MULTILINE)) == many
    told: dict[str, Any] = json.loads(run("show", "--config", config, "--json", finding_id).stdout)
    assert {"finding_id", "rule_id", "what", "how"} == told["by hand"][0].keys()


def test_the_report_tells_it_too_and_one_that_is_handed_over_does_not(demo: Run) -> None:
    line = "aws iam get-access-key-last-used --access-key-id AKIADEMOQUARTZSTAG02"
    assert line in demo.report.read_text(encoding="utf-8")
    config = str(demo.config)
    assert "<b>By hand.</b>" in run("report", "--config", config).stdout
    assert "<b>By hand.</b>" not in run("report", "--config", config, "--partner", "P-1012").stdout


def test_show_of_anything_else_tells_nothing_to_do(demo: Run) -> None:
    config = str(demo.config)
    done = run("show", "--config", config, "aws:111111111111:role/montblanc-ci")
    assert done.exit_code == 0
    assert "by hand" not in done.stdout
