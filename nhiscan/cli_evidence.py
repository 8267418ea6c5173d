"""The commands that write and check bundles of evidence of what was done by a plan."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Final

import click

from nhiscan.errors import ConfigError
from nhiscan.terminal import LONG, ask_passphrase, cell, config_option, json_option, print_json

_SCHEMA_VERSION: Final = 1
_EXIT_NOT_VERIFIED: Final = 1


@click.group()
def evidence() -> None:
    """Write and check bundles of evidence."""


@evidence.command("export")
@config_option
@click.argument("plan_name", metavar="OP")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the bundle here; OP.zip by default."
)
@click.option(
    "--key", "key_file", type=click.Path(path_type=Path, dir_okay=False), help="Sign it with your OpenSSH private key."
)
def evidence_export(config_file: Path, plan_name: str, output: Path | None, key_file: Path | None) -> None:
    """Write the bundle of evidence of a plan.

    OP is its id. The bundle is one file that others can check. It holds the plan, the approvals, the journal with the
    providers' request ids, and what the plan's scan and the newest scan after the last effect say of the targets. The
    same evidence is the same bytes.

    Example: nhiscan evidence export 20260131T020000Z-4f2a --key lee.key
    """
    from nhiscan import atomic, config
    from nhiscan.remediate import evidence as bundles
    from nhiscan.remediate import folders, people

    settings = config.read(config_file)
    kept = folders.find(settings.state, plan_name)
    signer = None
    if key_file is not None:
        signer = people.signer(key_file, settings.people, passphrase=ask_passphrase)
    data = bundles.export(settings.state, kept.folder, signer=signer)
    file = output or Path(f"{kept.plan.plan_id}.zip")
    with atomic.drafted(file) as draft:
        draft.write_bytes(data)
        atomic.settle(draft, file)
    click.echo(f"wrote {cell(file)}")
    if signer is None:
        click.echo("it is unsigned: sign it with --key", err=True)


@evidence.command("verify")
@click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    default=Path("nhiscan.toml"),
    envvar="NHISCAN_CONFIG",
    show_default=True,
    help="Settings whose [[people]] count; needs not be there with --key-public.",
)
@json_option
@click.option(
    "--key-public",
    "public_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The bundle has to be signed with this OpenSSH public key.",
)
@click.argument("bundle_file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
def evidence_verify(config_file: Path, as_json: bool, public_file: Path | None, bundle_file: Path) -> None:
    """Check a bundle of evidence.

    Says each thing that was checked, and what could not be. A bundle proves who asked and agreed, and what was
    journalled; that something is gone is what the scan in it says. Exit codes: 0 verified, 1 not.

    Example: nhiscan evidence verify 20260131T020000Z-4f2a.zip
    """
    from nhiscan import config
    from nhiscan.remediate import bundle
    from nhiscan.remediate import evidence as bundles

    key = None if public_file is None else _public_key(public_file)
    listed = () if key is not None and not config_file.exists() else config.read(config_file).people
    verdict = bundles.verify(bundle.read(bundle_file), listed, public_key=key)
    code = 0 if verdict.is_verified else _EXIT_NOT_VERIFIED
    if as_json:
        print_json(
            {
                "schema_version": _SCHEMA_VERSION,
                **dataclasses.asdict(verdict),
                "is_proven": verdict.is_proven,
                "exit_code": code,
            }
        )
        sys.exit(code)
    for check in verdict.checks:
        held = {True: "ok", False: "NO", None: "not checked"}[check.is_held]
        click.echo(f"{check.what}: {held}: {cell(check.says, LONG)}")
    if code:
        click.echo("NOT verified")
    else:
        signed = "" if verdict.is_signed else "; the bundle as a whole is not signed"
        proven = "; a scan shows every target off or gone" if verdict.is_proven else "; it proves nothing gone"
        click.echo(f"verified{signed}{proven}")
    sys.exit(code)


def _public_key(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the key {file}: {error}", hint="give the .pub file") from error
