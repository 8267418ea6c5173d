"""Writes docs/reference/ from the command line, the rules, the collectors, the adapters, the schema and more.

`python docs/generate.py` writes, `--check` tells what would change and exits 1. Nothing here depends on the version
of a library, since CI compares the pages at both ends of the supported ranges.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import inspect
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import click

from nhiscan import collect, query, store
from nhiscan.cli import cli
from nhiscan.remediate import contract
from nhiscan.secret import Secret

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
_COLUMN = re.compile(r"    (?P<name>\w+) (?P<type>\w+),? -- (?P<says>.+)")
_TABLE = re.compile(r"create table (?P<name>\w+) \( -- (?P<says>.+)")


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A Markdown table; nothing when there are no rows."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    if lines:
        columns = list(header)
        yield "| " + " | ".join(columns) + " |"
        yield "|" + " --- |" * len(columns)
        yield from lines
        yield ""


def cli_page() -> Iterator[str]:
    yield "# Commands"
    yield ""
    yield from _command(cli, ("nhiscan",))
    yield "## Exit codes"
    yield ""
    yield from table(
        ("code", "meaning"),
        (
            ("0", "done"),
            ("1", "a gate was hit, secrets were found, a rule failed its own cases, or evidence was not verified"),
            (
                "2",
                (
                    "usage or configuration: mend an option, nhiscan.toml, a register file, a rule or a query; "
                    "a plan or an approval that does not hold"
                ),
            ),
            (
                "3",
                (
                    "the scan or search is incomplete, or a part of an import cannot be used, which comes before 1; "
                    "the provider or the credential of remediation fails"
                ),
            ),
            ("4", "another scan, or somebody else who executes a plan, holds the lock"),
            ("5", "internal error, or the state directory cannot be read or written"),
            ("10", "remediation waits for people, time or use"),
            ("11", "remediation needs a human"),
            ("12", "remediation was rolled back"),
            ("130", "interrupted"),
        ),
    )


def _command(command: click.Command, path: tuple[str, ...]) -> Iterator[str]:
    if len(path) > 1:
        arguments = (_argument(param) for param in command.params if isinstance(param, click.Argument))
        yield f"## `{' '.join(path)}{''.join(arguments)}`"
    text, _, example = inspect.cleandoc(command.help or "").partition("Example: ")
    yield ""
    yield text.strip()
    yield ""
    if example:
        yield from ("```console", f"$ {' '.join(example.split())}", "```", "")
    options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
    yield from table(("option", "meaning"), map(_option, options))
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from _command(below, (*path, name))


def _argument(param: click.Argument) -> str:
    name = (param.metavar or (param.name or "").upper().rstrip("_")).strip("[]")
    return f" {name}" if param.required else f" [{name}]{'...' if param.nargs < 0 else ''}"


def _option(param: click.Option) -> tuple[str, str]:
    kind = " | ".join(param.type.choices) if isinstance(param.type, click.Choice) else param.type.name.upper()
    value = "" if param.is_flag else f" {param.metavar or kind.replace('INTEGER RANGE', 'NUMBER')}"
    says = param.help or ""
    if param.show_default is True and not param.is_flag:
        says += f" Default: `{param.default}`."
    return f"`{', '.join(param.opts)}{value}`", says.strip()


def schema_page() -> Iterator[str]:
    yield "# Tables of a scan"
    yield ""
    yield "What `nhiscan query` reads. Times are UTC. A null is unknown, unless the column says otherwise."
    yield ""
    rows: list[tuple[str, str, str]] = []
    for line in resources.files("nhiscan").joinpath("schema.sql").read_text(encoding="utf-8").splitlines():
        if found := _TABLE.fullmatch(line):
            yield from table(("column", "type", "meaning"), rows)
            rows = []
            yield from (f"## {found['name']}", "", found["says"][0].upper() + found["says"][1:] + ".", "")
        elif found := _COLUMN.fullmatch(line):
            rows.append((f"`{found['name']}`", found["type"], found["says"]))
    yield from table(("column", "type", "meaning"), rows)


def rules_page() -> Iterator[str]:
    yield "# Rules"
    yield ""
    rules = {
        path.parent.name: (path.parent.parent.name, tomllib.loads(path.read_text(encoding="utf-8")))
        for path in (ROOT / "rules").glob("*/*/rule.toml")
    }
    by_family = sorted(rules, key=lambda rule_id: (rules[rule_id][0], rule_id))
    yield from table(
        ("rule", "severity", "subject", "finds"),
        (
            (
                f"[{rule_id}](#{rule_id})",
                rules[rule_id][1]["severity"],
                rules[rule_id][1]["subject"],
                rules[rule_id][1]["title"],
            )
            for rule_id in by_family
        ),
    )
    for rule_id in by_family:
        family, rule = rules[rule_id]
        yield from (f"## {rule_id}", "", f"**{rule['title']}.** {rule['why']}", "", f"First step: {rule['fix']}", "")
        controls = "; ".join(f"{name}: {', '.join(ids)}" for name, ids in rule.get("controls", {}).items())
        yield from table(
            ("", ""),
            [
                (name, str(value))
                for name, value in (
                    ("family", family),
                    ("severity", rule["severity"]),
                    ("confidence", rule["confidence"]),
                    ("subject", rule["subject"]),
                    ("a pass relies on", ", ".join(rule.get("needs", []))),
                    ("and, where a system has them, on", ", ".join(rule.get("if_offered", []))),
                    ("a fail relies on", ", ".join(rule.get("absence", []))),
                    ("refuted by", rule.get("refuted_by", "")),
                    ("what `remediate plan` does where an adapter can", rule.get("action", "")),
                    ("controls", controls),
                )
                if value
            ],
        )
        yield from table(
            ("parameter", "type", "default", "source"),
            (
                (f"`{name}`", param["type"], f"`{param['default']}`", param.get("source", ""))
                for name, param in rule.get("params", {}).items()
            ),
        )
        yield from _by_hand(rule.get("runbook", []))


def _by_hand(runbooks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table rather than blocks: these commands are not to be run on the demo, as those in blocks are."""
    rows = []
    for book in runbooks:
        kinds = book.get("kind", [])
        of = ", ".join([kinds] if isinstance(kinds, str) else kinds).replace("_", " ")
        page = [book["page"]] if "page" in book else []
        how = [*(f"`{line}`" for line in book.get("commands", [])), *page]
        rows.append((": ".join(filter(None, (book.get("provider", ""), of))) or "any", book["says"], "<br>".join(how)))
    yield from table(("for", "by hand", "commands or page"), rows)


