"""Secret ids of AppRole roles: many may live beside each other, and we make the new one, so that it is stored first.

A secret id made by us has an accessor like any other. What came of a call whose answer was lost is known by the
operation in its metadata, which the tokens that it makes carry as well.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nhiscan.remediate.contract import (
    BusyError,
    Capabilities,
    Effect,
    Fields,
    Observation,
    RefusedError,
    State,
    Step,
    Target,
    UnansweredError,
    UnsupportedError,
)
from nhiscan.secret import Secret

from .reading import Json
from .rotate_calls import Calls, data, request_id
from .words import joined, labels

PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": (
        "read on auth/<mount>/role/<role>",
        "list on auth/<mount>/role/<role>/secret-id",
        "update on auth/<mount>/role/<role>/secret-id-accessor/lookup",
    ),
    "create": ("update on auth/<mount>/role/<role>/custom-secret-id",),
    "verify": (
        "update on auth/<mount>/role/<role>/secret-id/lookup",
        "read on auth/<mount>/role/<role>/role-id",
    ),
    "prove": (
        "update on auth/<mount>/role/<role>/secret-id/lookup",
        "read on auth/<mount>/role/<role>/role-id",
    ),
    "delete": ("update on auth/<mount>/role/<role>/secret-id-accessor/destroy",),
    "discard": ("update on auth/<mount>/role/<role>/secret-id-accessor/destroy",),
}
PART: Final = "secret_id"
_OPERATION: Final = "nhiscan_operation"  # in the metadata of what we made
# Of the role: what a new secret id would be bound by, and what its tokens may do.
_FACTS: Final = (
    "bind_secret_id",
    "secret_id_bound_cidrs",
    "secret_id_num_uses",
    "secret_id_ttl",
    "token_bound_cidrs",
    "token_policies",
)
_MANY: Final = 1_000_000  # the server sets no bound
_BYTES: Final = 32
_TRIES: Final = 3  # to end the token of our own login


@dataclass(frozen=True)
class SecretIds:
    calls: Calls

    def capabilities(self, target: Target) -> Capabilities:
        role = self._role(target)
        own = self._found(target, target.native_id)
        is_counted = bool(own.get("secret_id_num_uses")) and not role.get("secret_id_num_uses")
        # How many uses it had is told by nobody, only how many are left; a new one would have none of the bound.
        return Capabilities(
            overlap=0 if is_counted or not role.get("bind_secret_id", True) else _MANY,
            maker="us",
            can_turn_off=False,
            can_delete=True,
            effects={
                "delete": "logins with the secret id are refused at once and for good; tokens that it made before live "
                "on until they expire or are revoked by their accessors",
            },
            rollback={
                "create": "the new secret id is destroyed by its accessor",
                "stage": "the staged value is removed from the store with all its versions",
                "publish": "the store's earlier version is written again",
            },
            parts=(PART,),
        )

    def observe(self, target: Target) -> Observation:
        """Every other secret id that is listed counts as live: the server tidies away later what has expired."""
        path = _role_path(target)
        role = self.calls.get(path)
        if role is None:
            return Observation("gone", facts={"role": "gone"})
        others: dict[str, State] = dict.fromkeys(self.calls.names(f"{path}/secret-id"), "live")
        others.pop(target.native_id, None)
        is_live = bool(self._found(target, target.native_id))
        found = data(role)
        return Observation("live" if is_live else "gone", others, {name: joined(found.get(name)) for name in _FACTS})

    def effect(
        self, step: Step, target: Target, key: str, id: str | None, fields: Fields | None, before: Observation | None
    ) -> Effect:
        del before
        if step == "create" and fields is not None:
            return self._create(target, key, fields)
        if step == "delete":
            return self._destroy(target, target.native_id)
        if step == "discard" and id is not None:
            made = self._found(target, id)
            if made and (id == target.native_id or _OPERATION not in labels(made.get("metadata"))):
                raise RefusedError(
                    f"vault: the secret id {id} of {_role_path(target)} was not made by this tool",
                    hint="nothing was destroyed; look who made it",
                )
            return self._destroy(target, id)
        raise RefusedError(f"vault: a secret id knows no {step}")

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        """Those among the new secret ids whose metadata name the operation."""
        listed = self.calls.names(f"{_role_path(target)}/secret-id")
        new = [accessor for accessor in listed if accessor not in before.others and accessor != target.native_id]
        return tuple(
            accessor for accessor in new if labels(self._found(target, accessor).get("metadata")).get(_OPERATION) == key
        )

    def make(self, target: Target, key: str) -> Fields:
        del target, key
        return {PART: Secret(secrets.token_urlsafe(_BYTES))}

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        """The server knows the new value under its accessor, and lets it log in where trying that does no harm."""
        path = _role_path(target)
        value = fields[PART].reveal()
        told = data(self.calls.post(f"{path}/secret-id/lookup", {"secret_id": value}))
        if told.get("secret_id_accessor") != id:
            return False
        role = self._role(target)
        if not _may_log_in(role, told):
            return True
        role_id = data(self.calls.get(f"{path}/role-id")).get("role_id")
        namespace, mount = _mount(target)
        try:
            granted = self.calls.log_in(f"{namespace}auth/{mount}/login", {"role_id": str(role_id), "secret_id": value})
        except BusyError:
            raise
        except RefusedError as error:
            if error.permission is not None:
                raise
            return False
        if granted.get("client_token") and granted.get("accessor"):
            self._end(Secret(str(granted["client_token"])), namespace, str(granted["accessor"]))
        return True

    def _end(self, token: Secret, namespace: str, accessor: str) -> None:
        """Ends the token of our own login. Raises: UnansweredError where it may live on."""
        was_silent = False
        for _ in range(_TRIES):
            try:
                self.calls.revoke_self(token, namespace)
            except (BusyError, UnansweredError):
                was_silent = True
                continue
            except RefusedError:
                if not was_silent:  # else an earlier try ended it, and its answer was lost
                    # The policy `default` of this server lets no token end itself.
                    self.calls.post(f"{namespace}auth/token/revoke-accessor", {"accessor": accessor})
            return
        raise UnansweredError(
            f"vault: the token of the login that tried the new secret id may live on: accessor {accessor}",
            hint=f"run `vault token revoke -accessor {accessor}`",
        )

    def _create(self, target: Target, key: str, fields: Fields) -> Effect:
        """A secret id with the labels and bounds of the one that it replaces; the role's own hold for it anyway."""
        path = _role_path(target)
        old = self._found(target, target.native_id)
        if not old:
            raise RefusedError(
                f"vault: the secret id {target.native_id} of {path} is gone: its bounds cannot be taken over",
                hint="nothing was made; scan again and make another plan",
            )
        body: dict[str, object] = {
            "secret_id": fields[PART].reveal(),
            "metadata": json.dumps({**labels(old.get("metadata")), _OPERATION: key}),
            "cidr_list": old.get("cidr_list") or [],
            "token_bound_cidrs": old.get("token_bound_cidrs") or [],
        }
        if old.get("secret_id_ttl"):
            role_ttl_s = int(self._role(target).get("secret_id_ttl") or 0)
            ttl_s = int(old["secret_id_ttl"])
            body["ttl"] = f"{min(ttl_s, role_ttl_s) if role_ttl_s else ttl_s}s"
        answer = self.calls.post(f"{path}/custom-secret-id", body)
        if answer is None:
            raise RefusedError(f"vault: {path} is gone", hint="nothing was made; scan again")
        accessor = data(answer).get("secret_id_accessor")
        if not accessor:
            # It was made, but could never be ended by itself: whoever looks for it finds it by its metadata.
            raise UnansweredError(f"vault: {path} told no accessor of the secret id that it made")
        return Effect(id=str(accessor), request_id=request_id(answer))

    def _destroy(self, target: Target, accessor: str) -> Effect:
        path = f"{_role_path(target)}/secret-id-accessor/destroy"
        try:
            answer = self.calls.post(path, {"secret_id_accessor": accessor})
        except UnansweredError:
            # The server answers with an error of its own where the accessor is gone already.
            if not self._is_gone(target, accessor):
                raise
            return Effect()
        return Effect(request_id=request_id(answer))

    def _is_gone(self, target: Target, accessor: str) -> bool:
        """Whether the server says so, and nothing stands in the way of asking."""
        try:
            return not self._found(target, accessor)
        except (RefusedError, UnansweredError):
            return False

    def _found(self, target: Target, accessor: str) -> Json:
        """What the server says of a secret id; empty where there is none, or it has expired."""
        path = f"{_role_path(target)}/secret-id-accessor/lookup"
        told = data(self.calls.post(path, {"secret_id_accessor": accessor}))
        return told if "secret_id_accessor" in told else {}

    def _role(self, target: Target) -> Json:
        path = _role_path(target)
        role = self.calls.get(path)
        if role is None:
            raise UnsupportedError(f"vault: {path} is gone, and its secret ids with it", hint="scan again")
        return data(role)


