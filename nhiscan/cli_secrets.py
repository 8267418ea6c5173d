"""The commands about secrets in files and git.

Starting has to cost next to nothing, since a hook runs `nhiscan secrets scan` at each commit: what a command needs is
imported inside it.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from nhiscan import __version__
from nhiscan.errors import CollectError, NhiscanError, StoreError
from nhiscan.printable import plain

if TYPE_CHECKING:
    from nhiscan.config import Config
    from nhiscan.detect.leak import Leaked, Profile, Said
    from nhiscan.detect.results.baseline import Baseline, Entry
    from nhiscan.detect.results.foreign import Export
    from nhiscan.imports import Imported

EXIT_FOUND: Final = 1
EXIT_INCOMPLETE: Final = 3
_PROFILES: Final = ("precise", "detect-secrets")
_FORMATS: Final = ("text", "json", "sarif")
FOREIGN: Final = (
    "auto",
    "sarif",
    "gitleaks",
    "trufflehog",
    "trufflehog3",
    "detect-secrets",
    "gitguardian",
    "kingfisher",
    "betterleaks",
    "github",
)
_LONG: Final = 500  # characters of a path or of what is known of a link
_DEFAULT_CONFIG: Final = Path("nhiscan.toml")


class DefectError(NhiscanError):
    """A defect of ours, told by its type and place: its own words may quote what was searched."""


@click.group()
def secrets() -> None:
    """Find secrets in files and git, and import findings."""


@secrets.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--git", "is_git", is_flag=True, help="Search the whole history: each PATH is a repository or bundle.")
@click.option(
    "--profile", type=click.Choice(_PROFILES), default="precise", show_default=True, help="What counts as a secret."
)
@click.option(
    "-f", "--format", "shape", type=click.Choice(_FORMATS), default="text", show_default=True, help="Result's form."
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the result here.")
@click.option(
    "--baseline",
    "baseline_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Allow what this baseline of detect-secrets holds.",
)
@click.option(
    "--write-baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Allow all that is found, and write it as a baseline, which holds a plain hash of each value.",
)
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave out files and folders; may be given repeatedly.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes to spread the work over."
)
@click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    envvar="NHISCAN_CONFIG",
    help="Settings file, whose state directory holds the key of fingerprints; nhiscan.toml, if there is one.",
)
def scan(
    paths: tuple[Path, ...],
    is_git: bool,
    profile: str,
    shape: str,
    output: Path | None,
    baseline_file: Path | None,
    write_baseline: Path | None,
    exclude: tuple[str, ...],
    jobs: int,
    config_file: Path | None,
) -> None:
    """Search files and folders, or the whole history of repositories, for secrets.

    Nothing is called with what is found, and no value is shown beyond four characters. A line that ends with
    `pragma: allowlist secret` is allowed. Exit codes: 0 nothing found, 1 secrets found, 2 usage or configuration,
    3 something could not be searched (comes before 1), 5 internal error, 130 interrupted.

    Example: nhiscan secrets scan exports
    """
    from nhiscan.detect.results import formats

    for option, file in (("--output", output), ("--write-baseline", write_baseline)):
        if file is not None and not file.parent.is_dir():
            raise click.UsageError(f"{option}: {file.parent} is no folder")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a runner's stop ends as ^C does
    key, is_lasting = _key(config_file)
    with _unquoted(), _progress() as on_progress:
        known = _Known(baseline_file, profile, is_written=write_baseline is not None)
        report = formats.report(
            _search(paths, known.make_profile(), is_git=is_git, exclude=exclude, jobs=jobs, on_progress=on_progress),
            profile=profile,
            key=key,
            has_lasting_key=is_lasting,
            version=__version__,
            allowed=known.allows,
        )
        if write_baseline is not None:
            _write(write_baseline, known.written())
    kinds = formats.described({found.kind for found in report.findings})
    if shape == "text":
        result = "".join(f"{line}\n" for line in formats.text(report, kinds))
    else:
        result = formats.as_json(report, kinds) if shape == "json" else formats.as_sarif(report, kinds)
    if output is None:
        _print(result)
    else:
        _write(output, result)
    _print("".join(f"{line}\n" for line in formats.summary(report)), is_error=True)
    sys.exit(EXIT_INCOMPLETE if report.missing else EXIT_FOUND if report.open else 0)


class _Known:
    """The baselines of one search: the one that is read, and the one that is written."""

    def __init__(self, file: Path | None, profile: str, *, is_written: bool) -> None:
        self._old: Baseline | None = None
        self._entries: list[Entry] | None = [] if is_written else None
        self._profile = profile
        self._types: Mapping[str, str] = {}
        if file is not None or is_written:
            from nhiscan.detect.results import baseline

            self._old = None if file is None else baseline.read(file)
            self._types = baseline.secret_types(profile, self._old)

    def make_profile(self) -> Callable[[], Profile]:
        from nhiscan.detect import profiles

        if self._old is None:
            return partial(profiles.profile, self._profile)
        return partial(profiles.profile, self._profile, self._old.settings, str(self._old.file))

    def allows(self, leaked: Leaked) -> str | None:
        """What excuses a leak; what is written into a baseline is known from then on."""
        if self._old is None and self._entries is None:
            return None
        from nhiscan.detect.results import baseline

        entry = baseline.entry(leaked, self._types)
        if self._entries is not None:
            self._entries.append(entry)
            return "baseline"
        return "baseline" if self._old is not None and self._old.knows(entry) else None

    def written(self) -> str:
        from nhiscan.detect.results import baseline

        return baseline.written(self._entries or (), profile=self._profile, at=datetime.now(UTC), old=self._old)


def _search(
    paths: tuple[Path, ...],
    make_profile: Callable[[], Profile],
    *,
    is_git: bool,
    exclude: tuple[str, ...],
    jobs: int,
    on_progress: Callable[[int], None] | None,
) -> Iterator[Said]:
    """What was said of each path, with names as one would type them here."""
    if is_git:
        from nhiscan.detect.git import repository
        from nhiscan.detect.leak import Unread

        for path in paths:
            said = repository.scan(path, make_profile, jobs=jobs, on_progress=on_progress, exclude=exclude)
            if len(paths) == 1:
                yield from said
                continue
            try:
                yield from _below(path, said)
            except CollectError as error:  # what was found in the others is shown all the same
                yield Unread(os.fspath(path), "unreadable", error.message)
    else:
        from nhiscan.detect.reading import tree

        said = tree.scan(paths, make_profile, jobs=jobs, on_progress=on_progress, exclude=exclude)
        yield from _below(paths[0], said) if len(paths) == 1 and paths[0].is_dir() else said


def _below(folder: Path, said: Iterable[Said]) -> Iterator[Said]:
    """Paths that begin with the folder; a dot is left out."""
    from nhiscan.detect.leak import Counts

    for item in said:
        yield item if isinstance(item, Counts) else replace(item, path=(folder / item.path).as_posix())


def _print(text: str, *, is_error: bool = False) -> None:
    """Writes to stdout or stderr; a reader who leaves early, as `head` does, changes nothing of the verdict."""
    try:
        click.echo(text, nl=False, err=is_error)
    except OSError as error:
        stream, nowhere = sys.stderr if is_error else sys.stdout, os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # for what is flushed at the end
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise StoreError(f"cannot write the result: {error.strerror}", hint="check the free space") from error


def _write(file: Path, text: str) -> None:
    """Replaces a file; what is none, such as /dev/stdout or a pipe, is written to as it stands."""
    from nhiscan import atomic

    if not file.exists() or file.is_file():
        atomic.write_text(file.resolve(), text)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {file}: {error.strerror}", hint="check the free space") from error


def _key(config_file: Path | None) -> tuple[bytes, bool]:
    """The key of fingerprints, and whether it is one that lasts: that of a state directory, else one for this run."""
    from nhiscan import config, secret

    file = config_file or _DEFAULT_CONFIG
    if config_file is not None or file.exists():
        state = config.read(file).state
        if (state / "fingerprint.key").exists():
            return secret.fingerprint_key(state), True
    return os.urandom(32), False


@contextmanager
def _unquoted() -> Iterator[None]:
    """Lets out no message of a defect: it may quote the text that was searched."""
    try:
        yield
    except (NhiscanError, click.ClickException):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its words must not be printed
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "<" not in frame.filename]
        place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "an unknown place"
        raise DefectError(
            f"internal error: {type(error).__name__} in {place}", hint="report this line; what was found is not shown"
        ) from None


@contextmanager
def _progress() -> Iterator[Callable[[int], None] | None]:
    """Counts files on stderr when it is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(desc="files", unit="", leave=False) as bar:
        yield bar.update


