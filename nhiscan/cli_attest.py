"""The commands that write down what people decided or stated: whose something is, acceptances, reviews, statements."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from nhiscan.errors import ConfigError
from nhiscan.printable import plain
from nhiscan.terminal import (
    config_option,
    counted,
    json_option,
    now,
    print_json,
    print_rows,
    published,
    scan_option,
    unknown,
)

if TYPE_CHECKING:
    from nhiscan.config import Config

_SENTENCE: Final = 500  # characters of a finding's sentence
_KINDS: Final = ("access", "nhi_inventory", "leavers")
_REVIEWED: Final = ("access", "secrets", "delegated", "logs", "package")  # as the register's reviews.scope


@click.command()
@config_option
@click.argument("rule")
@click.argument("subject")
@click.option("--approver", required=True, metavar="MAIL", help="Who takes the risk.")
@click.option("--reason", required=True, help="Why it is taken.")
@click.option("--control", required=True, help="What limits it meanwhile.")
@click.option("--expires", required=True, type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Last day.")
@click.option("--requested-by", metavar="MAIL", help="Who asked for it; not the approver.")
@click.option("--renew", is_flag=True, help="Prolong an earlier acceptance, which is counted.")
def accept(
    config_file: Path,
    rule: str,
    subject: str,
    approver: str,
    reason: str,
    control: str,
    expires: datetime,
    requested_by: str | None,
    renew: bool,
) -> None:
    """Accept what RULE finds on SUBJECT for a limited time.

    SUBJECT is an id as `nhiscan findings --json` shows it, the finding's own id, or a name that is the only one. The
    finding stays in every report, as accepted, from the next scan on.

    Example: nhiscan accept life-key-age-exceeded aws:111111111111:access_key/AKIADEMOCOBALTSYNC01
    --approver anna.lindqvist@acme.example --reason 'Moves in May' --control 'Bound to one network' --expires 2026-05-31
    """
    from nhiscan import config, ledger, store
    from nhiscan import rule as rule_folders
    from nhiscan.lifecycle import decisions

    settings = config.read(config_file)
    rules = {found.rule_id: found for found in rule_folders.load()}
    rule_folders.check_overrides(list(rules.values()), settings.rules)
    if rule not in rules:
        raise unknown("rule", rule, rules)
    at = now()
    wish = decisions.Wish(rule, subject, approver, reason, control, expires.date(), requested_by, renew)
    with store.open_published(settings.state) as con, ledger.opened(settings.state) as held:
        acceptance, message = decisions.accept(
            con, wish, held.records(), limits=decisions.limits(rules, settings.rules), at=at
        )
        held.append([acceptance], at=at, by=str(acceptance.approved_by))
    click.echo(f"{acceptance.acceptance_id}: accepted until {acceptance.expires_at}: {plain(message, _SENTENCE)}")
    click.echo("it holds from the next scan on", err=True)


@click.group()
def review() -> None:
    """Write down reviews of access."""


@review.command("record")
@config_option
@click.option("--scope", required=True, type=click.Choice(_REVIEWED), help="What was reviewed.")
@click.option("--partner", required=True, help="Whose: id or name.")
@click.option("--reviewer", required=True, metavar="MAIL", help="Who of ours reviewed it.")
@click.option("--items", type=click.IntRange(min=0), help="How many things were looked at.")
@click.option("--revoked", type=click.IntRange(min=0), help="How many of them were taken away.")
@click.option("--seconds", type=click.IntRange(min=0), help="How long it took.")
@click.option("--evidence", help="Where the minutes are: a link or a ticket.")
def review_record(
    config_file: Path,
    scope: str,
    partner: str,
    reviewer: str,
    items: int | None,
    revoked: int | None,
    seconds: int | None,
    evidence: str | None,
) -> None:
    """Record a review of one partner that is complete now.

    Example: nhiscan review record --scope access --partner P-1012 --reviewer dana@acme.example --items 14 --revoked 2
    """
    from nhiscan import config, ledger, store
    from nhiscan.lifecycle import decisions

    settings = config.read(config_file)
    at = now()
    with store.open_published(settings.state) as con:
        done = decisions.review(
            con,
            scope=scope,
            partner=partner,
            reviewer=reviewer,
            items=items,
            revoked=revoked,
            seconds=seconds,
            evidence=evidence,
            at=at,
        )
    ledger.append(settings.state, [done], at=at, by=str(done.reviewer))
    click.echo(f"{done.review_id}: {scope} of {done.partner_id} reviewed by {done.reviewer}")
    click.echo("it counts from the next scan on", err=True)


@click.group()
def attest() -> None:
    """Let partners state what they still need."""


@attest.command("request")
@config_option
@click.option("--partner", required=True, help="Who is asked: id or name.")
@click.option("--kind", required=True, type=click.Choice(_KINDS), help="What it is asked about.")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="New .csv or .xlsx file."
)
def attest_request(config_file: Path, partner: str, kind: str, output: Path) -> None:
    """Write the file that a partner answers.

    One row each: for `access` its identities and what its own list declares, for `nhi_inventory` those that are no
    persons, for `leavers` its people and their accounts. It holds nothing that concerns somebody else.

    Example: nhiscan attest request --partner P-1012 --kind leavers -o request.xlsx
    """
    from nhiscan import config, store
    from nhiscan.lifecycle import attest as asking

    if output.suffix.lower() not in (".csv", ".xlsx"):
        raise click.UsageError(f"--output: {output} ends neither with .csv nor with .xlsx")
    if not output.parent.is_dir():
        raise click.UsageError(f"--output: {output.parent} is no folder")
    settings = config.read(config_file)
    with store.open_published(settings.state) as con:
        request, rows = asking.make(con, partner=partner, kind=kind, at=now())
    asking.keep(settings.state, request)
    asking.write(output, rows)
    click.echo(f"{request.request_id}: {plain(request.partner_name)} is asked for {kind}, {counted(len(rows), 'row')}")
    click.echo(f"send {output}; then run `nhiscan attest import FILE` on what comes back", err=True)


@attest.command("import")
@config_option
@json_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--incomplete", is_flag=True, help="Take what is usable; the statement stays due.")
@click.option("--replace", is_flag=True, help="Let it stand for what was signed before under the same request.")
def attest_import(config_file: Path, as_json: bool, file: Path, incomplete: bool, replace: bool) -> None:
    """Take a partner's answers, and show what contradicts the current scan.

    FILE is what the partner sent back. Rows that were changed, added or taken out, and answers in other words, are
    refused with their lines. Exit codes: 0 taken, 2 refused.

    Example: nhiscan attest import answers.csv
    """
    from nhiscan import config, ledger, store
    from nhiscan.lifecycle import answers, contradictions
    from nhiscan.lifecycle import attest as asking

    settings = config.read(config_file)
    at = now()
    rows = answers.read(file)
    request = asking.kept(settings.state, answers.request_id(file, rows))
    with store.open_published(settings.state) as con:
        statement = answers.judge(con, request, file, rows, at=at)
        if not incomplete:
            answers.refuse_incomplete(file, statement)
        with ledger.opened(settings.state) as held:
            is_known = answers.is_repeat(statement, held.records(), is_replaced=replace)
            if not is_known:
                held.append(statement.records(), at=at, by=statement.signed_by)
        found = contradictions.find(con, statement)
        is_older = contradictions.is_older(con, statement)
    if as_json:
        print_json(
            {
                "schema_version": 1,
                "request": request.request_id,
                "partner_id": request.partner_id,
                "kind": request.kind,
                "signed_by": statement.signed_by,
                "signed_on": statement.signed_on,
                "is_new": not is_known,
                "is_complete": not statement.problems,
                "answers": statement.counted,
                "problems": [{"line": problem.line or None, "says": problem.says} for problem in statement.problems],
                "scan_is_older": is_older,
                "contradictions": [dataclasses.asdict(entry) for entry in found],
            }
        )
        return
    told = ", ".join(f"{word} {number}" for word, number in statement.counted.items())
    click.echo(
        f"{request.request_id}: {plain(request.partner_name)}, {request.kind}, signed by "
        f"{plain(statement.signed_by)} on {statement.signed_on}: {told}" + (" (known already)" if is_known else "")
    )
    for problem in statement.problems:
        click.echo(f"not usable: {plain(problem, _SENTENCE)}")
    if found:
        click.echo(f"\n{counted(len(found), 'contradiction')} with the scan:")
        print_rows(
            ("answer", "what", "id", "contradiction"),
            [(entry.answer or "-", entry.subject_kind, entry.subject_id, entry.says) for entry in found],
        )
    else:
        click.echo("nothing contradicts the scan")
    if is_older:
        click.echo("the scan is older than the statement: scan again to see what was done about it", err=True)
    if statement.problems:
        click.echo("the statement is incomplete and stays due", err=True)


@click.command()
@config_option
@scan_option
@json_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many to list.")
@click.option("--pattern", help="Decide: identities whose id, native id or name match (* and ?).")
@click.option("--partner", help="Decide: partner id.")
@click.option("--role", type=click.Choice(["operator", "beneficiary", "vendor"]), help="Decide: its role.")
@click.option("--owner", help="Decide: owner's mail address.")
@click.option("--by", help="Decide: who decides (mail address).")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Decide: last day of the decision.")
@click.option("--replace", is_flag=True, help="Decide: replace an earlier decision on the same pattern.")
def attribute(
    config_file: Path,
    scan_id: str | None,
    as_json: bool,
    limit: int,
    pattern: str | None,
    partner: str | None,
    role: str | None,
    owner: str | None,
    by: str | None,
    until: datetime | None,
    replace: bool,
) -> None:
    """List weak attributions, or write down a decision (--pattern).

    Decisions go to identity_map.toml in the register's folder and hold from the next scan on.

    Example: nhiscan attribute --pattern '*:role/montblanc-*' --partner P-1012 --by erika.brandt@acme.example
    """
    from nhiscan import attribute as attribution
    from nhiscan import config
    from nhiscan.model import IdentityMapping

    if pattern is None:
        with published(config_file, scan_id) as con:
            weak = attribution.weakest(con, limit)
        if as_json:
            print_json([dataclasses.asdict(item) for item in weak])
        else:
            for item in weak:
                click.echo(attribution.describe(item))
        return
    if by is None or (partner is None and owner is None):
        raise click.UsageError("a decision needs --by and at least one of --partner and --owner")
    settings = config.read(config_file)
    decision = IdentityMapping(
        pattern=pattern,
        partner_id=partner,
        role=role,
        owner=owner,
        decided_by=by,
        until=until.date() if until else None,
    )
    file = _identity_map(settings)
    attribution.decide(file, [decision], replace=replace)
    click.echo(f"wrote {file}; it holds from the next scan on", err=True)


def _identity_map(settings: Config) -> Path:
    """The file that decisions are written to: beside the register's own tables."""
    for name, entry in settings.collectors:
        if name == "register" and isinstance(entry.get("path"), str):
            folder: Path = settings.file.parent / entry["path"]
            if folder.is_dir():
                return folder / "identity_map.toml"
    raise ConfigError(
        f"{settings.file}: collectors.register.path names no folder",
        hint="decisions are kept in the register's folder; set path to one",
    )
