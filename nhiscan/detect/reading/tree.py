"""Folders and files searched for secrets."""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, Final

from nhiscan.detect.leak import Counts, Profile, Said, Unread
from nhiscan.detect.reading import globs, work
from nhiscan.detect.reading.budget import Budget
from nhiscan.detect.reading.content import Content

BUDGET_S: Final = 30.0
LARGEST: Final = 1 << 34
_BLOCK: Final = 1 << 16
# A pipe put in a file's place meanwhile must not block, nor a link lead elsewhere.
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_UNFOLLOWED: Final = _FLAGS | os.O_NOFOLLOW

Item = tuple[str, str, int] | Unread  # what to open, what to call it, how
Progress = Callable[[int], None]


def scan(
    roots: Sequence[Path | str],
    make_profile: Callable[[], Profile],
    *,
    jobs: int = 1,
    on_progress: Progress | None = None,
    exclude: Sequence[str] = (),
    unpack: bool = True,
    budget_s: float = BUDGET_S,
    largest: int = LARGEST,
) -> Iterator[Said]:
    """The leaks of all files below `roots`, folder by folder in the order of names, then Counts.

    Paths are relative to the root where that is one folder; else each begins with its root as it was given. Every
    file is searched, also one that git ignores: that is where secrets are kept. Left out and counted: what is empty or
    binary by its content, folders named .git, links to what is searched anyway, and what a glob of `exclude` names (a
    name anywhere; with a / in it a path from the root, where ** spans folders). Archives are searched one level deep
    unless `unpack` is false; Leak.inside is the member then. Everything else that is not searched is Unread, a link
    that leads out of the roots among it.

    `make_profile` must be picklable for more than one job. `on_progress` gets the number of files done since it was
    last called. `budget_s`: for one text, or 4 MiB of a longer one. `largest`: bytes of a file.
    """
    walk = _Walk(roots, exclude)
    make_searcher = partial(Searcher, make_profile, budget_s=budget_s, unpacks=unpack, largest=largest)
    files = size = 0
    skipped: dict[str, int] = {}
    for answer in work.run(_batches(walk.items()), make_searcher, jobs=jobs, lost=_lost, budget_s=budget_s):
        yield from answer.said
        files += answer.files
        size += answer.bytes
        for why, count in answer.skipped.items():
            skipped[why] = skipped.get(why, 0) + count
        if on_progress is not None:
            on_progress(answer.items)
    for why, count in walk.skipped.items():
        skipped[why] = skipped.get(why, 0) + count
    yield Counts(files=files, bytes=size, skipped=dict(sorted(skipped.items())))


def _lost(item: Item, why: str, detail: str) -> Unread:
    return item if isinstance(item, Unread) else Unread(item[1], why, detail)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == work.BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


