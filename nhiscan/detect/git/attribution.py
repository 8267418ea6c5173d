"""Where in a history chosen file versions stood: at which paths, from which commit on, until which one."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import IO, Final

from nhiscan.detect.git.objects import when
from nhiscan.detect.git.process import Git, TooLargeError
from nhiscan.detect.leak import Commit

MOST_FILES: Final = 10_000_000  # of one commit: a few folders that hold each other make any number
_MOST_PATHS: Final = 1_000  # of one file version
_GITLINK: Final = b"160000"  # mode of a submodule
_LOG: Final = (
    "log", "-z", "--raw", "-c", "--no-abbrev", "--no-renames", "--date-order", "--reverse",
    "--format=%x01%H %ct %ae", "--no-color", "--no-mailmap", "--no-notes", "--no-decorate", "--no-show-signature",
    "--no-ext-diff", "--no-textconv", "--no-relative", "--ignore-submodules=none", "-O/dev/null",
)  # fmt: skip


@dataclass(slots=True)
class Stay:
    """One file version at one path. Numbers follow the order of commits; `gone` is None while it still stands."""

    first: tuple[int, Commit]
    added: int
    gone: tuple[int, Commit] | None = None

    @property
    def is_over(self) -> bool:
        return self.gone is not None and self.gone[0] > self.added


@dataclass(slots=True)
class History:
    """`stays`: oid -> path -> when it stood there; `submodules`: paths at which another repository stood."""

    stays: dict[str, dict[str, Stay]] = field(default_factory=dict)
    submodules: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Tree:
    """What one commit holds. `paths`: of the chosen file versions, by oid."""

    paths: dict[str, set[str]] = field(default_factory=dict)
    submodules: set[str] = field(default_factory=set)


def read(git: Git, wanted: Container[bytes], commits: IO[bytes] | None) -> History:
    """What all commits say of the wanted oids in one pass; `commits`: a file of their ids, else those that refs reach.

    A merge speaks only of what it has from none of its parents: all else was said by a commit before it. So what a
    merge drops by taking the other side whole is never gone, merely no longer current.
    Raises: GitError.
    """
    history = History()
    starts = ("--all", "--reflog") if commits is None else ("--stdin",)
    number = files = 0
    commit: Commit | None = None
    header = b""
    fields: list[bytes] = []
    for part in git.parts(b"\0", *_LOG, *starts, stdin=commits):
        if fields:
            many = fields[0].count(b":")  # parents of a merge
            old, new = fields[many + 1 : 2 * many + 1], fields[2 * many + 1]
            is_submodule = fields[many] == _GITLINK
            fields = []
            files = _counted(files)
            if not is_submodule and new not in wanted and not any(oid in wanted for oid in old):
                continue
            path = part.decode("utf-8", "surrogateescape")
            if is_submodule:
                history.submodules.add(path)
                continue
            if commit is None:
                commit = _commit(header)
            for oid in set(old) - {new}:
                stay = history.stays.get(oid.decode(), {}).get(path)
                if stay is not None:
                    stay.gone = (number, commit)
            if new in wanted:
                paths = history.stays.setdefault(new.decode(), {})
                if path in paths or len(paths) < _MOST_PATHS:
                    stay = paths.setdefault(path, Stay((number, commit), number))
                    stay.added = number
        elif part.startswith(b"\1"):
            number += 1
            header, commit, files = part[1:], None, 0
        elif part.startswith((b":", b"\n:")):
            fields = part.lstrip(b"\n").split(b" ")
    return history


def tree(git: Git, commit: str, wanted: Container[bytes]) -> Tree:
    """Raises: GitError."""
    seen = Tree()
    files = 0
    for line in git.parts(b"\0", "ls-tree", "-r", "-z", "--full-tree", commit):
        what, _, name = line.partition(b"\t")
        mode, _, oid = what.split(b" ")
        files = _counted(files)
        if mode == _GITLINK:
            seen.submodules.add(name.decode("utf-8", "surrogateescape"))
        elif oid in wanted and len(paths := seen.paths.setdefault(oid.decode(), set())) < _MOST_PATHS:
            paths.add(name.decode("utf-8", "surrogateescape"))
    return seen


def _counted(files: int) -> int:
    if files == MOST_FILES:
        raise TooLargeError(f"a commit of more than {MOST_FILES:,} files")
    return files + 1


def _commit(header: bytes) -> Commit:
    sha, time, author = (header + b"  ").split(b" ", 2)
    return Commit(sha.decode(), author.strip().decode("utf-8", "replace"), when(time))
