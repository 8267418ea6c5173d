"""A history is searched once per file version, each leak with its commits; what is missing from it is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nhiscan.detect.git import attribution, process
from nhiscan.detect.git import repository as module
from nhiscan.detect.leak import Counts, Leaked, Said, Unread
from nhiscan.errors import CollectError
from tests.detect.fake_profile import Tokens

_START = datetime(2026, 1, 1, tzinfo=UTC)
_A, _B, _C = (f"tok_{sign * 16}" for sign in "abc")


class Repository:
    """A repository in the making; every commit is a day later than the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.days = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.run("init", "--quiet", "--initial-branch=main")

    def run(self, *arguments: str, data: bytes | None = None) -> str:
        at = (_START + timedelta(days=self.days)).isoformat()
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.folder,
            input=data,
            capture_output=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "HOME": "/nonexistent",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_AUTHOR_NAME": "Ada",
                "GIT_AUTHOR_EMAIL": "ada@acme.example",
                "GIT_AUTHOR_DATE": at,
                "GIT_COMMITTER_NAME": "Bot",
                "GIT_COMMITTER_EMAIL": "bot@acme.example",
                "GIT_COMMITTER_DATE": at,
            },
        )
        return done.stdout.decode().strip()

    def commit(self, message: str = "change", **files: str | bytes | None) -> str:
        """Files by name, `__` for a slash; None removes one."""
        for name, text in files.items():
            file = self.folder / name.replace("__", "/")
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(text.encode() if isinstance(text, str) else text)
        self.days += 1
        self.run("add", "--all")
        self.run("commit", "--quiet", "--allow-empty", "-m", message)
        return self.run("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def scanned(place: Repository | Path, **options: object) -> list[Said]:
    folder = place.folder if isinstance(place, Repository) else place
    return list(module.scan(folder, Tokens, **options))  # type: ignore[arg-type]


def leaks(said: list[Said]) -> list[tuple[str, str, str | None, str | None, bool]]:
    """(path, value, first commit, commit that removed it, stands there still)"""
    return [
        (
            one.path,
            one.leak.secret.reveal(),
            one.first.sha if one.first else None,
            one.gone.sha if one.gone else None,
            one.is_current,
        )
        for one in said
        if isinstance(one, Leaked)
    ]


def unread(said: list[Said]) -> list[tuple[str, str]]:
    return [(one.path, one.why) for one in said if isinstance(one, Unread)]


def counts(said: list[Said]) -> Counts:
    assert isinstance(said[-1], Counts)
    return said[-1]


def test_a_secret_that_stands_has_its_first_commit(repository: Repository) -> None:
    repository.commit(other="nothing")
    first = repository.commit(a=f"x {_A}")
    repository.commit(other="more")

    said = scanned(repository)

    assert leaks(said) == [("a", _A, first, None, True)]
    assert unread(said) == []
    assert counts(said).commits == 3


def test_a_commit_has_the_mail_of_the_author_and_the_time_of_the_committer(repository: Repository) -> None:
    repository.commit(a=_A)

    (leaked, _) = scanned(repository)

    assert isinstance(leaked, Leaked)
    assert leaked.first is not None
    assert leaked.first.author == "ada@acme.example"
    assert leaked.first.at == _START + timedelta(days=1)


def test_a_secret_that_was_removed_has_the_commit_that_did(repository: Repository) -> None:
    first = repository.commit(a=_A)
    repository.commit(other="more")
    gone = repository.commit(a="nothing")
    repository.commit(a="less")

    assert leaks(scanned(repository)) == [("a", _A, first, gone, False)]


def test_the_versions_of_a_file_with_one_secret_are_one_leak(repository: Repository) -> None:
    first = repository.commit(a=f"0 {_A}")
    for n in range(1, 20):
        repository.commit(a="\n" * n + _A)
    gone = repository.commit(a=None)

    said = scanned(repository)

    assert leaks(said) == [("a", _A, first, gone, False)]
    assert isinstance(said[0], Leaked)
    assert said[0].leak.line == 20


def test_a_standing_leak_has_the_line_of_the_newest_version(repository: Repository) -> None:
    repository.commit(a="\n\n\n" + _A)
    repository.commit(a="\n" + _A)

    (leaked, _) = scanned(repository)

    assert isinstance(leaked, Leaked)
    assert leaked.leak.line == 2


def test_a_secret_that_came_back_spans_from_first_to_last(repository: Repository) -> None:
    first = repository.commit(a=_A)
    repository.commit(a="nothing")
    repository.commit(a=_A)
    gone = repository.commit(a="nothing")

    assert leaks(scanned(repository)) == [("a", _A, first, gone, False)]


def test_a_rotated_secret_is_two_leaks(repository: Repository) -> None:
    first = repository.commit(a=_A)
    second = repository.commit(a=_B)

    assert leaks(scanned(repository)) == [("a", _A, first, second, False), ("a", _B, second, None, True)]


def test_a_file_that_moved_stood_at_two_paths(repository: Repository) -> None:
    first = repository.commit(a=_A)
    moved = repository.commit(a=None, sub__b=_A)

    assert leaks(scanned(repository)) == [("a", _A, first, moved, False), ("sub/b", _A, moved, None, True)]


def test_one_value_in_many_files_is_bounded_and_the_others_are_counted(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_PLACES", 5)
    repository.commit(**{f"f{n}": f"{n} {_A}" for n in range(8)})

    said = scanned(repository)

    assert len(leaks(said)) == 5
    assert counts(said).skipped == {"further place": 3}


def test_a_secret_on_another_branch_is_not_current(repository: Repository) -> None:
    repository.commit(a="nothing")
    repository.run("checkout", "--quiet", "-b", "feature")
    first = repository.commit(a=_A)
    repository.run("checkout", "--quiet", "main")

    assert leaks(scanned(repository)) == [("a", _A, first, None, False)]
    assert leaks(scanned(repository, branch="feature")) == [("a", _A, first, None, True)]


def test_what_main_removed_is_gone_although_a_stale_branch_has_it(repository: Repository) -> None:
    first = repository.commit(a=_A)
    repository.run("branch", "stale")
    gone = repository.commit(a="nothing")

    assert leaks(scanned(repository)) == [("a", _A, first, gone, False)]


def test_a_merge_that_brings_a_secret_of_its_own_is_its_first_commit(repository: Repository) -> None:
    repository.commit(a="base")
    repository.run("checkout", "--quiet", "-b", "side")
    repository.commit(a="side")
    repository.run("checkout", "--quiet", "main")
    repository.commit(a="main")
    repository.run("merge", "--quiet", "--strategy=ours", "--no-commit", "side")
    merge = repository.commit(a=_A)
    after = repository.commit(a="after")

    assert leaks(scanned(repository)) == [("a", _A, merge, after, False)]


def test_a_merge_of_two_sides_that_both_have_it_is_not_its_first_commit(repository: Repository) -> None:
    first = repository.commit(a=_A)
    repository.run("checkout", "--quiet", "-b", "side")
    repository.commit(b="side")
    repository.run("checkout", "--quiet", "main")
    repository.commit(c="main")
    repository.days += 1
    repository.run("merge", "--quiet", "--no-edit", "side")

    assert leaks(scanned(repository)) == [("a", _A, first, None, True)]


def test_a_merge_that_removes_it_is_where_it_went(repository: Repository) -> None:
    first = repository.commit(a=f"base\n{_A}\n")
    repository.run("checkout", "--quiet", "-b", "side")
    repository.commit(a=f"side\n{_A}\n")
    repository.run("checkout", "--quiet", "main")
    repository.commit(a=f"main\n{_A}\n")
    repository.run("merge", "--quiet", "--strategy=ours", "--no-commit", "side")
    merge = repository.commit(a="neither")

    assert leaks(scanned(repository)) == [("a", _A, first, merge, False)]


def test_messages_of_commits_and_tags_are_searched(repository: Repository) -> None:
    first = repository.commit(f"use {_A}")
    second = repository.commit(f"use {_B}\n\nagain {_A}")
    repository.run("tag", "--annotate", "v1", "-m", f"release {_C}")

    said = scanned(repository)

    assert leaks(said) == [
        ("commit message", _A, first, None, True),
        ("commit message", _B, second, None, True),
        ("tag message", _C, second, None, False),
    ]


def test_a_name_that_is_a_secret_of_the_author_is_no_message(repository: Repository) -> None:
    repository.run("config", "user.name", _A)
    repository.commit("plain")

    assert leaks(scanned(repository)) == []


def test_stashes_are_searched(repository: Repository) -> None:
    repository.commit(a="nothing")
    (repository.folder / "a").write_text(_A)
    repository.run("stash")

    ((path, value, first, _, is_current),) = leaks(scanned(repository))

    assert (path, value, is_current) == ("a", _A, False)
    assert first == repository.run("rev-parse", "refs/stash")


def test_a_commit_that_was_amended_away_is_searched(repository: Repository) -> None:
    first = repository.commit(a=_A)
    (repository.folder / "a").write_text("nothing")
    repository.run("commit", "--quiet", "--all", "--amend", "-m", "amended")

    assert leaks(scanned(repository)) == [("a", _A, first, None, False)]


def test_a_commit_that_nothing_leads_to_is_searched(repository: Repository) -> None:
    first = repository.commit(a=_A)
    repository.run("checkout", "--quiet", "--orphan", "other")
    repository.commit(a="nothing")
    repository.run("branch", "--delete", "--force", "main")
    shutil.rmtree(repository.folder / ".git" / "logs")

    assert leaks(scanned(repository)) == [("a", _A, first, None, False)]


def test_what_was_only_added_to_the_index_has_no_commit(repository: Repository) -> None:
    repository.commit(a="nothing")
    oid = repository.run("hash-object", "-w", "--stdin", data=_A.encode())

    assert leaks(scanned(repository)) == [(f"object {oid}", _A, None, None, False)]


def test_a_packed_repository_says_the_same(repository: Repository) -> None:
    for n in range(30):
        repository.commit(**{f"f{n % 7}": f"{n}\n" * 50 + (_A if n % 3 else _B)})
    loose = scanned(repository)

    repository.run("gc", "--quiet", "--aggressive")

    assert scanned(repository) == loose


def test_two_processes_say_what_one_says(repository: Repository) -> None:
    for n in range(40):
        repository.commit(f"{n}", **{f"f{n % 7}": f"{n}\n" * 50 + (_A if n % 3 else _B)})

    assert scanned(repository, jobs=2) == scanned(repository)


def test_a_bare_repository_and_a_bundle_say_the_same(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a=_A)
    repository.commit(a="nothing", b=_B)
    repository.run("tag", "--annotate", "v1", "-m", _C)
    repository.run("clone", "--quiet", "--mirror", ".", str(tmp_path / "bare"))
    repository.run("bundle", "create", "--quiet", str(tmp_path / "all.bundle"), "--all")
    expected = leaks(scanned(repository))

    assert len(expected) == 3
    assert leaks(scanned(tmp_path / "bare")) == expected
    assert leaks(scanned(tmp_path / "all.bundle")) == expected


def test_a_linked_work_tree_is_its_repository(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit(a=_A)
    repository.run("worktree", "add", "--quiet", str(tmp_path / "linked"))

    assert leaks(scanned(tmp_path / "linked")) == [("a", _A, first, None, True)]


def test_a_mirror_whose_head_leads_nowhere_takes_its_main_branch(repository: Repository) -> None:
    first = repository.commit(a=_A)
    repository.run("branch", "other")
    repository.run("symbolic-ref", "HEAD", "refs/heads/gone")

    assert leaks(scanned(repository)) == [("a", _A, first, None, True)]


def test_an_empty_repository_has_nothing(repository: Repository) -> None:
    assert scanned(repository) == [Counts()]


def test_a_hash_of_64_digits_is_as_good(tmp_path: Path) -> None:
    folder = tmp_path / "sha256"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet", "--object-format=sha256", str(folder)], check=True)
    repository = Repository(folder)
    first = repository.commit(a=_A)

    assert len(first) == 64
    assert leaks(scanned(repository)) == [("a", _A, first, None, True)]


def test_patterns_leave_out_paths_at_all_times(repository: Repository) -> None:
    repository.commit(lib__a=_A, b=_B)
    repository.commit(lib__a="nothing")

    assert [path for path, *_ in leaks(scanned(repository, exclude=["lib"]))] == ["b"]


def test_progress_counts_every_object_but_folders(repository: Repository) -> None:
    repository.commit(a=_A)
    repository.commit(a="nothing", b="")
    seen: list[int] = []

    scanned(repository, on_progress=seen.append)

    assert sum(seen) == 5


_NAMES = [
    b"new\nline",
    b"tab\there",
    b"\xff\xfe",
    b"-rf",
    b'"quoted"',
    b":100644 100644 a b M",
    b"\x01abc 1 x@y.example",
]


@pytest.mark.parametrize("name", _NAMES)
def test_hostile_names_are_normal(repository: Repository, name: bytes) -> None:
    (repository.folder / os.fsdecode(name)).write_text(_A)
    first = repository.commit()
    (repository.folder / os.fsdecode(name)).unlink()
    gone = repository.commit()

    assert leaks(scanned(repository)) == [(os.fsdecode(name), _A, first, gone, False)]


@pytest.mark.parametrize(
    "author",
    [
        b"A <> 9 +0000",
        b"A <a@b.example> 99999999999999999 +0000",
        b"A <a\xff@b.example> -5 +0000",
        b"A <<script>> x +0000",
        b"",
    ],
)
def test_hostile_headers_of_commits_are_normal(repository: Repository, author: bytes) -> None:
    repository.commit(a=_A)
    tree = repository.run("rev-parse", "HEAD^{tree}").encode()
    data = b"tree %s\nauthor %s\ncommitter %s\n\nmessage %s\n" % (tree, author, author, _B.encode())
    oid = repository.run("hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=data)
    repository.run("update-ref", "refs/heads/main", oid)

    said = scanned(repository)

    assert {(path, value) for path, value, *_ in leaks(said)} == {("a", _A), ("commit message", _B)}


def test_archives_and_utf_16_in_a_history_are_searched(repository: Repository) -> None:
    import gzip

    repository.commit(a=gzip.compress(_A.encode()), b=_B.encode("ascii").decode().encode("utf-16"), c=b"\0\1\2")

    said = scanned(repository)

    assert [(one.path, one.leak.inside) for one in said if isinstance(one, Leaked)] == [("a", "a"), ("b", None)]
    assert counts(said).skipped == {"binary": 1}


def test_a_file_larger_than_allowed_is_said_with_its_path(repository: Repository) -> None:
    repository.commit(big="x" * 5_000, a=_A)

    said = scanned(repository, largest=1_000)

    assert unread(said) == [("big", "too_large")]
    assert len(leaks(said)) == 1


def test_a_file_longer_than_the_memory_is_searched_in_parts(repository: Repository) -> None:
    first = repository.commit(a="line\n" * 2_000_000 + _A)

    said = scanned(repository)

    assert leaks(said) == [("a", _A, first, None, True)]
    assert isinstance(said[0], Leaked)
    assert said[0].leak.line == 2_000_001


def test_a_file_that_runs_out_of_time_is_said_with_its_path(repository: Repository) -> None:
    repository.commit(a="endless", b=_B)

    said = scanned(repository, budget_s=0.4)

    assert unread(said) == [("a", "out_of_time")]
    assert len(leaks(said)) == 1


def test_a_process_that_dies_costs_the_object_it_was_at(repository: Repository) -> None:
    repository.commit(**{f"f{n}": f"{n} tok_{n:016d}" for n in range(150)})
    repository.commit(f7="die here")

    said = scanned(repository, jobs=2)

    assert unread(said) == [("f7", "unreadable")]
    assert len(leaks(said)) == 150


def test_a_shallow_clone_is_said_and_what_is_there_is_searched(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a=_A)
    repository.commit(a=_B)
    repository.run("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(tmp_path / "shallow"))

    said = scanned(tmp_path / "shallow")

    assert unread(said) == [(".", "shallow")]
    assert [value for _, value, *_ in leaks(said)] == [_B]


def test_a_partial_clone_is_said_and_nothing_is_fetched(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a=_A)
    repository.commit(a=_B)
    repository.run("config", "uploadpack.allowFilter", "true")
    clone = str(tmp_path / "partial")
    repository.run("clone", "--quiet", "--filter=blob:none", "--no-checkout", f"file://{repository.folder}", clone)

    said = scanned(tmp_path / "partial")

    assert leaks(said) == []
    assert (".", "missing_object") in unread(said)
    assert ("a", "missing_object") in unread(said)


def lost(repository: Repository, name: str) -> Path:
    """The file of a loose object."""
    oid = repository.run("rev-parse", name)
    return repository.folder / ".git" / "objects" / oid[:2] / oid[2:]


def test_a_missing_file_version_is_said_with_its_path(repository: Repository) -> None:
    repository.commit(a=_A, b=_B)
    repository.commit(a="nothing")
    lost(repository, "HEAD~1:a").unlink()

    said = scanned(repository)

    assert unread(said) == [("a", "missing_object")]
    assert [value for _, value, *_ in leaks(said)] == [_B]


def test_a_missing_folder_is_said_and_what_is_there_is_searched(repository: Repository) -> None:
    repository.commit(sub__a=_A, b=_B)
    repository.commit(b="nothing")
    lost(repository, "HEAD:sub").unlink()

    said = scanned(repository)

    assert "missing_object" in {why for _, why in unread(said)}
    assert {value for _, value, *_ in leaks(said)} == {_A, _B}


def test_a_missing_commit_is_said_and_what_is_there_is_searched(repository: Repository) -> None:
    repository.commit(a=_A)
    repository.commit(a=_B)
    repository.commit(a=_C)
    lost(repository, "HEAD~1").unlink()

    said = scanned(repository)

    assert (".", "missing_object") in unread(said)
    assert {value for _, value, *_ in leaks(said)} == {_A, _B, _C}


@pytest.mark.parametrize("damage", [b"", b"not zlib at all"])
def test_a_damaged_object_is_said_with_its_path_and_the_others_are_searched(
    repository: Repository, damage: bytes
) -> None:
    repository.commit(**{f"f{n}": f"tok_{n:016d}" for n in range(10)}, a=_A)
    file = lost(repository, "HEAD:f3")
    file.chmod(0o600)
    file.write_bytes(damage)

    said = scanned(repository)

    assert ("f3", "damaged") in unread(said)
    assert len(leaks(said)) == 10


def test_an_object_damaged_behind_its_head_is_said_and_the_others_are_searched(repository: Repository) -> None:
    import random

    noise = random.Random(1).randbytes(30_000).hex()
    repository.commit(**{f"f{n}": f"tok_{n:016d}" for n in range(9)}, f9=noise)
    file = lost(repository, "HEAD:f9")
    file.chmod(0o600)
    data = bytearray(file.read_bytes())
    data[15_000:15_050] = b"\xff" * 50
    file.write_bytes(data)

    said = scanned(repository)

    assert unread(said) == [("f9", "damaged")]
    assert len(leaks(said)) == 9


def test_a_store_that_borrows_from_one_that_is_gone_is_said(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a=_A)
    repository.run("clone", "--quiet", "--shared", ".", str(tmp_path / "clone"))
    repository.folder.rename(tmp_path / "elsewhere")

    said = scanned(tmp_path / "clone")

    assert {path for path, _ in unread(said)} == {"."}


def test_a_submodule_is_said_with_its_path_also_when_it_was_removed(repository: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    other.commit(a="nothing")
    repository.run("submodule", "--quiet", "add", str(other.folder), "lib/now")
    repository.run("submodule", "--quiet", "add", str(other.folder), "lib/then")
    repository.commit()
    repository.run("rm", "--quiet", "lib/then")
    repository.commit()

    assert unread(scanned(repository)) == [("lib/now", "submodule"), ("lib/then", "submodule")]


def test_a_pointer_to_large_file_storage_is_said_once_per_path(repository: Repository) -> None:
    for n in range(3):
        repository.commit(a=f"version https://git-lfs.github.com/spec/v1\noid sha256:{n:064d}\nsize {n}\n")

    assert unread(scanned(repository)) == [("a", "lfs_pointer")]


def test_replaced_and_grafted_commits_count_as_they_were(repository: Repository) -> None:
    repository.commit(a=_A)
    second = repository.commit(a=_B)
    third = repository.commit(a="nothing")
    tree = repository.run("rev-parse", "HEAD^{tree}")
    clean = repository.run("commit-tree", tree, "-m", "clean")
    repository.run("replace", second, clean)
    (repository.folder / ".git" / "info" / "grafts").write_text(f"{third}\n")

    said = scanned(repository)

    assert [(value, gone) for _, value, _, gone, _ in leaks(said)] == [(_A, second), (_B, third)]


def test_nothing_that_a_repository_configures_is_run(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a=_A)
    repository.commit(a="nothing")
    trap = tmp_path / "trap"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    for name in (
        "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass", "core.gitProxy",
        "core.alternateRefsCommand", "diff.external", "diff.x.textconv", "filter.x.smudge", "filter.x.clean",
        "filter.x.process", "gpg.program", "credential.helper", "uploadpack.packObjectsHook", "pager.log", "alias.log",
        "remote.origin.uploadpack", "pager.rev-list",
    ):  # fmt: skip
        repository.run("config", name, f"!{script}" if name.startswith("alias") else str(script))
    for name, value in (
        ("log.showSignature", "true"), ("log.showRoot", "false"), ("diff.orderFile", "/nonexistent"),
        ("core.hooksPath", str(tmp_path)), ("protocol.ext.allow", "always"), ("protocol.allow", "always"),
        ("remote.origin.url", f"ext::{script}"), ("remote.origin.promisor", "true"), ("diff.ignoreSubmodules", "all"),
        ("extensions.partialClone", "origin"), ("core.repositoryFormatVersion", "1"),
    ):  # fmt: skip
        repository.run("config", name, value)
    (repository.folder / ".git" / "info" / "attributes").write_text("* filter=x diff=x\n")
    lost(repository, "HEAD:a").unlink()

    said = scanned(repository)

    assert not trap.exists()
    assert [(path, value, is_current) for path, value, _, _, is_current in leaks(said)] == [("a", _A, False)]
    assert isinstance(said[0], Leaked)
    assert said[0].first is not None
    assert (".", "missing_object") in unread(said)


@pytest.mark.parametrize("name", ["HEAD", "config", "packed-refs", "refs/heads/main", "objects/info/alternates"])
def test_a_pipe_among_the_files_of_git_is_named_and_not_waited_for(repository: Repository, name: str) -> None:
    repository.commit(a=_A)
    file = repository.folder / ".git" / name
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    with pytest.raises(CollectError, match=f"{name} is no file"):
        scanned(repository)


def test_a_pipe_in_the_store_of_a_linked_work_tree_is_named(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a=_A)
    repository.run("worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "side")
    os.mkfifo(repository.folder / ".git" / "objects" / "info" / "alternates")
    with pytest.raises(CollectError, match="alternates is no file"):
        scanned(tmp_path / "linked")


def test_a_git_that_waits_for_something_is_ended(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_TIMEOUT_S", 1.0)
    os.mkfifo(tmp_path / "pipe")
    repository.run("config", "include.path", str(tmp_path / "pipe"))
    with pytest.raises(CollectError, match="git does not answer"):
        scanned(repository)


def nested(repository: Repository, levels: int) -> None:
    """A commit of ten folders that hold the same ten folders, and so on: ten to that many files, in as many objects."""
    oid, mode = repository.run("hash-object", "-w", "--stdin", data=_A.encode()), b"100644"
    for _ in range(levels):
        entries = b"".join(b"%b %d\0" % (mode, n) + bytes.fromhex(oid) for n in range(10))
        oid, mode = repository.run("hash-object", "-t", "tree", "-w", "--stdin", data=entries), b"40000"
    commit = repository.run("commit-tree", oid, "-m", "nested")
    repository.run("update-ref", "refs/heads/main", commit)


def test_a_commit_of_more_files_than_anybody_has_is_said_and_its_content_searched(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution, "MOST_FILES", 9_999)
    nested(repository, 4)
    said = scanned(repository)
    assert unread(said) == [(".", "too_large"), (".", "too_large")]
    assert [(path, value) for path, value, *_ in leaks(said)] == [("0/0/0/0", _A)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems bind no process from outside")
def test_a_git_that_wants_all_the_memory_is_ended_and_said(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_most_memory", lambda: 32 << 20)
    nested(repository, 6)
    said = scanned(repository)
    assert unread(said) == [(".", "too_large")]
    assert "out of memory" in next(one.detail for one in said if isinstance(one, Unread)).lower()


def test_of_one_content_at_many_paths_only_so_many_are_kept(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution, "_MOST_PATHS", 30)
    nested(repository, 2)
    said = scanned(repository)
    assert [is_current for *_, is_current in leaks(said)] == [True] * 30


def test_an_author_as_long_as_a_file_takes_no_longer_than_one(repository: Repository) -> None:
    repository.commit(a=_A)
    tree = repository.run("rev-parse", "HEAD^{tree}")
    at = "1767225600 +0000"
    text = f"tree {tree}\nauthor A <{'a' * 60_000_000}> {at}\ncommitter B <b@acme.example> {at}\n\nlong\n"
    oid = repository.run("hash-object", "-t", "commit", "-w", "--stdin", data=text.encode())
    repository.run("update-ref", "refs/heads/main", oid)
    start = time.process_time()

    assert [path for path, *_ in leaks(scanned(repository))] == ["a"]
    assert time.process_time() - start < 5


def test_the_caller_s_own_git_settings_lead_nowhere_else(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(a=_A)
    other = Repository(tmp_path / "other")
    for name, value in (("GIT_DIR", other.folder / ".git"), ("GIT_OBJECT_DIRECTORY", other.folder / ".git/objects")):
        monkeypatch.setenv(name, str(value))

    assert len(leaks(scanned(repository))) == 1


def test_a_repository_of_somebody_else_is_searched(repository: Repository) -> None:
    repository.commit(a=_A)
    if os.geteuid() == 0:
        for folder in (repository.folder, repository.folder / ".git"):
            os.chown(folder, 65534, 65534)

    assert len(leaks(scanned(repository))) == 1


def test_a_folder_without_a_repository_is_an_error_even_inside_of_one(repository: Repository) -> None:
    repository.commit(sub__a=_A)

    with pytest.raises(CollectError, match="is not a git repository"):
        scanned(repository.folder / "sub")


def test_a_branch_that_is_not_there_is_an_error(repository: Repository) -> None:
    repository.commit(a=_A)

    with pytest.raises(CollectError, match="no branch release"):
        scanned(repository, branch="release")


@pytest.mark.parametrize("what", ["cut", "incremental"])
def test_a_bundle_that_is_not_whole_is_an_error(repository: Repository, tmp_path: Path, what: str) -> None:
    repository.commit(a=_A)
    repository.commit(a=_B)
    bundle = tmp_path / "a.bundle"
    repository.run("bundle", "create", "--quiet", str(bundle), "HEAD~1..main" if what == "incremental" else "--all")
    if what == "cut":
        bundle.write_bytes(bundle.read_bytes()[:-60])

    with pytest.raises(CollectError, match="cannot be unpacked"):
        scanned(bundle)


def test_the_clone_of_a_bundle_is_removed(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(a=_A)
    repository.run("bundle", "create", "--quiet", str(tmp_path / "a.bundle"), "--all")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    assert len(leaks(scanned(tmp_path / "a.bundle"))) == 1
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    ("script", "words"),
    [(None, "git is not installed"), ("echo git version 2.20.1", "older than 2.32"), ("exit 1", "older than 2.32")],
)
def test_a_git_that_is_missing_or_too_old_is_an_error(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, words: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if script is not None:
        (tmp_path / "git").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "git").chmod(0o755)
    process.check_version.cache_clear()

    with pytest.raises(CollectError, match=words):
        scanned(repository)
    process.check_version.cache_clear()
