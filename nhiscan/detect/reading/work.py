"""Batches of files searched in this process or in several: a process that dies or hangs costs one file, not the scan.

The others are started as fresh interpreters, so that nothing of this one (threads, open files, its main module) gets
into them. They speak over a socket and say in one shared byte which file of a batch they are at.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from nhiscan.errors import NhiscanError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

BATCH: Final = 64  # files that go to a process at once; its place in one fits a byte
_AHEAD: Final = 4  # batches for each process that may be done before the one whose turn it is
_TICK_S: Final = 0.5
_GRACE_S: Final = 10.0  # beyond the budget of a text: its own process has the first chance to give up
_START_S: Final = 300.0  # for compiling the expressions anew, on a machine that has a lot to do
_TRIES: Final = 3  # processes that may end before they are at any item of a batch
_NOWHERE: Final = 255
_MAIN: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from nhiscan.detect.reading.work import serve; serve(int(sys.argv[2]), int(sys.argv[3]))"
)

Item = TypeVar("Item")
Item_contra = TypeVar("Item_contra", contravariant=True)
At = Callable[[int], None]


@dataclass(slots=True)
class Answer:
    """What came of one batch; `said` holds Leaked, Unread or what else the searcher and its caller agree on."""

    said: list[Any] = field(default_factory=list)
    items: int = 0
    files: int = 0
    bytes: int = 0
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, why: str) -> None:
        self.skipped[why] = self.skipped.get(why, 0) + 1


class Searcher(Protocol[Item_contra]):
    """Searches the items of a batch; `at` is told the place of each, and again now and then while one takes long."""

    def search(self, batch: Sequence[Item_contra], at: At) -> Answer: ...

    def close(self) -> None: ...


def run(
    batches: Iterable[Sequence[Item]],
    make_searcher: Callable[[], Searcher[Item]],
    *,
    jobs: int,
    lost: Callable[[Item, str, str], Any],
    budget_s: float,
) -> Iterator[Answer]:
    """The answers, in the order of the batches; more than one process only where there is more than one batch.

    `lost`: an item whose process died or hung, why, and a person's words. `make_searcher` must be picklable for more
    than one job.
    """
    rest = iter(batches)
    start = list(itertools.islice(rest, 2 if jobs > 1 else 0))
    if len(start) < 2:
        searcher = make_searcher()
        try:
            for batch in itertools.chain(start, rest):
                answer = searcher.search(batch, _nowhere)
                answer.items = len(batch)
                yield answer
        finally:
            searcher.close()
        return
    pool = _Pool(make_searcher, jobs, lost, budget_s + _GRACE_S)
    try:
        yield from pool.run(itertools.chain(start, rest))
    finally:
        pool.end()


def _nowhere(index: int) -> None:
    pass


@dataclass(slots=True)
class _Task(Generic[Item]):
    number: int
    batch: Sequence[Item]
    lost: list[Any] = field(default_factory=list)
    tries: int = 0


class _Worker(Generic[Item]):
    """One process. `task`: what it is busy with."""

    def __init__(self, make_searcher: Callable[[], Searcher[Item]]) -> None:
        from multiprocessing.connection import Connection  # scans by one process do without it

        self.task: _Task[Item] | None = None
        self.is_ready = False
        self._seen = (b"", 0.0)
        ours, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as heart:
            heart.truncate(2)
            self._heart = mmap.mmap(heart.fileno(), 2)
            handles = (theirs.fileno(), heart.fileno())
            with _uninterrupted():
                self._process = subprocess.Popen(  # noqa: S603 - ourselves
                    [sys.executable, "-c", _MAIN, json.dumps(sys.path), *map(str, handles)],
                    pass_fds=handles,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # a traceback may quote what was searched; one process shows it
                )
        self.connection: Connection = Connection(ours.detach())
        with contextlib.suppress(OSError):  # it is gone already: said when its answer is missed
            self.connection.send(make_searcher)

    def give(self, task: _Task[Item]) -> None:
        self.task = task
        self._heart[0] = _NOWHERE
        self._seen = (self._heart[:], time.monotonic())
        with contextlib.suppress(OSError):  # likewise
            self.connection.send(task.batch)

    def idle_s(self) -> float:
        """Since when it has made no step."""
        heart = self._heart[:]
        if heart != self._seen[0]:
            self._seen = (heart, time.monotonic())
        return time.monotonic() - self._seen[1]

    @property
    def place(self) -> int | None:
        """Which item of its batch it is at, or was when it died."""
        return None if self._heart[0] == _NOWHERE else self._heart[0]

    def end(self) -> int:
        """Its exit code; a process that still runs is killed."""
        self._process.kill()
        self.connection.close()
        code = self._process.wait()
        self._heart.close()
        return code


class _Pool(Generic[Item]):
    def __init__(
        self,
        make_searcher: Callable[[], Searcher[Item]],
        jobs: int,
        lost: Callable[[Item, str, str], Any],
        patience_s: float,
    ) -> None:
        self._make_searcher = make_searcher
        self._jobs = jobs
        self._lost = lost
        self._patience_s = patience_s
        self._workers: list[_Worker[Item]] = []
        self._again: deque[_Task[Item]] = deque()
        self._done: dict[int, Answer] = {}
        self._has_started = False  # any process, so that another one can

    def run(self, batches: Iterator[Sequence[Item]]) -> Iterator[Answer]:
        tasks = (_Task(number, batch) for number, batch in enumerate(batches))
        turn = 0
        while True:
            self._hand_out(tasks, turn + self._jobs * _AHEAD)
            if not any(worker.task for worker in self._workers):
                return
            self._listen()
            while turn in self._done:
                yield self._done.pop(turn)
                turn += 1

    def end(self) -> None:
        for worker in self._workers:
            worker.end()

    def _hand_out(self, tasks: Iterator[_Task[Item]], before: int) -> None:
        """Something to do for every process that waits, as long as the one whose turn it is is not left far behind."""
        started = sum(worker.task is not None for worker in self._workers)
        newest = max((w.task.number for w in self._workers if w.task), default=-1)
        newest = max(newest, max(self._done, default=-1))
        while started < self._jobs and (self._again or newest + 1 < before):
            task = self._again.popleft() if self._again else next(tasks, None)
            if task is None:
                return
            newest = max(newest, task.number)
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if idle is None:
                idle = _Worker(self._make_searcher)
                self._workers.append(idle)
            idle.give(task)
            started += 1

    def _listen(self) -> None:
        from multiprocessing.connection import wait

        busy = {worker.connection: worker for worker in self._workers if worker.task}
        for connection in wait(list(busy), timeout=_TICK_S):
            worker = busy.pop(connection)  # type: ignore[call-overload] # the ones that were given
            try:
                said = worker.connection.recv()
            except (EOFError, OSError):
                self._bury(worker, "unreadable", "the process that searched it died")
                continue
            if isinstance(said, NhiscanError):
                raise said
            worker.is_ready = self._has_started = True
            if said is not None and worker.task is not None:
                said.said.extend(worker.task.lost)
                said.items = len(worker.task.batch) + len(worker.task.lost)
                self._done[worker.task.number] = said
                worker.task = None
        for worker in busy.values():
            if worker.idle_s() > self._patience_s + (0 if worker.is_ready else _START_S):
                self._bury(worker, "out_of_time", "the process that searched it hung and was ended")

    def _bury(self, worker: _Worker[Item], why: str, detail: str) -> None:
        """The item that a process was at is lost; the others of its batch go to the next process.

        Of a batch whose processes end again and again before they are at an item, all are.
        """
        self._workers.remove(worker)
        place, task = worker.place, worker.task
        code = worker.end()
        if task is None:
            return
        if place is None:
            task.tries += 1
            if task.tries == _TRIES:
                if not self._has_started:
                    raise NhiscanError(
                        f"processes of the secrets scanner end with exit code {code} before they search anything",
                        hint="run it with one job, which shows why",
                    )
                task.lost += [self._lost(item, why, detail) for item in task.batch]
                task.batch = []
        else:
            task.lost.append(self._lost(task.batch[place], why, detail))
            task.batch = [*task.batch[:place], *task.batch[place + 1 :]]
        if task.batch:
            self._again.append(task)
        else:
            self._done[task.number] = Answer(said=list(task.lost), items=len(task.lost))


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """What is started here never sees ^C: that is for this process, which ends the others."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(handle: int, heart_handle: int) -> None:
    """The other side: searches batch after batch until nobody sends any more."""
    from multiprocessing.connection import Connection

    connection = Connection(handle)
    heart = mmap.mmap(heart_handle, 2)
    os.close(heart_handle)

    def at(index: int) -> None:
        heart[0] = index
        heart[1] = (heart[1] + 1) & 0xFF

    try:
        searcher = connection.recv()()
        connection.send(None)
        while True:
            connection.send(searcher.search(connection.recv(), at))
    except NhiscanError as error:
        connection.send(error)
    except (EOFError, OSError):
        return  # the other side is done, or dead
