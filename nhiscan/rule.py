"""Rules as data: a folder becomes a Rule or a RuleError that says what to mend."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
import shlex
import string
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final, Literal, get_args

import duckdb

from nhiscan import rule_sql, store
from nhiscan.config import nearest
from nhiscan.errors import ConfigError, RuleError
from nhiscan.model import DATASETS, RECORD_TYPES
from nhiscan.severities import SEVERITIES

SUBJECTS: Final = (
    "identity",
    "credential",
    "partner",
    "tenant",
    "resource",
    "policy",
    "integration",
    "role",
    "setting",
    "leak",
    "acceptance",
)
# What `nhiscan remediate plan` does to a finding's subject where an adapter can.
Action = Literal["rotate", "revoke"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
# What a command of a runbook may have in braces beside the columns of the rule's query: fields of the thing that a
# finding is about (lifecycle.commands.Target), and of the finding; `tenant` is the provider's own number of it.
OF_TARGET: Final = frozenset(
    re.findall(
        r"\w+",
        "thing_kind thing_id provider kind name native_id region holder_kind holder_name holder_native_id"
        " group_name group_native_id",
    )
)
OF_FINDING: Final = frozenset(
    re.findall(r"\w+", "finding_id rule_id subject_id subject_name tenant_id tenant identity_id partner_id")
)
PARAM_TYPES: Final = ("days", "hours", "int", "float", "text", "texts")

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FORMATTER: Final = string.Formatter()


# Category -> numbers in force in CSF 2.0; ids of CSF 1.1 such as ID.SC-2, PR.AC-1 or PR.DS-05 are withdrawn.
# Source: usnistgov/oscal-content, nist.gov/CSF/v2.0, catalogue 1.2.0.
_CSF: Final = {
    "GV.OC": "01 02 03 04 05",
    "GV.RM": "01 02 03 04 05 06 07",
    "GV.RR": "01 02 03 04",
    "GV.PO": "01 02",
    "GV.OV": "01 02 03",
    "GV.SC": "01 02 03 04 05 06 07 08 09 10",
    "ID.AM": "01 02 03 04 05 07 08",
    "ID.RA": "01 02 03 04 05 06 07 08 09 10",
    "ID.IM": "01 02 03 04",
    "PR.AA": "01 02 03 04 05 06",
    "PR.AT": "01 02",
    "PR.DS": "01 02 10 11",
    "PR.PS": "01 02 03 04 05 06",
    "PR.IR": "01 02 03 04",
    "DE.CM": "01 02 03 06 09",
    "DE.AE": "02 03 04 06 07 08",
    "RS.MA": "01 02 03 04 05",
    "RS.AN": "03 06 07 08",
    "RS.CO": "02 03",
    "RS.MI": "01 02",
    "RC.RP": "01 02 03 04 05 06",
    "RC.CO": "03 04",
}
CONTROLS: Final[Mapping[str, re.Pattern[str]]] = {
    "owasp_nhi_2025": re.compile(r"NHI(10|[1-9]):2025"),
    "nist_csf_2_0": re.compile("|".join(rf"{re.escape(c)}-({n.replace(' ', '|')})" for c, n in _CSF.items())),
    "nist_ai_rmf_1_0": re.compile(r"(GOVERN [1-6]|MAP [1-5]|MEASURE [1-4]|MANAGE [1-4])\.\d{1,2}"),
    "iso_27001_2022": re.compile(r"A\.(5\.([1-9]|[12]\d|3[0-7])|6\.[1-8]|7\.([1-9]|1[0-4])|8\.([1-9]|[12]\d|3[0-4]))"),
    "soc2_tsc_2017": re.compile(r"CC[1-9]\.\d|A1\.[1-3]|C1\.[12]|PI1\.[1-5]|P[1-8]\.\d"),
    "cis_v8_1": re.compile(r"([1-9]|1[0-8])\.([1-9]|1[0-4])"),
}
_OWASP_ALIAS: Final = re.compile(r"NHI-?0?(10|[1-9])(:2025)?")


@dataclass(frozen=True)
class Param:
    """One setting of a rule. `days` and `hours` are also offered as `$name_before` and `$name_after`."""

    name: str
    type: str
    default: Any
    source: str | None = None


@dataclass(frozen=True)
class Runbook:
    """What a person does by hand about a finding of the rule.

    `provider` and `kinds` of the subject that it is for; none: any. `commands`: each split into words as a shell would,
    `{name}` in a word yet to be filled. `page`: where to click.
    """

    provider: str | None
    kinds: tuple[str, ...]
    says: str
    commands: tuple[tuple[str, ...], ...]
    page: str | None

    def placeholders(self) -> set[str]:
        """Every name in braces in its commands."""
        return {name for words in self.commands for word in words for _, name, _, _ in _FORMATTER.parse(word) if name}


@dataclass(frozen=True)
class Rule:
    """One rule folder, read and checked; `cases` is the parsed cases.toml.

    `check_by_hand` pairs a provider, or `<provider>:<kind>`, with a command for a shell. `action`: None where switching
    something off is not the answer.
    """

    rule_id: str
    family: str
    title: str
    why: str
    fix: str
    severity: str
    confidence: float
    exposure: float
    subject: str
    needs: tuple[str, ...]
    if_offered: tuple[str, ...]
    absence: tuple[str, ...]
    declared: tuple[str, ...]
    message: str
    unknown: str | None
    refuted_by: str
    check_by_hand: tuple[tuple[str, str], ...]
    action: Action | None
    runbook: tuple[Runbook, ...]
    floor: float
    params: tuple[Param, ...]
    controls: tuple[tuple[str, str], ...]
    query: str
    evidence: str | None
    cases: Mapping[str, Any]
    digest: str


@dataclass(frozen=True)
class Bound:
    """A rule with its effective parameters: text and values ready to execute."""

    query: str
    query_values: Mapping[str, Any]
    evidence: str | None
    evidence_values: Mapping[str, Any]
    params: str
    version: str


_REQUIRED: Final[Mapping[str, type | tuple[type, ...]]] = {
    "title": str,
    "why": str,
    "fix": str,
    "severity": str,
    "confidence": (int, float),
    "exposure": (int, float),
    "subject": str,
    "needs": list,
    "message": str,
    "refuted_by": str,
    "controls": dict,
}
_OPTIONAL: Final[Mapping[str, type | tuple[type, ...]]] = {
    "if_offered": list,
    "absence": list,
    "declared": list,
    "unknown": str,
    "check_by_hand": dict,
    "action": str,
    "runbook": list,
    "floor": (int, float),
    "params": dict,
}


def load(packs: Iterable[Traversable] | None = None) -> list[Rule]:
    """Every rule of the packs, by id; without packs, the rules that come with nhiscan.

    A pack is a folder of families, each a folder of rules.
    Raises: RuleError naming the rule and what to mend.
    """
    return list(_shipped() if packs is None else _load(packs))


@functools.cache
def _shipped() -> Sequence[Rule]:
    return _load([resources.files("nhiscan.rules")])


def _load(packs: Iterable[Traversable]) -> Sequence[Rule]:
    found: dict[str, Rule] = {}
    tables = store.tables()
    with duckdb.connect() as con:
        for pack in packs:
            for family in _folders(pack):
                for folder in _folders(family):
                    rule = read(folder, family=family.name)
                    _lint(rule, con, tables)
                    if rule.rule_id in found:
                        raise RuleError(f"{rule.rule_id}: two rules have this id", hint="rename one of the folders")
                    found[rule.rule_id] = rule
    return [found[rule_id] for rule_id in sorted(found)]


def _folders(folder: Traversable) -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and not entry.name.startswith(("_", ".")):
            yield entry


def read(folder: Traversable, *, family: str) -> Rule:
    """The rule in one folder, its SQL not yet looked at. Raises: RuleError."""
    rule_id = folder.name
    if not _NAME.fullmatch(rule_id):
        raise RuleError(f"{rule_id}: a rule id is lower case words joined by hyphens", hint="rename the folder")
    known = ("rule.toml", "query.sql", "cases.toml", "evidence.sql")
    files: dict[str, str] = {}
    for entry in folder.iterdir():
        if entry.name.startswith(("_", ".")):
            continue
        if entry.name not in known:
            raise RuleError(f"{rule_id}: unknown file {entry.name}", hint=nearest(entry.name, known))
        files[entry.name] = entry.read_text(encoding="utf-8")
    for name in known[:3]:
        if name not in files:
            raise RuleError(f"{rule_id}: {name} is missing", hint="a rule is rule.toml, query.sql and cases.toml")
    digest = hashlib.sha256("\0".join(f"{name}\0{files[name]}" for name in sorted(files)).encode()).hexdigest()
    about = _toml(files["rule.toml"], f"{rule_id}/rule.toml")
    cases = _toml(files["cases.toml"], f"{rule_id}/cases.toml")
    return _rule(rule_id, family, about, files["query.sql"], files.get("evidence.sql"), cases, digest)


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{where}: {error}", hint="mend the file; it must be TOML") from error


def _rule(
    rule_id: str,
    family: str,
    about: Mapping[str, Any],
    query: str,
    evidence: str | None,
    cases: Mapping[str, Any],
    digest: str,
) -> Rule:
    _check_keys(about, {*_REQUIRED, *_OPTIONAL}, f"{rule_id}/rule.toml: unknown key ")
    for key, kind in {**_REQUIRED, **_OPTIONAL}.items():
        if key not in about:
            if key in _REQUIRED:
                raise RuleError(f"{rule_id}/rule.toml: {key} is missing", hint="it has no default")
        elif not isinstance(about[key], kind) or isinstance(about[key], bool):
            raise RuleError(f"{rule_id}/rule.toml: {key} has the wrong type", hint=f"write a {_type_name(kind)}")
    _one_of(about["severity"], SEVERITIES, f"{rule_id}/rule.toml: unknown severity ")
    _one_of(about["subject"], SUBJECTS, f"{rule_id}/rule.toml: unknown subject ")
    for key in ("confidence", "exposure"):
        if not 0 < about[key] <= 1:
            raise RuleError(f"{rule_id}/rule.toml: {key} is not above 0 and at most 1", hint="write 0.1 to 1")
    if "action" in about:
        _one_of(about["action"], ACTIONS, f"{rule_id}/rule.toml: unknown action ")
    for key in ("needs", "if_offered", "absence"):
        for dataset in about.get(key, []):
            _one_of(dataset, DATASETS, f"{rule_id}/rule.toml: {key} names unknown dataset ")
    for field in about.get("declared", []):
        _one_of(field, _register_fields(), f"{rule_id}/rule.toml: declared names unknown register field ")
    return Rule(
        rule_id=rule_id,
        family=family,
        title=about["title"],
        why=about["why"],
        fix=about["fix"],
        severity=about["severity"],
        confidence=float(about["confidence"]),
        exposure=float(about["exposure"]),
        subject=about["subject"],
        needs=tuple(about["needs"]),
        if_offered=tuple(about.get("if_offered", ())),
        absence=tuple(about.get("absence", ())),
        declared=tuple(about.get("declared", ())),
        message=about["message"],
        unknown=about.get("unknown"),
        refuted_by=about["refuted_by"],
        check_by_hand=tuple(_commands(rule_id, about.get("check_by_hand", {}))),
        action=about.get("action"),
        runbook=tuple(_runbooks(rule_id, about.get("runbook", []))),
        floor=float(about.get("floor", 0)),
        params=tuple(_params(rule_id, about.get("params", {}))),
        controls=tuple(_controls(rule_id, about["controls"])),
        query=query,
        evidence=evidence,
        cases=cases,
        digest=digest,
    )


def _type_name(kind: type | tuple[type, ...]) -> str:
    first = kind if isinstance(kind, type) else kind[-1]
    return {str: "text", list: "list", dict: "table", float: "number"}[first]


def _check_keys(data: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    for key in data:
        _one_of(key, known, what)


def _one_of(word: str, known: Iterable[str], what: str) -> None:
    if word not in (names := set(known)):
        raise RuleError(f"{what}{word!r}", hint=nearest(str(word), names))


def _register_fields() -> set[str]:
    register = {dataset.partition(".")[2] for dataset in DATASETS if dataset.startswith("register.")}
    return {
        f"{record.table}.{field.name}"
        for record in RECORD_TYPES
        if record.table in register
        for field in dataclasses.fields(record)
    }


def _params(rule_id: str, params: Mapping[str, Any]) -> Iterator[Param]:
    for name, spec in params.items():
        where = f"{rule_id}/rule.toml: params.{name}"
        if not isinstance(spec, dict) or "type" not in spec or "default" not in spec:
            raise RuleError(f"{where} needs a type and a default", hint='write { type = "days", default = 90 }')
        _check_keys(spec, ("type", "default", "source"), f"{where}: unknown key ")
        _one_of(spec["type"], PARAM_TYPES, f"{where}: unknown type ")
        param = Param(name, spec["type"], spec["default"], spec.get("source"))
        problem = _value_problem(param, param.default)
        if problem:
            raise RuleError(f"{where}: the default {problem}", hint="mend the default or the type")
        yield param


def _commands(rule_id: str, commands: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for applies_to, command in commands.items():
        if not isinstance(command, str):
            raise RuleError(f"{rule_id}/rule.toml: check_by_hand.{applies_to} is not a text", hint="write one command")
        yield applies_to, command


def _runbooks(rule_id: str, runbooks: Sequence[Any]) -> Iterator[Runbook]:
    seen: set[tuple[str | None, str | None]] = set()
    for number, about in enumerate(runbooks, 1):
        where = f"{rule_id}/rule.toml: runbook {number}"
        if not isinstance(about, dict):
            raise RuleError(f"{where} is not a table", hint="write [[runbook]] and its keys below")
        _check_keys(about, ("provider", "kind", "says", "commands", "page"), f"{where}: unknown key ")
        kinds = about.get("kind", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        texts = {key: about[key] for key in ("provider", "says", "page") if key in about}
        for key, value in {**texts, "kind": kinds, "commands": about.get("commands", [])}.items():
            is_list = key in ("kind", "commands")
            if is_list and not isinstance(value, list):
                raise RuleError(f"{where}: {key} is not a list", hint="write texts in square brackets")
            if not all(isinstance(text, str) and text for text in (value if is_list else [value])):
                raise RuleError(f"{where}: {key} is not a text", hint="write what a person reads, in quotes")
        if "says" not in texts:
            raise RuleError(f"{where}: says is missing", hint="write what a person does, in one sentence")
        if not about.get("commands") and "page" not in texts:
            raise RuleError(f"{where} has neither commands nor a page", hint="write which command, or where to click")
        for one in kinds or [None]:
            if (texts.get("provider"), one) in seen:
                raise RuleError(f"{where} is for what another one is for", hint="make one of the two")
            seen.add((texts.get("provider"), one))
        commands = tuple(_split(where, line) for line in about.get("commands", []))
        yield Runbook(texts.get("provider"), tuple(kinds), texts["says"], commands, texts.get("page"))


def _split(where: str, line: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(line))
        fields = [field for word in words for field in _FORMATTER.parse(word)]
    except ValueError as error:
        raise RuleError(
            f"{where}: {line}: {error}", hint="write words as for a shell, and {name} for a value"
        ) from error
    for _, name, spec, conversion in fields:
        if name is not None and (not name.isidentifier() or spec or conversion):
            raise RuleError(f"{where}: {line}: {{{name}}} is no name", hint="write {name}, and {{ for a brace")
    return words


def _value_problem(param: Param, value: Any) -> str | None:
    if isinstance(value, bool):
        return "is a boolean"
    if param.type in ("days", "hours"):
        return None if isinstance(value, int) and 0 <= value <= 36500 * 24 else "is not a whole number of time units"
    if param.type == "int":
        return None if isinstance(value, int) else "is not a whole number"
    if param.type == "float":
        return None if isinstance(value, (int, float)) else "is not a number"
    if param.type == "text":
        return None if isinstance(value, str) else "is not a text"
    ok = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return None if ok else "is not a list of texts"


def _controls(rule_id: str, controls: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for framework, ids in controls.items():
        _one_of(framework, CONTROLS, f"{rule_id}/rule.toml: unknown framework ")
        for control in ids:
            if framework == "owasp_nhi_2025" and (alias := _OWASP_ALIAS.fullmatch(control)):
                control = f"NHI{alias[1]}:2025"
            if not CONTROLS[framework].fullmatch(control):
                raise RuleError(
                    f"{rule_id}/rule.toml: {framework} has no control {control!r}",
                    hint="use an id that is in force; withdrawn ones are not accepted",
                )
            yield framework, control


def _lint(rule: Rule, con: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> None:
    """Refuses SQL that is not one portable SELECT over the tables of a scan with declared parameters.

    Raises: RuleError.
    """
    used: set[str] = set()
    for name, sql in (("query.sql", rule.query), ("evidence.sql", rule.evidence)):
        if sql is not None:
            rule_sql.lint(f"{rule.rule_id}/{name}", sql, con, tables)
            used |= rule_sql.used_in(sql)
    offered = _offered(rule.params)
    for name in sorted(used):
        if name not in offered:
            raise RuleError(f"{rule.rule_id}: ${name} is not declared", hint=nearest(name, offered))
    for param in rule.params:
        if param.type == "texts":
            for sql in filter(None, (rule.query, rule.evidence)):
                if not rule_sql.is_a_list(sql, param.name):
                    raise RuleError(f"{rule.rule_id}: ${param.name} is a list", hint=f"write `in ${param.name}`")
        if not any(offered[name] == param.name for name in used):
            raise RuleError(f"{rule.rule_id}: ${param.name} is declared and never used", hint="use it or remove it")


def _offered(params: Sequence[Param]) -> dict[str, str | None]:
    """Every `$name` that the SQL may use -> the parameter behind it."""
    offered: dict[str, str | None] = {"as_of": None}
    for param in params:
        offered[param.name] = param.name
        if param.type in ("days", "hours"):
            offered |= {f"{param.name}_before": param.name, f"{param.name}_after": param.name}
        elif param.type == "texts":
            offered[f"{param.name}_count"] = param.name
    return offered


def check_overrides(rules: Sequence[Rule], overrides: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses settings of [rules] that no rule has.

    Raises: ConfigError naming the nearest rule or parameter.
    """
    known = {rule.rule_id: rule for rule in rules}
    for rule_id, values in overrides.items():
        if rule_id not in known:
            raise ConfigError(f"rules.{rule_id}: no such rule", hint=nearest(rule_id, known))
        effective(known[rule_id], values)