_config_option = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    default=_DEFAULT_CONFIG,
    envvar="NHISCAN_CONFIG",
    show_default=True,
    help="Settings file.",
)


@secrets.command("import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--place", help="Place that was searched; may be left out where one only is configured.")
@click.option(
    "--format", "form", type=click.Choice(FOREIGN), default="auto", show_default=True, help="Whose result FILE is."
)
@_config_option
def import_(file: Path, place: str | None, form: str, config_file: Path) -> None:
    """Take over what another scanner found in a place, and show what it leads to.

    Reads SARIF, the JSON of gitleaks, betterleaks, kingfisher, trufflehog, trufflehog3, detect-secrets and ggshield,
    and alerts of GitHub's secret scanning.

    Values in FILE are made into fingerprints and kept nowhere; the findings count from the next scan on. A second
    import of the same place and scanner replaces the first. Exit codes: 0 done, 2 FILE or the settings cannot be used,
    3 some findings say too little to be used.

    Example: nhiscan secrets import gitleaks.json --place storefront
    """
    from nhiscan import config

    settings = config.read(config_file)
    name, root = _place(settings, place)
    with _unquoted():
        imported = _imported(settings, file, form, name, root)
    unusable = sum(sum(one.unusable.values()) for one in imported)
    sys.exit(EXIT_INCOMPLETE if unusable else 0)


