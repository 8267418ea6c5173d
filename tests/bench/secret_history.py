"""A repository with a long history: successive releases of a few packages, and secrets that were taken out again."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from . import secret_plants
from .secret_corpus import fetch, listed, texts
from .secret_plants import Plant

_START: Final = 1_500_000_000
_BETWEEN_S: Final = 3_600
_LASTS: Final = 9  # commits that a planted file stays
_AT_ONCE: Final = 8  # files of one folder that a commit changes


@dataclass(frozen=True, slots=True)
class History:
    """`plants`: their paths in the repository; the first half of them is taken out again."""

    repository: Path
    commits: int
    plants: list[Plant]


def build(folder: Path) -> History:
    """The repository, made anew when what it is made of has changed.

    Raises: AbsentError when a release cannot be fetched.
    """
    repository, mark = folder / "history", folder / "history.made-of"
    sources = (Path(__file__), Path(secret_plants.__file__), Path(__file__).with_name("secret_formats.py"))
    made_of = hashlib.sha256(repr(listed()["history"]).encode() + b"".join(s.read_bytes() for s in sources)).hexdigest()
    planted = folder / "history-plants"
    shutil.rmtree(planted, ignore_errors=True)
    plants = secret_plants.write(planted, per_kind=1, seed=2).plants
    if not (mark.is_file() and mark.read_text(encoding="ascii") == made_of):
        shutil.rmtree(repository, ignore_errors=True)
        repository.mkdir(parents=True)
        _git(repository, "init", "--quiet", "--initial-branch=main")
        _import(repository, _commits(folder, planted, plants))
        _git(repository, "reset", "--quiet", "--hard", "main")
        _git(repository, "gc", "--quiet")
        mark.write_text(made_of, encoding="ascii")
    commits = int(_git(repository, "rev-list", "--count", "main"))
    placed = [replace(plant, path=f"platform/{plant.path}") for plant in plants]
    shutil.rmtree(planted)
    return History(repository, commits, placed)


def blobs(repository: Path, target: Path) -> tuple[int, int]:
    """Writes every unique blob of the repository as a file of its own; their count and bytes."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    command = [
        "git",
        "-C",
        str(repository),
        "cat-file",
        "--batch-all-objects",
        "--batch-check=%(objecttype) %(objectname)",
    ]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
    names = [line.partition(" ")[2] for line in listing if line.startswith("blob ")]
    known = _paths(repository)
    command = ["git", "-C", str(repository), "cat-file", "--batch"]
    out = subprocess.run(command, check=True, capture_output=True, input="\n".join(names).encode()).stdout
    at = size = 0
    for name in names:
        end = out.index(b"\n", at)
        length = int(out[at:end].split()[2])
        data = out[end + 1 : end + 1 + length]
        at = end + length + 2
        size += length
        path = target / name[:2] / f"{name}-{Path(known.get(name, name)).name}"  # the ending tells its type
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    return len(names), size


def _paths(repository: Path) -> dict[str, str]:
    listing = _git(repository, "rev-list", "--objects", "--all")
    return {name: path for name, _, path in (line.partition(" ") for line in listing.splitlines()) if path}


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(repository), *arguments], check=True, capture_output=True)
    return done.stdout.decode("utf-8", "surrogateescape")


def _commits(folder: Path, planted: Path, plants: list[Plant]) -> Iterator[tuple[str, dict[str, bytes | None]]]:
    """(message, path -> bytes or None for a removed one), the releases of all packages in turn."""
    changes = _with_plants(_releases(folder), planted, plants)
    yield "Start", {"README.md": b"Partner platform, with what it is built on\n"}
    yield from changes


def _releases(folder: Path) -> Iterator[tuple[str, dict[str, bytes | None]]]:
    groups = listed()["history"]
    held: dict[str, dict[str, bytes]] = {group["name"]: {} for group in groups}
    turns = itertools.zip_longest(*([(group, version) for version in group["versions"]] for group in groups))
    for group, version in (step for turn in turns for step in turn if step is not None):
        name, sign = group["name"], "==" if group["registry"] == "pypi" else "@"
        now = dict(texts(fetch(group["registry"], f"{name}{sign}{version}", folder / "packages")))
        now = {path: data for path, data in now.items() if ".dist-info/" not in path}
        before, held[name] = held[name], now
        changed: dict[str, dict[str, bytes | None]] = {}
        for path in sorted(before.keys() | now.keys()):
            if before.get(path) != now.get(path):
                changed.setdefault(str(Path(path).parent), {})[f"vendor/{name}/{path}"] = now.get(path)
        for where, files in changed.items():
            paths = list(files)
            for start in range(0, len(paths), _AT_ONCE):
                part = {path: files[path] for path in paths[start : start + _AT_ONCE]}
                yield f"Update {name} to {version} in {where}", part


def _with_plants(
    changes: Iterator[tuple[str, dict[str, bytes | None]]], planted: Path, plants: list[Plant]
) -> Iterator[tuple[str, dict[str, bytes | None]]]:
    waiting = list(plants)
    half = len(plants) // 2
    leaving: list[tuple[int, Plant]] = []
    for number, change in enumerate(changes):
        yield change
        if number % 5 == 0 and waiting:
            plant = waiting.pop(0)
            yield f"Add {plant.kind}", {f"platform/{plant.path}": (planted / plant.path).read_bytes()}
            if len(waiting) >= len(plants) - half:
                leaving.append((number + _LASTS, plant))
        while leaving and leaving[0][0] <= number:
            yield "Clean up", {f"platform/{leaving.pop(0)[1].path}": None}


def _import(repository: Path, commits: Iterator[tuple[str, dict[str, bytes | None]]]) -> None:
    command = ["git", "-C", str(repository), "fast-import", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as importing:
        stream = importing.stdin
        assert stream is not None
        for number, (message, files) in enumerate(commits):
            said = message.encode()
            at = _START + number * _BETWEEN_S
            stream.write(b"commit refs/heads/main\ncommitter Ada <ada@aldermoor.example> %d +0000\n" % at)
            stream.write(b"data %d\n%s\n" % (len(said), said))
            for path, data in files.items():
                quoted = b'"' + path.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
                if data is None:
                    stream.write(b"D %s\n" % quoted)
                else:
                    stream.write(b"M 100644 inline %s\ndata %d\n%s\n" % (quoted, len(data), data))
        stream.write(b"done\n")
    if importing.returncode:
        raise subprocess.CalledProcessError(importing.returncode, command)
