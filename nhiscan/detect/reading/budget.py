"""A limit of time on the search of one text, which also ends a pattern that never would."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from nhiscan.detect.leak import Leak, OutOfTimeError, Profile

_TICKS: Final = 4  # of the alarm, that make up one budget


class Budget:
    """A profile whose every search ends after `seconds`, or a quarter later.

    An alarm interrupts Python's patterns in the middle. It needs the main thread: elsewhere, and in a matcher written
    in C, the profile's own budget and the patience of `work.run` are what ends a search.
    """

    def __init__(self, profile: Profile, seconds: float) -> None:
        self._profile = profile
        self._seconds = seconds
        self._allowed = 0
        self._is_running = False
        self._number = 0  # of the text
        self._rung = (0, 0)  # the text at which the alarm last rang, and how often

    @contextmanager
    def alarm(self) -> Iterator[None]:
        """Takes the alarm of this process for a while. It ticks: to set it anew for each text would cost more."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, self._ring)
        tick = self._seconds / _TICKS
        signal.setitimer(signal.ITIMER_REAL, tick, tick)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def leaks(self, data: bytes, path: str) -> tuple[list[Leak], bool]:
        """What was found, and whether all of it was searched."""
        found: list[Leak] = []
        try:
            try:
                self._number += 1
                self._is_running = True
                for leak in self._profile.leaks(data, path):
                    found.append(leak)  # noqa: PERF402 - what was found before the alarm is kept
            finally:
                self._is_running = False  # an alarm from here on finds nothing to interrupt
        except OutOfTimeError:
            return found, False
        return found, True

    def allowed(self) -> int:
        """How many leaks a comment beside them excused since this was last asked, of a profile that counts them."""
        before, self._allowed = self._allowed, getattr(self._profile, "allowed", 0)
        return self._allowed - before

    def _ring(self, number: int, frame: FrameType | None) -> None:
        number, times = self._rung
        self._rung = (self._number, times + 1 if number == self._number else 0)
        if self._is_running and self._rung[1] >= _TICKS:
            raise OutOfTimeError
