"""The `git` program, started so that a hostile repository cannot make it run anything or ask anybody.

The repository's folder is named outright: nothing is searched upwards, whoever owns it. Its own configuration is read
by git all the same, so what could start a program from there is either never asked for (no hooks, filters, text
conversions, signatures or watchers) or refused (no protocol is allowed, so no missing object is fetched either).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import IO, Final

from nhiscan.errors import CollectError

_OLDEST: Final = (2, 32)  # of June 2021: GIT_CONFIG_GLOBAL, object filters
_LONGEST_SAID: Final = 200
_TIMEOUT_S: Final = 300.0  # of what takes a moment, also with a million branches
_BLOCK: Final = 1 << 16
_PIPE: Final = 1 << 20  # bytes that may wait in the pipe from a git process
_OPTIONS: Final = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.commitGraph=false",  # a cache, which may lie
    "-c", "core.bigFileThreshold=4m",  # streamed rather than held in memory
    "-c", "log.showRoot=true",
    "-c", "log.showSignature=false",
    "-c", "i18n.logOutputEncoding=UTF-8",
)  # fmt: skip
_SETTINGS: Final = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
}


class GitError(Exception):
    """A git process failed; the text is git's own first words of it."""


class TooLargeError(GitError):
    """What was asked for does not fit, such as a commit whose few folders hold each other again and again."""


@dataclass(frozen=True, slots=True)
class Git:
    """One repository, by its git folder."""

    folder: str

    def run(self, *arguments: str) -> tuple[int, bytes]:
        """Exit code and output of a command whose answer is short.

        Raises: CollectError when it takes for ever.
        """
        try:
            done = subprocess.run(  # noqa: S603 - arguments are ours, names among them are whole arguments
                self._command(*arguments),
                env=_environment(),
                capture_output=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise CollectError(
                f"git does not answer about {self.folder} in {_TIMEOUT_S:.0f} s",
                hint="look at what its configuration includes",
            ) from error
        return done.returncode, done.stdout

    def parts(self, end: bytes, *arguments: str, stdin: IO[bytes] | None = None) -> Iterator[bytes]:
        """The output of a command, parted at `end`.

        Raises: GitError when git fails or complains.
        """
        with tempfile.TemporaryFile() as said, self.start(*arguments, stdin=stdin, stderr=said) as process:
            assert process.stdout is not None  # noqa: S101 - for mypy
            try:
                rest: list[bytes] = []  # of a part that may be as long as an object
                while block := process.stdout.read1(_BLOCK):  # type: ignore[attr-defined] # it is buffered
                    first, *parts = block.split(end)
                    rest.append(first)
                    if parts:
                        yield b"".join(rest)
                        yield from parts[:-1]
                        rest = parts[-1:]
                if last := b"".join(rest):
                    yield last
            except GeneratorExit:
                process.kill()
                raise
            code = process.wait()
            said.seek(0)
            complaint = _complaint(said.read(_BLOCK))
            if "out of memory" in complaint.lower():
                raise TooLargeError(complaint)
            if code != 0 or complaint:
                raise GitError(complaint or f"git ended with exit code {code}")

    def start(
        self, *arguments: str, stdin: IO[bytes] | int | None, stderr: IO[bytes] | int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - as above
            self._command(*arguments),
            env=_environment(),
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=_PIPE,
        )
        with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):  # Linux only, and up to a limit
            import resource

            resource.prlimit(process.pid, resource.RLIMIT_DATA, (_most_memory(), _most_memory()))
        with contextlib.suppress(ImportError, AttributeError, OSError):  # likewise
            import fcntl

            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE)  # type: ignore[arg-type]
        return process

    def _command(self, *arguments: str) -> list[str]:
        return _command(f"--git-dir={self.folder}", *arguments)


def _most_memory() -> int:
    """Bytes that one git may hold, a quarter of the machine's: it keeps all files that one commit changes at once."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def opened(path: str) -> Git:
    """The repository of a work tree, or a bare one.

    Raises: CollectError when there is none, or no git that can read it.
    """
    check_version()
    inside = os.path.join(path, ".git")  # noqa: PTH118 - a name may hold what Path would change
    folder = os.path.abspath(inside if os.path.lexists(inside) else path)  # noqa: PTH100 - likewise
    _check_files(folder)
    git = Git(folder)
    code, said = git.run("rev-parse", "--path-format=absolute", "--git-common-dir")
    if code == 0:
        _check_files(os.fsdecode(said.removesuffix(b"\n")))
    else:
        raise CollectError(
            f"{path} is not a git repository, or a damaged one",
            hint="give the folder that holds .git, a bare repository or a .bundle file",
        )
    return git


def _check_files(folder: str) -> None:
    """Raises: CollectError where a pipe or device stands among git's own files, which it would wait for."""
    seen: set[tuple[int, int]] = set()
    folders = [folder]
    while folders:
        here = folders.pop()
        with contextlib.suppress(OSError), os.scandir(here) as entries:  # git says itself what it cannot read
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_file():
                        continue
                    status = entry.stat()
                    if not stat.S_ISDIR(status.st_mode):
                        raise CollectError(
                            f"{entry.path} is no file, and git would wait for it", hint="take it away, or clone it anew"
                        )
                    if (status.st_dev, status.st_ino) not in seen:
                        seen.add((status.st_dev, status.st_ino))
                        folders.append(entry.path)


def cloned(bundle: str, folder: str) -> Git:
    """All that a bundle holds, as a bare repository in an empty folder.

    Raises: CollectError when it is damaged, or builds on commits that it does not hold.
    """
    check_version()
    done = subprocess.run(  # noqa: S603 - as above
        _command("clone", "--quiet", "--mirror", "--template=", "--", os.path.abspath(bundle), folder),  # noqa: PTH100
        env={**_environment(), "GIT_ALLOW_PROTOCOL": "file"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        raise CollectError(
            f"{bundle} cannot be unpacked: {_complaint(done.stderr) or 'git failed'}",
            hint="make it anew with `git bundle create F --all`",
        )
    return Git(folder)


@cache
def check_version() -> None:
    """Raises: CollectError when git is missing or too old."""
    try:
        done = subprocess.run(["git", "version"], capture_output=True, env=_environment(), check=False)  # noqa: S607 - the user's git
    except OSError as error:
        raise CollectError("git is not installed", hint="install git to have histories searched") from error
    version = re.search(rb"(\d+)\.(\d+)", done.stdout)
    if version is None or (int(version[1]), int(version[2])) < _OLDEST:
        raise CollectError(
            f"git is older than {'.'.join(map(str, _OLDEST))}", hint="install a newer git to have histories searched"
        )


def _command(*arguments: str) -> list[str]:
    return ["git", *_OPTIONS, *arguments]


def _environment() -> Mapping[str, str]:
    """Nothing of git's own comes from the caller: a hook's GIT_DIR would name another repository."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "TMPDIR")}
    return {**kept, **_SETTINGS, "HOME": "/nonexistent", "GIT_ALLOW_PROTOCOL": "none"}


def _complaint(said: bytes) -> str:
    """Git's first error; warnings, such as of logs that name what was pruned, are none."""
    for line in said.decode("utf-8", "replace").splitlines():
        if line.startswith(("error:", "fatal:")):
            return line.partition(":")[2].strip()[:_LONGEST_SAID]
    return ""