def effective(rule: Rule, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The rule's parameters as they hold: `overrides` are its settings in nhiscan.toml.

    Raises: ConfigError
    """
    params = {param.name: param for param in rule.params}
    for name, value in overrides.items():
        if name not in params:
            raise ConfigError(f"rules.{rule.rule_id}.{name}: no such parameter", hint=nearest(name, params))
        problem = _value_problem(params[name], value)
        if problem:
            raise ConfigError(f"rules.{rule.rule_id}.{name} {problem}", hint=f"it is of type {params[name].type}")
    return {name: overrides.get(name, param.default) for name, param in params.items()}


def bind(rule: Rule, overrides: Mapping[str, Any], *, as_of: datetime) -> Bound:
    """The rule's SQL with lists expanded and the values it uses.

    `as_of` is naive UTC, as the tables hold it. Raises: ConfigError.
    """
    given = effective(rule, overrides)
    values: dict[str, Any] = {"as_of": as_of}
    lists: dict[str, list[str]] = {}
    for param in rule.params:
        value = given[param.name]
        if param.type in ("days", "hours"):
            span = timedelta(**{param.type: value})
            values |= {f"{param.name}_before": as_of - span, f"{param.name}_after": as_of + span}
        if param.type == "texts":
            lists[param.name] = value
            values[f"{param.name}_count"] = len(set(value))
            values |= {f"{param.name}_{n}": item for n, item in enumerate(value, 1)}
        else:
            values[param.name] = value
    shown = ", ".join(
        f"{param.name} = {value_text(given[param.name])}"
        + (f" ({param.source})" if param.source and param.name not in overrides else "")
        for param in rule.params
    )
    version = hashlib.sha256(f"{rule.digest}\0{sorted(given.items())!r}".encode()).hexdigest()[:12]
    query = rule_sql.expand(rule.query, lists)
    evidence = None if rule.evidence is None else rule_sql.expand(rule.evidence, lists)
    return Bound(query, _pick(query, values), evidence, _pick(evidence or "", values), shown, version)


def value_text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _pick(sql: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in rule_sql.used_in(sql)}
