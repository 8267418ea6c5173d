"""The whole history of a git repository searched for secrets: every file version once, then who brought it in."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import IO, Final

from nhiscan.detect.git import attribution
from nhiscan.detect.git.objects import MESSAGES, Found, Item, Searcher, batches
from nhiscan.detect.git.process import Git, GitError, TooLargeError, cloned, opened
from nhiscan.detect.leak import Commit, Counts, Leak, Leaked, Profile, Said, Unread
from nhiscan.detect.reading import globs, work
from nhiscan.errors import CollectError
from nhiscan.secret import Secret

BUDGET_S: Final = 30.0
LARGEST: Final = 1 << 30
MOST_PLACES: Final = 200  # of one value, and of one reason for which something is not read
_WHOLE: Final = "."  # the path of what concerns the repository as such
_UNCOMPARED: Final = "commits cannot be compared, so it is not known which brought what"
_BUNDLE: Final = b"# v"


def scan(
    repository: Path | str,
    make_profile: Callable[[], Profile],
    *,
    jobs: int = 1,
    branch: str | None = None,
    on_progress: Callable[[int], None] | None = None,
    exclude: Sequence[str] = (),
    unpack: bool = True,
    budget_s: float = BUDGET_S,
    largest: int = LARGEST,
) -> Iterator[Said]:
    """The leaks of all that a work tree's repository, a bare one or a .bundle file ever held, by path, then Counts.

    Searched are the files of all commits, also of stashes, reflogs and commits that nothing leads to any more, and the
    messages of commits and tags. Files that are not committed are not: `tree.scan` reads them. One Leaked stands for
    all versions of a file that have the same value; it is current where the newest commit of `branch` (else of HEAD)
    has it. What no commit holds has the path "object " and its id, a message "commit message" or "tag message".

    A history that is not complete is said: shallow and partial clones, missing or damaged objects, submodules, files
    kept in LFS. Replaced and grafted commits count as they were. Of an object store that borrows from another one, the
    other one's objects count as well. `exclude` as for `tree.scan`, whenever a file stood there. `on_progress` gets the
    number of objects done since it was last called. `largest`: bytes of one file.
    Raises: CollectError when there is no repository, branch or usable git.
    """
    path = os.fspath(repository)
    make = partial(
        _Scan,
        make_profile=make_profile,
        jobs=jobs,
        branch=branch,
        on_progress=on_progress or _ignored,
        excluded=globs.matcher(exclude),
        unpacks=unpack,
        budget_s=budget_s,
        largest=largest,
    )
    if _is_bundle(path):
        with tempfile.TemporaryDirectory(prefix="nhiscan-") as folder:
            yield from make(cloned(path, folder)).run()
    else:
        yield from make(opened(path)).run()


def _ignored(count: int) -> None:
    pass


def _is_bundle(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a name may hold what Path would change
            return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.read(len(_BUNDLE)) == _BUNDLE
    except OSError:
        return False


@dataclass(slots=True)
class _Value:
    """One value at one path, over all versions of the file."""

    leak: Leak
    order: tuple[bool, int]  # of the version that `leak` is from: current ones last, then by time
    first: tuple[int, Commit] | None = None
    gone: tuple[int, Commit] | None = None
    is_standing: bool = False
    is_current: bool = False


@dataclass(slots=True)
class _Scan:
    git: Git
    make_profile: Callable[[], Profile]
    jobs: int
    branch: str | None
    on_progress: Callable[[int], None]
    excluded: Callable[[str, str], bool] | None
    unpacks: bool
    budget_s: float
    largest: int
    counts: dict[str, int] = field(default_factory=dict)  # by why something was skipped
    files: int = 0
    size: int = 0
    commits: int = 0
    unread: list[Unread] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)

    def run(self) -> Iterator[Said]:
        head = self._head()
        self._look_for_gaps()
        with tempfile.TemporaryFile() as commits:
            self._search(self._objects(self._paths(), commits))
            history, current = self._attributed(head, commits)
        yield from self._leaks(history, current, head)
        yield from self._not_read(history, current)
        yield Counts(self.files, self.size, self.commits, dict(sorted(self.counts.items())))

    def _head(self) -> str | None:
        """The commit that is current; where HEAD names none, as in some mirrors, the one of the only or main branch."""
        if self.branch is not None:
            for prefix in ("refs/heads/", "refs/remotes/origin/", "refs/tags/"):
                if commit := self._resolved(prefix + self.branch):
                    return commit
            raise CollectError(
                f"{self.git.folder} has no branch {self.branch}", hint="name a branch or tag of the repository"
            )
        if commit := self._resolved("HEAD"):
            return commit
        _, said = self.git.run("for-each-ref", "--format=%(refname)", "refs/heads/")
        names = said.decode("utf-8", "surrogateescape").splitlines()
        chosen = names if len(names) == 1 else [n for n in ("refs/heads/main", "refs/heads/master") if n in names]
        return self._resolved(chosen[0]) if chosen else None

    def _resolved(self, name: str) -> str | None:
        code, said = self.git.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return said.decode().strip() if code == 0 else None

    def _look_for_gaps(self) -> None:
        _, said = self.git.run("rev-parse", "--is-shallow-repository")
        if said.strip() != b"false":
            self.unread.append(
                Unread(
                    _WHOLE, "shallow", "a shallow clone: older commits are not here, `git fetch --unshallow` gets them"
                )
            )
        code, _ = self.git.run("config", "--get-regexp", r"^(extensions|remote\..*)\.(partialclone|promisor)$")
        if code == 0:
            self.unread.append(
                Unread(_WHOLE, "missing_object", "a partial clone: files that were never fetched are not searched")
            )

    def _paths(self) -> dict[bytes, str]:
        """A path for every file version that a commit holds; what commits name and is not there is kept as missing."""
        names: dict[bytes, str] = {}  # many versions of few paths
        paths: dict[bytes, str] = {}
        lines = self.git.parts(
            b"\n", "rev-list", "--objects", "--all", "--reflog", "--missing=print",
            "--filter=object:type=blob", "--filter-provided-objects",
        )  # fmt: skip
        try:
            for line in lines:
                oid, _, name = line.partition(b" ")
                if oid.startswith(b"?"):
                    self.missing.add(oid[1:].decode())
                elif name:
                    path = names.get(name)
                    if path is None:
                        path = names[name] = name.decode("utf-8", "surrogateescape")
                    paths[bytes.fromhex(oid.decode())] = path
        except GitError as error:
            self._gap("the history cannot be followed to its end", error)
        return paths

    def _objects(self, paths: dict[bytes, str], commits: IO[bytes]) -> Iterator[Item]:
        """All objects but folders, in the order in which they are packed; ids of commits are written to `commits`."""
        lines = self.git.parts(
            b"\n", "cat-file", "--batch-all-objects", "--unordered", "--buffer",
            "--batch-check=%(objecttype) %(objectname) %(objectsize)",
        )  # fmt: skip
        try:
            for line in lines:
                kind, _, rest = line.partition(b" ")
                if kind == b"tree":
                    continue
                name, _, size = rest.partition(b" ")
                if not size:  # "<oid> missing"
                    self.unread.append(
                        Unread(
                            paths.get(bytes.fromhex(kind.decode())) or f"object {kind.decode()}",
                            "damaged",
                            "git cannot read a version of it",
                        )
                    )
                    continue
                oid = name.decode()
                if kind == b"commit":
                    self.commits += 1
                    commits.write(name + b"\n")
                yield Item(kind.decode(), oid, int(size), paths.get(bytes.fromhex(oid), ""))
        except GitError as error:
            self.unread.append(Unread(_WHOLE, "damaged", f"not all objects can be listed: {error}"))

    def _search(self, items: Iterator[Item]) -> None:
        make_searcher = partial(
            Searcher,
            self.git,
            self.make_profile,
            budget_s=self.budget_s,
            unpacks=self.unpacks,
            largest=self.largest,
        )
        for answer in work.run(batches(items), make_searcher, jobs=self.jobs, lost=_lost, budget_s=self.budget_s):
            self.found += answer.said
            self.files += answer.files
            self.size += answer.bytes
            for why, count in answer.skipped.items():
                self.counts[why] = self.counts.get(why, 0) + count
            self.on_progress(answer.items)

    def _attributed(self, head: str | None, commits: IO[bytes]) -> tuple[attribution.History, attribution.Tree]:
        wanted = {found.item.oid.encode() for found in self.found if found.item.type == "blob"}
        wanted |= {oid.encode() for oid in self.missing}
        history, current = attribution.History(), attribution.Tree()
        if head is not None:
            try:
                current = attribution.tree(self.git, head, wanted)
            except GitError as error:
                self._gap("the newest commit cannot be read", error)
        if self.commits:
            commits.flush()
            commits.seek(0)
            try:
                history = attribution.read(self.git, wanted, commits)
            except TooLargeError as error:
                self._gap(_UNCOMPARED, error)
            except GitError:  # commits that nothing leads to may have lost their parents, which is nobody's loss
                try:
                    history = attribution.read(self.git, wanted, None)
                except GitError as error:
                    self._gap(_UNCOMPARED, error)
        return history, current

    def _gap(self, what: str, error: GitError) -> None:
        why = "too_large" if isinstance(error, TooLargeError) else "missing_object"
        self.unread.append(Unread(_WHOLE, why, f"{what}: {error}"))

    def _leaks(self, history: attribution.History, current: attribution.Tree, head: str | None) -> Iterator[Leaked]:
        values: dict[tuple[str, str, str, Secret], _Value] = {}
        places: dict[tuple[str, Secret], int] = {}
        for found in self.found:
            stays = history.stays.get(found.item.oid, {})
            now = current.paths.get(found.item.oid, set())
            paths = _paths(found.item, stays, now)
            for said in found.said:
                if isinstance(said, Unread):
                    continue
                leak = said.leak
                for path in paths:
                    if self._is_excluded(path):
                        continue
                    key = (path, leak.inside or "", leak.kind, leak.secret)
                    if key not in values:
                        many = places.get(key[2:], 0)
                        places[key[2:]] = many + 1
                        if many >= MOST_PLACES:
                            self.counts["further place"] = self.counts.get("further place", 0) + 1
                            continue
                    if found.commit is not None:
                        at = int(found.commit.at.timestamp())
                        stay: attribution.Stay | None = attribution.Stay((at, found.commit), at)
                        is_current = found.item.oid == head
                    else:
                        stay, is_current = stays.get(path), path in now
                    _add(values, key, leak, stay, is_current=is_current)
        for (path, *_), value in sorted(values.items(), key=_in_order):
            yield Leaked(
                path,
                value.leak,
                first=value.first[1] if value.first else None,
                gone=value.gone[1] if value.gone and not value.is_standing and not value.is_current else None,
                is_current=value.is_current,
            )

    def _is_excluded(self, path: str) -> bool:
        return self.excluded is not None and globs.covers(self.excluded, path)

    def _not_read(self, history: attribution.History, current: attribution.Tree) -> Iterator[Unread]:
        """Each place and reason once, and of one reason so many: a hostile repository cannot flood a report."""
        all_said = dict.fromkeys(self.unread)
        for found in self.found:
            paths = _paths(found.item, history.stays.get(found.item.oid, {}), current.paths.get(found.item.oid, set()))
            if found.is_pointer:
                all_said |= dict.fromkeys(Unread(path, "lfs_pointer", "kept in LFS, not here") for path in paths)
            for said in found.said:
                if isinstance(said, Unread):
                    rest = said.path.removeprefix(found.item.path)
                    all_said[Unread((found.item.path or paths[0]) + rest, said.why, said.detail)] = None
        for path in sorted(history.submodules | current.submodules):
            all_said[Unread(path, "submodule", "another repository, to be searched on its own")] = None
        for oid in sorted(self.missing):
            stays = history.stays.get(oid, {})
            for path in _paths(Item("blob", oid, 0, ""), stays, current.paths.get(oid, set())):
                all_said[Unread(path, "missing_object", f"a version of it is not in the repository: {oid}")] = None
        many: dict[str, int] = {}
        for unread in sorted(all_said, key=attrgetter("path", "why", "detail")):
            if self._is_excluded(unread.path):
                continue
            many[unread.why] = many.get(unread.why, 0) + 1
            if many[unread.why] <= MOST_PLACES:
                yield unread
        for why, count in sorted(many.items()):
            if count > MOST_PLACES:
                yield Unread(_WHOLE, why, f"{count - MOST_PLACES} more places like this")


def _in_order(item: tuple[tuple[str, str, str, Secret], _Value]) -> tuple[str, str, str, float, str, int, int, str]:
    """By place and time, never by how git has packed it."""
    (path, inside, kind, secret), value = item
    at, sha = (value.first[1].at.timestamp(), value.first[1].sha) if value.first else (0.0, "")
    return path, inside, kind, at, sha, value.leak.line, value.leak.start, secret.reveal()


def _lost(item: Item, why: str, detail: str) -> Found:
    return Found(item, (Unread(item.path, why, detail),))


def _paths(item: Item, stays: dict[str, attribution.Stay], now: set[str]) -> list[str]:
    """All at which an object stood, the current ones first."""
    if item.type in MESSAGES:
        return [MESSAGES[item.type]]
    return [*sorted(now), *sorted(stays.keys() - now)] or [item.path or f"object {item.oid}"]


def _add(
    values: dict[tuple[str, str, str, Secret], _Value],
    key: tuple[str, str, str, Secret],
    leak: Leak,
    stay: attribution.Stay | None,
    *,
    is_current: bool,
) -> None:
    order = (is_current, stay.added if stay else 0)
    value = values.get(key)
    if value is None:
        value = values[key] = _Value(leak, order)
    elif order > value.order:
        value.leak, value.order = leak, order
    value.is_current |= is_current
    if stay is not None:
        if value.first is None or stay.first[0] < value.first[0]:
            value.first = stay.first
        if stay.gone is not None and (value.gone is None or stay.gone[0] > value.gone[0]):
            value.gone = stay.gone
        value.is_standing |= not stay.is_over