def _role_path(target: Target) -> str:
    """Where the role of a secret id is found. Raises: UnsupportedError where the inventory does not say."""
    if not target.native_id:
        raise UnsupportedError(
            "vault: a secret id that was handed out wrapped has no accessor until it is unwrapped",
            hint="unwrap or invalidate the wrapping token by hand",
        )
    if "auth/" not in target.holder_native_id or "/role/" not in target.holder_native_id:
        raise UnsupportedError(
            f"vault: the inventory names no role of the secret id {target.native_id}", hint="follow the runbook"
        )
    return target.holder_native_id


def _mount(target: Target) -> tuple[str, str]:
    """The namespace and the AppRole method that the role stands in."""
    namespace, _, rest = _role_path(target).partition("auth/")
    return namespace, rest.rpartition("/role/")[0]


def _may_log_in(role: Json, secret_id: Json) -> bool:
    """Whether trying a login uses nothing up, can work from here, and leaves no token that cannot end itself."""
    bounds = (role.get("secret_id_bound_cidrs"), role.get("token_bound_cidrs"))
    own = (secret_id.get("cidr_list"), secret_id.get("token_bound_cidrs"))
    return not (
        secret_id.get("secret_id_num_uses")
        or any((*bounds, *own))
        or role.get("token_type") == "batch"
        or role.get("token_no_default_policy")
    )