def collectors_page() -> Iterator[str]:
    yield "# Collectors"
    yield ""
    for folder in sorted(path.parent for path in (ROOT / "collectors").glob("*/__init__.py")):
        kind = collect.load(folder.name)
        yield from (f"## {folder.name}", "", inspect.cleandoc(kind.__doc__ or ""), "")
        yield from table(("setting", "type", "default"), _settings(kind))
        datasets = sorted(kind.datasets)
        if any(kind.permissions.values()):
            permissions = {name: ", ".join(f"`{p}`" for p in kind.permissions.get(name, ())) for name in datasets}
            yield from table(
                ("dataset", "needs at the provider"), ((f"`{name}`", p or "nothing") for name, p in permissions.items())
            )
        else:
            yield from (
                f"Datasets, none of which needs a permission: {', '.join(f'`{name}`' for name in datasets)}.",
                "",
            )
        yield from _below((folder / "README.md").read_text(encoding="utf-8"))


def remediation_page() -> Iterator[str]:
    yield "# Adapters of remediation"
    yield ""
    yield (
        "What each adapter acts on, its settings in `[remediation.<name>]`, and what its credential needs for each "
        "step. Give a credential only the steps that it is to do: one that may look, create and switch off, and "
        "another that may delete, for the hour in which something is deleted. None of them is the scanner's."
    )
    yield ""
    for name in contract.names():
        kind = contract.load(name)
        yield from (f"## {name}", "", inspect.cleandoc(kind.__doc__ or ""), "")
        if kind.stores:
            prefixes = ", ".join(f"`{each}:`" for each in kind.stores)
            yield from (f"Keeps new secrets under addresses that begin with {prefixes}.", "")
        yield from table(("setting", "type", "default"), _settings(kind))
        rows = [
            (f"`{target}`", ", ".join(f"`{step}`" for step in steps), ", ".join(f"`{each}`" for each in needs))
            for target, by_step in kind.permissions.items()
            for needs, steps in _by_needs(by_step).items()
        ]
        yield from table(("kind of target or store", "steps", "needs at the provider"), rows)


def _by_needs(by_step: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, ...], list[str]]:
    """The steps that need the same, in the order in which an operation takes them."""
    found: dict[tuple[str, ...], list[str]] = {}
    for step in sorted(by_step, key=("observe", *contract.STEPS).index):
        if by_step[step]:
            found.setdefault(by_step[step], []).append(step)
    return found


def _below(text: str) -> Iterator[str]:
    """A page without its title, as part of a section: headings one level deeper."""
    is_code = False
    for line in text.strip().splitlines()[1:]:
        is_code ^= line.startswith("```")
        yield f"#{line}" if line.startswith("#") and not is_code else line
    yield ""


