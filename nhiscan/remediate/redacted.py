"""Sessions and stores of which nothing that passes comes out in words: what they take and give is learned at once.

An adapter keeps its secrets out of its errors, yet the libraries below it may quote what they were given. Whatever is
said later, in a journal, a log or a traceback, has every value of a run replaced that ever passed here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nhiscan.errors import NhiscanError
from nhiscan.remediate.contract import Capabilities, Effect, Fields, Observation, Session, Step, Store, Target
from nhiscan.secret import RedactingFilter


@dataclass(frozen=True)
class RedactedSession:
    session: Session
    redacting: RedactingFilter

    def capabilities(self, target: Target) -> Capabilities:
        with _redacted(self.redacting):
            return self.session.capabilities(target)

    def observe(self, target: Target) -> Observation:
        with _redacted(self.redacting):
            return self.session.observe(target)

    def effect(
        self,
        step: Step,
        target: Target,
        key: str,
        *,
        id: str | None = None,
        fields: Fields | None = None,
        before: Observation | None = None,
    ) -> Effect:
        _learn(self.redacting, fields)
        with _redacted(self.redacting):
            done = self.session.effect(step, target, key, id=id, fields=fields, before=before)
        _learn(self.redacting, done.fields)
        return done

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        with _redacted(self.redacting):
            return self.session.reconcile(target, before, key)

    def make(self, target: Target, key: str) -> Fields:
        with _redacted(self.redacting):
            made = self.session.make(target, key)
        _learn(self.redacting, made)
        return made

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        _learn(self.redacting, fields)
        with _redacted(self.redacting):
            return self.session.accepts(target, id, fields)


@dataclass(frozen=True)
class RedactedStore:
    store: Store
    redacting: RedactingFilter

    def observe(self, address: str) -> Mapping[str, str]:
        with _redacted(self.redacting):
            return self.store.observe(address)

    def stage(self, address: str, key: str, fields: Fields) -> None:
        _learn(self.redacting, fields)
        with _redacted(self.redacting):
            self.store.stage(address, key, fields)

    def staged(self, address: str, key: str) -> Fields | None:
        with _redacted(self.redacting):
            found = self.store.staged(address, key)
        _learn(self.redacting, found)
        return found

    def publish(self, address: str, key: str, *, version: str) -> str:
        with _redacted(self.redacting):
            return self.store.publish(address, key, version=version)

    def published(self, address: str, key: str) -> str | None:
        with _redacted(self.redacting):
            return self.store.published(address, key)

    def restore(self, address: str, key: str, *, version: str) -> None:
        with _redacted(self.redacting):
            self.store.restore(address, key, version=version)

    def discard(self, address: str, key: str) -> None:
        with _redacted(self.redacting):
            self.store.discard(address, key)


def _learn(redacting: RedactingFilter, fields: Fields | None) -> None:
    for secret in (fields or {}).values():
        redacting.add(secret)


@contextlib.contextmanager
def _redacted(redacting: RedactingFilter) -> Iterator[None]:
    try:
        yield
    except NhiscanError as error:
        error.message, error.hint = redacting.redact(error.message), redacting.redact(error.hint)
        error.args = (error.message,)
        raise
