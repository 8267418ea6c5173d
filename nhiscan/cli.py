"""The command line. Its modules and terminal.py alone print, exit, and read the clock or the environment.

Heavy libraries are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import gc
import logging
import sys
import traceback
from typing import Final

import click

from nhiscan import __version__
from nhiscan.cli_attest import accept, attest, attribute, review
from nhiscan.cli_evidence import evidence
from nhiscan.cli_partner import partner
from nhiscan.cli_read import cases, diff, findings, identities, partners, path, query, report, schema, show
from nhiscan.cli_remediate import remediate
from nhiscan.cli_rules import collectors_group, rules
from nhiscan.cli_scan import demo, doctor, init, scan
from nhiscan.cli_secrets import secrets
from nhiscan.cli_work import work
from nhiscan.errors import NhiscanError
from nhiscan.printable import plain
from nhiscan.terminal import redacting

EXIT_INTERNAL: Final = 5
EXIT_INTERRUPTED: Final = 130

log = logging.getLogger("nhiscan")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nhiscan")
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr, tracebacks included.")
def cli(verbose: bool) -> None:
    """Find the non-human identities that partners hold, and say which should not exist any more."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(redacting)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)


for command in (
    accept, attest, attribute, cases, collectors_group, demo, diff, doctor, evidence, findings, identities, init,
    partner, partners, path, query, remediate, report, review, rules, scan, schema, secrets, show, work,
):  # fmt: skip
    cli.add_command(command)


def main() -> None:
    """Runs the command line and turns every end into an exit code."""
    # A scan makes many objects that live to its end; looking through all of them again and again took a seventh of it.
    gc.set_threshold(100_000, 20, 20)
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Exit as ended:
        code = ended.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the last published scan is untouched", err=True)
        code = EXIT_INTERRUPTED
    except NhiscanError as error:
        # A line of its own begins with a bar, so that no name in a message can pose as the next step.
        first, *more = redacting.redact(error.message).strip().splitlines() or [""]
        click.echo(
            "\n  | ".join([f"error: {plain(first, 2000)}", *(plain(line, 200) for line in more[:20] if line)]), err=True
        )
        if error.hint:
            click.echo(f"  next: {redacting.redact(plain(error.hint, 2000))}", err=True)
        code = error.exit_code
    except SystemExit as ended:
        # click turns a pipe whose reader left into exit code 1, which here means that a gate was hit.
        code = 0 if type(sys.stdout).__name__.endswith("PacifyFlushWrapper") else ended.code
    except Exception as error:  # noqa: BLE001 - the outermost edge: a defect of ours must end as exit code 5
        if log.isEnabledFor(logging.DEBUG):
            click.echo(redacting.redact(traceback.format_exc()), err=True)
        click.echo(f"internal error: {redacting.redact(f'{type(error).__name__}: {error}')}", err=True)
        click.echo("  next: run again with `nhiscan -v` and report what it prints", err=True)
        code = EXIT_INTERNAL
    sys.exit(code)


if __name__ == "__main__":
    main()