def _settings(kind: Any) -> Iterator[tuple[str, str, str]]:
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        says = str(field.type).replace(Secret.__name__, "reference")
        if field.default is not dataclasses.MISSING:
            default = "none" if field.default is None else f"`{field.default!r}`"
        else:
            default = "required" if field.default_factory is dataclasses.MISSING else "empty"
        yield f"`{field.name}`", f"`{says}`", default


def controls_page() -> Iterator[str]:
    asked = tomllib.loads((ROOT / "docs" / "catalogue.toml").read_text(encoding="utf-8"))
    rules = {path.parent.name for path in (ROOT / "rules").glob("*/*/rule.toml")}
    yield "# Checks and controls"
    yield ""
    yield (
        "The checks that nhiscan is measured against, and for each control of the three documents that they were drawn "
        "from what meets it here. `docs/catalogue.toml` holds both; a test holds it to what is there."
    )
    yield ""
    yield "## Checks"
    yield ""
    for wave, needs in (("wave_1", "inventory, settings, register and basic usage"), ("wave_2", "finer data")):
        built = [rule_id for rule_id in asked[wave] if rule_id in rules]
        yield f"{wave.replace('_', ' ').capitalize()} needs {needs}: {len(built)} of {len(asked[wave])} are built."
        if missing := sorted(set(asked[wave]) - rules):
            yield f"Not built: {', '.join(f'`{rule_id}`' for rule_id in missing)}."
        yield ""
    beyond = sorted(rules - {*asked["wave_1"], *asked["wave_2"]})
    yield f"Rules beyond these: {', '.join(_rule(rule_id) for rule_id in beyond)}."
    yield ""
    for source, title in SOURCES.items():
        yield from (f"## {source} {title}", "")
        rows = [row for row in asked["control"] if row["source"] == source]
        yield from table(("line", "asked", "met by", "not built"), (_control(row) for row in rows))
    yield from ("## Metrics", "")
    yield (
        "Rows of `nhiscan query --name metrics`. M-12, the time to revoke, is a query of its own, `time-to-revoke`; "
        "M-26, the risk of partners, is the section scorecard of the report."
    )
    yield ""
    yield from table(("metric", "says"), metrics())


def metrics() -> list[tuple[str, str]]:
    """Number and name of each metric, as the query says them of a scan without anything in it."""
    sql, params = query.find("metrics", {})
    found: list[tuple[str, str]] = store.empty().execute(f"select metric, name from ({sql})", params).fetchall()
    return found


def _control(row: dict[str, Any]) -> tuple[str, str, str, str]:
    met = [*map(_rule, row.get("rules", []))]
    met += [f"family {name}" for name in row.get("families", [])]
    met += [f"[`{name}`](schema.md#{name.partition('.')[0]})" for name in row.get("fields", [])]
    met += row.get("metrics", [])
    met += [f"query `{name}`" for name in row.get("queries", [])]
    met += [f"`nhiscan {name}`" for name in row.get("commands", [])]
    met += [f"report: {name}" for name in row.get("sections", [])]
    return row["lines"], row["asks"], "; ".join(met), "; ".join(row.get("not_built", []))


def _rule(rule_id: str) -> str:
    return f"[{rule_id}](rules.md#{rule_id})"


SOURCES = {
    "S1": "Partner portal security",
    "S2": "Partner hub login",
    "S3": "Partner programme governance",
}
PAGES = {
    "cli.md": cli_page,
    "collectors.md": collectors_page,
    "controls.md": controls_page,
    "remediation.md": remediation_page,
    "rules.md": rules_page,
    "schema.md": schema_page,
}


def page(name: str) -> str:
    """The text of one page: no line ends in blanks, no two empty lines in a row."""
    text = "\n".join(line.rstrip() for line in PAGES[name]())
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n\n<!-- Written by `make docs`. -->\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page would change")
    only_check = parser.parse_args().check
    REFERENCE.mkdir(exist_ok=True)
    changed = 0
    for name in PAGES:
        file = REFERENCE / name
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        after = page(name)
        if before != after:
            changed += 1
            shown = file.relative_to(ROOT).as_posix()
            if only_check:
                lines = difflib.unified_diff(
                    before.splitlines(), after.splitlines(), shown, "generated", n=1, lineterm=""
                )
                print(*lines, sep="\n")
            else:
                print(f"wrote {shown}")
                file.write_text(after, encoding="utf-8")
    if changed and only_check:
        print(f"{changed} pages of docs/reference are out of date: run `make docs` and commit", file=sys.stderr)
    return 1 if changed and only_check else 0


if __name__ == "__main__":
    sys.exit(main())