def _place(settings: Config, name: str | None) -> tuple[str, Path | None]:
    """The place that was searched, and its folder where the settings name one."""
    from nhiscan.errors import ConfigError

    entries = [entry for collector, entry in settings.collectors if collector == "files"]
    if not entries:
        raise ConfigError(
            f"{settings.file} has no collector of files, which takes over what was imported",
            hint="add [collectors.files], and the places to search under [[collectors.files.places]]",
        )
    places = {
        place["name"]: (settings.file.parent / place["path"]).resolve()
        for entry in entries
        for place in entry.get("places", ())
        if isinstance(place, dict) and isinstance(place.get("name"), str) and isinstance(place.get("path"), str)
    }
    if name is None and len(places) == 1:
        (name,) = places
    if name is None:
        known = f"configured are {', '.join(sorted(places))}" if places else "such as the name of the repository"
        raise ConfigError("nothing says which place was searched", hint=f"give it with --place; {known}")
    if not re.fullmatch(r"\w[\w.\-]{0,99}", name):
        raise ConfigError(
            f"{plain(name)!r} is no name for a place",
            hint="use up to 100 letters, digits and . _ - and begin with a letter or digit",
        )
    if name not in places:
        click.echo(f"no place {name!r} is configured: what is imported makes one that only others search", err=True)
    return name, places.get(name)


