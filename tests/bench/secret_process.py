"""What a whole command costs: CPU of it and its children, wall time, memory of all its processes together."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOOK_EVERY_S: Final = 0.02
_KILOBYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Used:
    """`exit_code` negative: ended by that signal, as at the end of its time."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    exit_code: int


def run(
    command: Sequence[str],
    report: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    at_most_s: float = 1800,
) -> Used:
    """Runs a command, its standard output in `report`. `peak_mb` is of the largest process alone."""
    start = time.perf_counter()
    with report.open("wb") as said:
        child = _started(command, said.fileno(), env, cwd)
        clock = threading.Timer(at_most_s, _end, [child.pid])
        clock.start()
        _, status, used = os.wait4(child.pid, 0)
        clock.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    return _used(used, time.perf_counter() - start, used.ru_maxrss / _KILOBYTES, child.returncode)


def watched(
    command: Sequence[str], report: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Used:
    """As `run`, but `peak_mb` is the most that all its processes held together, shared pages counted once.

    Looking costs CPU of its own, so that this run is for the memory only.
    """
    start = time.perf_counter()
    most = 0
    with report.open("wb") as said:
        child = _started(command, said.fileno(), env, cwd)
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            most = max(most, sum(_held(process) for process in _family(child.pid)))
            time.sleep(_LOOK_EVERY_S)
    child.returncode = os.waitstatus_to_exitcode(status)
    return _used(used, time.perf_counter() - start, most / _KILOBYTES, child.returncode)


def _started(
    command: Sequence[str], stdout: int, env: Mapping[str, str] | None, cwd: Path | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        start_new_session=True,
    )


def _used(used: resource.struct_rusage, wall_s: float, peak_mb: float, exit_code: int) -> Used:
    return Used(round(used.ru_utime + used.ru_stime, 3), round(wall_s, 3), round(peak_mb, 1), exit_code)


def _end(pid: int) -> None:
    os.killpg(pid, signal.SIGKILL)  # its own session, so that its children go with it


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = [
            line for task in Path(f"/proc/{pid}/task").iterdir() for line in (task / "children").read_text().split()
        ]
    except OSError:  # it ended meanwhile
        return
    for child in children:
        yield from _family(int(child))


def _held(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