class _Walk:
    """What there is to open below the roots; `skipped` counts what is left out."""

    def __init__(self, roots: Sequence[Path | str], exclude: Sequence[str]) -> None:
        self.skipped: dict[str, int] = {}
        self._roots = [os.fspath(root) for root in roots]
        self._real = [os.path.realpath(root) for root in self._roots]
        self._first = {root: i for i, root in reversed(list(enumerate(self._real)))}
        self._excluded = globs.matcher(exclude)

    def items(self) -> Iterator[Item]:
        is_one = len(self._roots) == 1
        for i, root in enumerate(self._roots):
            real = self._real[i]
            if self._first[real] != i or (real != "/" and self._is_below_root(posixpath.dirname(real))):
                self._skip("named twice")
                continue
            shown = root.rstrip("/").removeprefix("./") or root
            try:
                mode = os.stat(root).st_mode  # noqa: PTH116 - a name may hold what Path would change
            except OSError as error:
                yield Unread(shown, "unreadable", _words(error))
                continue
            if stat.S_ISDIR(mode):
                yield from self._folder(root.rstrip("/") or "/", "" if is_one or shown in (".", "/") else f"{shown}/")
            elif stat.S_ISREG(mode):
                yield (root, shown, _FLAGS)
            else:
                yield Unread(shown, "unreadable", f"{_special(mode)}, which is named and not searched")

    def _folder(self, root: str, prefix: str) -> Iterator[Item]:
        stack = [(root, prefix)]
        by_name = attrgetter("name")
        excluded = self._excluded
        start = len(prefix)
        while stack:
            folder, shown = stack.pop()
            try:
                with os.scandir(folder) as found:
                    entries = sorted(found, key=by_name)
            except OSError as error:
                yield Unread(shown.rstrip("/") or folder, "unreadable", _words(error))
                continue
            below: list[tuple[str, str]] = []
            for entry in entries:
                name = entry.name
                if excluded is not None and excluded(name, (shown + name)[start:]):
                    self._skip("excluded")
                elif entry.is_file(follow_symlinks=False):
                    yield (entry.path, shown + name, _UNFOLLOWED)
                elif entry.is_dir(follow_symlinks=False):
                    if name == ".git":
                        self._skip(".git")
                    else:
                        below.append((entry.path, f"{shown}{name}/"))
                else:
                    problem = self._other(entry, shown + name)
                    if problem is not None:
                        yield problem
            below.reverse()
            stack += below

    def _other(self, entry: os.DirEntry[str], shown: str) -> Unread | None:
        try:
            if not entry.is_symlink():
                return Unread(shown, "special", _special(entry.stat(follow_symlinks=False).st_mode))
            target = os.path.realpath(entry.path, strict=True)
        except FileNotFoundError:
            self._skip("symlink to nothing")
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return Unread(shown, "symlink", "leads in a circle")
            return Unread(shown, "unreadable", _words(error))
        if not self._is_below_root(target):
            return Unread(shown, "symlink", "leads out of what is searched")
        self._skip("symlink")
        return None

    def _is_below_root(self, path: str) -> bool:
        """It is a root, or in one."""
        while path not in self._first:
            above = posixpath.dirname(path)
            if above == path:
                return False
            path = above
        return True

    def _skip(self, why: str) -> None:
        self.skipped[why] = self.skipped.get(why, 0) + 1


def _special(mode: int) -> str:
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device"


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__


class Searcher:
    """Opens and searches the files of a batch."""

    def __init__(
        self, make_profile: Callable[[], Profile], *, budget_s: float, unpacks: bool, largest: int = LARGEST
    ) -> None:
        self._budget = Budget(make_profile(), budget_s)
        self._content = Content(self._budget, unpacks=unpacks)
        self._largest = largest

    def search(self, batch: Sequence[Item], at: work.At) -> work.Answer:
        answer = work.Answer()
        with self._budget.alarm():
            for i, item in enumerate(batch):
                at(i)
                if isinstance(item, Unread):
                    answer.said.append(item)
                else:
                    self._file(answer, item, partial(at, i))
        if allowed := self._budget.allowed():
            answer.skipped["allowed by a comment"] = allowed
        return answer

    def close(self) -> None:
        pass

    def _file(self, answer: work.Answer, item: tuple[str, str, int], beat: Callable[[], None]) -> None:
        name, shown, flags = item
        try:
            handle = os.open(name, flags)
        except OSError as error:
            answer.said.append(Unread(shown, "unreadable", _words(error)))
            return
        try:
            data = os.read(handle, _BLOCK)
            rest = os.read(handle, 1) if data else b""  # mostly nothing: room for more would be made in vain
            if not rest:
                self._content.search(answer, shown, data, whole=partial(_whole, handle), beat=beat)
            else:
                self._large(answer, shown, handle, data + rest, beat)
        except OSError as error:
            answer.said.append(Unread(shown, "unreadable", _words(error)))
        finally:
            os.close(handle)

    def _large(self, answer: work.Answer, shown: str, handle: int, data: bytes, beat: Callable[[], None]) -> None:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            answer.said.append(Unread(shown, "special", _special(status.st_mode)))
            return
        if status.st_size > self._largest:
            answer.said.append(Unread(shown, "too_large", f"{status.st_size} bytes, more than {self._largest}"))
            return
        self._content.search(
            answer, shown, data, more=partial(os.read, handle), whole=partial(_whole, handle), beat=beat
        )


def _whole(handle: int) -> BinaryIO:
    os.lseek(handle, 0, os.SEEK_SET)
    return os.fdopen(handle, "rb", closefd=False)