def _imported(settings: Config, file: Path, form: str, place: str, root: Path | None) -> list[Imported]:
    from nhiscan import atomic, imports, secret, store
    from nhiscan.detect import profiles
    from nhiscan.detect.results import foreign

    exports = foreign.read(file, form)
    profile = profiles.profile("precise")
    with store.locked(settings.state):
        key = secret.fingerprint_key(settings.state)
        imported = [imports.convert(one, place, root=root, profile=profile, key=key) for one in exports]
        for path, text in imports.merged(settings.state, imported, key):
            with store.disk_errors(settings.state):
                path.parent.mkdir(mode=0o700, exist_ok=True)
            atomic.write_text(path, text)
    for export, one in zip(exports, imported, strict=True):
        _print_import(export, one)
    if store.current(settings.state) is None:
        click.echo("no scan is published yet: what they lead to is shown by the first one", err=True)
    else:
        _print_traces(store.database(settings.state), imported)
    return imported


def _print_import(export: Export, imported: Imported) -> None:
    """How many findings, how well each is known, and what was not taken."""
    tool = plain(f"{imported.tool} {imported.version}" if imported.version else imported.tool)
    by_value = sum(row.fingerprint is not None for row in imported.rows)
    by_place = len(imported.rows) - by_value
    click.echo(
        f"{tool} of {imported.exported_at:%Y-%m-%d %H:%M} UTC: {len(imported.rows):,} findings in "
        f"{plain(imported.place)}, {by_value:,} known by their value, {by_place:,} by their place only"
    )
    for what, counted in (("left out", export.set_aside), ("cannot be used", imported.unusable)):
        if counted:
            said = ", ".join(f"{n:,} {reason}" for reason, n in sorted(counted.items()))
            click.echo(f"{what}: {said}", err=True)


def _print_traces(database: Path, imported: list[Imported]) -> None:
    """What leads to an identity line by line, the others by where their links end."""
    from nhiscan import trace

    ends: Counter[str] = Counter()
    for one in trace.follow(database, imported):
        if one.identity is None:
            ends[one.evidence] += 1
            continue
        used = f"last used {one.last_used_at:%Y-%m-%d}" if one.last_used_at else "last use not known"
        live = {True: "live", False: "not live", None: ""}[one.is_live]
        said = [
            f"{plain(one.kind)} -> {plain(one.credential)}" if one.credential else plain(one.kind),
            f"identity {plain(one.identity)}",
            f"partner {plain(one.partner)}" if one.partner else "no partner",
            f"owner {plain(one.owner)}" if one.owner else "no owner",
            *([live] if live else []),
            used,
            plain(one.evidence, _LONG),
        ]
        click.echo(f"{plain(one.place, _LONG)}: {', '.join(said)}")
    for evidence, n in sorted(ends.items(), key=lambda item: (-item[1], item[0])):
        click.echo(f"{n:,} lead{'s' if n == 1 else ''} to nobody: {plain(evidence, _LONG)}")


@secrets.command()
@click.argument("place", metavar="PLACE")
@click.option("--scanner", metavar="NAME", help="Forget what this one found, such as gitleaks, and keep the others'.")
@_config_option
def forget(place: str, scanner: str | None, config_file: Path) -> None:
    """Take back what was imported for PLACE.

    It counts no more from the next scan on; published scans stay as they are. Exit codes: 0 done, 2 nothing of that
    name was imported.

    Example: nhiscan secrets forget storefront --scanner gitleaks
    """
    from nhiscan import atomic, config, imports, secret, store
    from nhiscan.errors import ConfigError

    state = config.read(config_file).state
    path = imports.file(state, place)
    with store.locked(state):
        gone, left = imports.forgotten(path, scanner)
        if not gone:
            known = sorted(f"{one.tool} for {one.place}" for one in imports.read(state, secret.fingerprint_key(state)))
            raise ConfigError(
                f"nothing {f'of {plain(scanner)} ' if scanner else ''}was imported for {plain(place)}",
                hint=f"imported are {plain(', '.join(known), _LONG)}" if known else "there is nothing to forget",
            )
        if left is None:
            with store.disk_errors(state):
                path.unlink()
        else:
            atomic.write_text(path, left)
    for tool, n in gone.items():
        findings = f"{n:,} finding{'' if n == 1 else 's'} of {plain(tool)}"
        click.echo(f"forgot {findings} in {plain(place)}; they count until the next scan")
