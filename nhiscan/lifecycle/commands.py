"""What a person does by hand to take back, replace or close one thing: the provider's own commands, or its page.

Nothing here runs anything. No command shows or takes a value of a secret: new values come from files or standard input.
Sources: AWS CLI command reference; Vault CLI and API documentation; Salesforce CLI and Object Reference, Setup help;
HubSpot API description "User provisioning" 2026-03 and knowledge base on users, private apps and connected apps.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import duckdb

from nhiscan import printable, statements

Action = Literal["revoke_access", "remove_delegation", "rotate_shared_secret", "close_integration"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

_DENY_ALL: Final = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'
_ROOT: Final = "<root_account>"  # as the credential report of AWS writes it
_SSO_ROLE: Final = "AWSReservedSSO_"
_POLICY_FILE: Final = "file://policy.json"
# Where the parts of a Salesforce id say what it is: Object Reference, "Object Key Prefixes".
_SET_FIELDS: Final = {"0PS": "PermissionSetId", "0PG": "PermissionSetGroupId"}
_HUBSPOT_PAGES: Final = {
    "private_app": "Settings > Integrations > Private Apps",
    "service_key": "Settings > Integrations > Service Keys",
    "oauth_app": "Settings > Integrations > Connected Apps",
    "api_key": "Settings > Integrations > API Key",
    "smtp_token": "Settings > Integrations > Transactional email > SMTP tokens",
    "personal_access_key": "the user's own Settings > Integrations > Personal Access Key",
}


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to act on, in the words of `partner_holdings`, with what its provider's commands need.

    `kind`: of an identity, credential or resource, mechanism of a trust, source of a grant. `holder_*`: the identity
    that a credential, trust or membership belongs to; of a grant, the resource. `group_*`: of a membership.
    `keys`: (kind, native id) of the live credentials of an identity.
    """

    thing_kind: str
    thing_id: str
    provider: str
    kind: str = ""
    name: str = ""
    native_id: str = ""
    region: str = ""
    holder_kind: str = ""
    holder_name: str = ""
    holder_native_id: str = ""
    group_name: str = ""
    group_native_id: str = ""
    keys: tuple[tuple[str, str], ...] = ()


_TOLD: Final = tuple(
    field.name for field in dataclasses.fields(Target) if field.name != "keys"
)  # the columns, in order


@dataclass(frozen=True, slots=True)
class Guide:
    """`says`: what to do, in one sentence; `commands`: lines for a POSIX shell, in order; `page`: where to click."""

    says: str
    commands: tuple[str, ...] = ()
    page: str | None = None


@dataclass(frozen=True, slots=True)
class _Way:
    says: str
    words: tuple[tuple[str, ...], ...] = ()
    page: str | None = None


def guide(target: Target, action: Action) -> Guide:
    """How a person does `action` to `target`. There is always an answer, if need be in words alone."""
    way = _PROVIDERS.get(target.provider, _elsewhere)(target, action)
    lines = [printable.command(*words) for words in way.words]
    shown = tuple(line for line in lines if line is not None)
    if len(shown) < len(lines):
        # Half of a sequence is worse than none, and nobody should run what cannot be read.
        told = f"{way.says}; no commands are given: a name holds characters that a terminal does not show"
        return Guide(told, (), way.page)
    return Guide(way.says, shown, way.page)


def targets(con: duckdb.DuckDBPyConnection, things: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Target]:
    """What the scan knows of things, by (thing_kind, thing_id); what stands in no table is left out."""
    wanted = sorted(set(things))
    sql = statements.sql("nhiscan.lifecycle", "targets")
    rows = con.execute(sql, {"kinds": [kind for kind, _ in wanted], "ids": [id_ for _, id_ in wanted]}).fetchall()
    found: dict[tuple[str, str], Target] = {}
    for *cells, key_kinds, key_ids in rows:
        told: dict[str, Any] = dict(zip(_TOLD, ("" if cell is None else str(cell) for cell in cells), strict=True))
        target = Target(**told)
        keys = tuple(zip(key_kinds or (), key_ids or (), strict=True))
        found[target.thing_kind, target.thing_id] = dataclasses.replace(target, keys=keys)
    return found


def guides(
    con: duckdb.DuckDBPyConnection, things: Iterable[tuple[str, str, str, Action]]
) -> dict[tuple[str, str], Guide]:
    """The guide of each (thing_kind, thing_id, provider, action), by (thing_kind, thing_id)."""
    asked = list(things)
    known = targets(con, ((kind, id_) for kind, id_, _, _ in asked))
    return {
        (kind, id_): guide(known.get((kind, id_), Target(kind, id_, provider or "")), action)
        for kind, id_, provider, action in asked
    }


def _words(*words: str) -> tuple[str, ...]:
    return words


def _elsewhere(target: Target, action: Action) -> _Way:
    what = {
        "revoke_access": "take the access away",
        "remove_delegation": "remove the delegation",
        "rotate_shared_secret": "replace the secret, then the copies of it",
        "close_integration": "close the integration",
    }[action]
    where = f"in the administration of {target.provider}" if target.provider else "where it is administered"
    return _Way(f"{what} {where}: no command is known for this kind of thing")


def _aws(target: Target, action: Action) -> _Way:
    match target.thing_kind:
        case "credential":
            return _aws_credential(target, action)
        case "secret":
            is_stored = target.kind in ("secret", "parameter")
            return _aws_secret(target) if is_stored else _aws_credential(target, "rotate_shared_secret")
        case "grant":
            return _aws_grant(target)
        case "trust":
            return _aws_trust(target.holder_name)
        case "workload":
            return _aws_workload(target)
        case "membership" if target.kind == "account":
            words = _words("aws", "organizations", "remove-account-from-organization", "--account-id", target.native_id)
            return _Way("remove the account from the organization, from its management account", (words,))
        case "membership":
            of_group = _words("--user-name", target.holder_name, "--group-name", target.group_name)
            return _Way("take the user out of the group", (_words("aws", "iam", "remove-user-from-group", *of_group),))
    if target.kind == "delegated_admin":
        number = target.thing_id.rpartition("/")[2]
        listed = _words("aws", "organizations", "list-delegated-services-for-account", "--account-id", number)
        return _Way("list the services that it administers, then deregister it for each", (listed,))
    if target.kind == "workload_role":
        return _aws_trust(target.name) if action == "remove_delegation" else _aws_role(target.name)
    if target.kind in ("service_account", "human_user") and target.name != _ROOT:
        return _aws_user(target)
    return _elsewhere(target, action)


def _aws_credential(target: Target, action: Action) -> _Way:
    user = _words("--user-name", target.holder_name)
    is_rotation = action == "rotate_shared_secret"
    if target.holder_name == _ROOT:
        page = "sign in as the root user > Security credentials"
        return _Way("replace it as the root user" if is_rotation else "remove it as the root user", page=page)
    if target.kind == "access_key":
        own = _words(*user, "--access-key-id", target.native_id)
        off = _words("aws", "iam", "update-access-key", *own, "--status", "Inactive")
        if is_rotation:
            # Not shown: create-access-key, whose answer would print the new key's secret.
            return _Way("hand over a second key first where the access is to stay, then deactivate this one", (off,))
        return _Way(
            "deactivate the key, and delete it once nothing misses it",
            (off, _words("aws", "iam", "delete-access-key", *own)),
        )
    if target.kind == "password":
        if is_rotation:
            return _Way(
                "set a new console password that must be changed at sign-in", page="IAM > Users > Console access"
            )
        return _Way("take the console password away", (_words("aws", "iam", "delete-login-profile", *user),))
    if target.kind in ("app_password", "api_key"):
        own = _words(*user, "--service-specific-credential-id", target.native_id)
        off = _words("aws", "iam", "update-service-specific-credential", *own, "--status", "Inactive")
        told = "hand over a new one first where the access is to stay, then deactivate it"
        return _Way(told if is_rotation else "deactivate it", (off,))
    return _elsewhere(target, action)


def _aws_user(target: Target) -> _Way:
    user = _words("--user-name", target.name)
    stop = _words("aws", "iam", "put-user-policy", *user, "--policy-name", "deny-all", "--policy-document", _DENY_ALL)
    words = [stop]
    for kind, native_id in target.keys:
        key = Target("credential", native_id, "aws", kind=kind, native_id=native_id, holder_name=target.name)
        words += [words for words in _aws_credential(key, "revoke_access").words if "delete-access-key" not in words]
    words.append(_words("aws", "iam", "list-groups-for-user", *user))
    return _Way("deny it everything at once, switch its credentials off, then delete the user", tuple(words))


def _aws_role(name: str) -> _Way:
    if name.startswith(_SSO_ROLE):
        return _Way("remove the assignment of its permission set", page="IAM Identity Center > AWS accounts")
    stop = _words("aws", "iam", "put-role-policy", "--role-name", name, "--policy-name", "deny-all")
    return _Way(
        "deny it everything at once, which also ends its sessions, then take whoever assumes it out of its trust",
        (_words(*stop, "--policy-document", _DENY_ALL), *_aws_trust(name).words),
    )


def _aws_trust(role: str) -> _Way:
    if role.startswith(_SSO_ROLE):
        return _Way("remove the assignment of its permission set", page="IAM Identity Center > AWS accounts")
    shown = _words("aws", "iam", "get-role", "--role-name", role, "--query", "Role.AssumeRolePolicyDocument")
    written = _words("aws", "iam", "update-assume-role-policy", "--role-name", role, "--policy-document", _POLICY_FILE)
    return _Way(
        "save the trust policy as policy.json, take the principal out, write it back; sessions end when they expire",
        (shown, written),
    )


def _aws_secret(target: Target) -> _Way:
    region = _aws_region(target)
    if target.kind == "parameter":
        words = _words(
            "aws", "ssm", "put-parameter", "--name", target.name, "--value", "file://new-value", "--overwrite"
        )
    else:
        words = _words("aws", "secretsmanager", "put-secret-value", "--secret-id", target.native_id)
        words = _words(*words, "--secret-string", "file://new-value")
    told = "replace the value where it was issued, store the new one, then end the old one there"
    return _Way(told, (_words(*words, *region),))


def _aws_workload(target: Target) -> _Way:
    region = _aws_region(target)
    match target.kind:
        case "function":
            own = _words("--function-name", target.native_id, "--reserved-concurrent-executions", "0", *region)
            return _Way(
                "stop the function, then delete it", (_words("aws", "lambda", "put-function-concurrency", *own),)
            )
        case "instance":
            own = _words("--instance-ids", target.native_id.rpartition("/")[2], *region)
            return _Way("stop the instance, then terminate it", (_words("aws", "ec2", "stop-instances", *own),))
        case "project":
            own = _words("--name", target.name, *region)
            return _Way("delete the build project", (_words("aws", "codebuild", "delete-project", *own),))
        case "task":
            own = _words("--task-definition", target.native_id, *region)
            told = "stop the services and tasks that run it, then deregister it"
            return _Way(told, (_words("aws", "ecs", "deregister-task-definition", *own),))
    return _Way("stop the workload, and let nothing run as that identity")


def _aws_region(target: Target) -> tuple[str, ...]:
    return ("--region", target.region) if target.region else ()


def _aws_grant(target: Target) -> _Way:
    if target.kind == "delegation":
        own_id, _, service = target.thing_id.rpartition("/")
        number = own_id.rpartition("/")[2]
        words = _words("aws", "organizations", "deregister-delegated-administrator", "--account-id", number)
        return _Way("deregister the account", (_words(*words, "--service-principal", service),))
    at, region = target.holder_native_id, _aws_region(target)
    if target.kind == "kms_grant":
        own = _words("--key-id", at, "--grant-id", target.thing_id.rpartition("/")[2], *region)
        return _Way("revoke the grant", (_words("aws", "kms", "revoke-grant", *own),))
    match target.holder_kind:
        case "bucket":
            own = _words("--bucket", target.holder_name)
            shown = _words("aws", "s3api", "get-bucket-policy", *own, "--query", "Policy", "--output", "text")
            written = _words("aws", "s3api", "put-bucket-policy", *own, "--policy", _POLICY_FILE)
        case "key":
            own = _words("--key-id", at, "--policy-name", "default", *region)
            shown = _words("aws", "kms", "get-key-policy", *own, "--query", "Policy", "--output", "text")
            written = _words("aws", "kms", "put-key-policy", *own, "--policy", _POLICY_FILE)
        case "topic":
            own = _words("--topic-arn", at, *region)
            shown = _words(
                "aws", "sns", "get-topic-attributes", *own, "--query", "Attributes.Policy", "--output", "text"
            )
            name = ("--attribute-name", "Policy", "--attribute-value", _POLICY_FILE)
            written = _words("aws", "sns", "set-topic-attributes", *own, *name)
        case "secret":
            own = _words("--secret-id", at, *region)
            shown = _words("aws", "secretsmanager", "get-resource-policy", *own, "--query", "ResourcePolicy")
            shown = _words(*shown, "--output", "text")
            written = _words("aws", "secretsmanager", "put-resource-policy", *own, "--resource-policy", _POLICY_FILE)
        case _:
            return _Way(f"take the principal out of the policy of {target.holder_name or 'the resource'}")
    return _Way("save the policy as policy.json, take the principal out, write it back", (shown, written))


def _vault(target: Target, action: Action) -> _Way:
    match target.thing_kind:
        case "credential":
            return _vault_credential(target, action)
        case "secret":
            is_stored = target.kind in ("secret", "secret_field")
            return _vault_secret(target) if is_stored else _vault_credential(target, "rotate_shared_secret")
        case "membership" if target.kind == "entity":
            shown = _words("vault", "read", f"identity/entity/id/{target.group_native_id}")
            return _Way("read the entity, and delete its alias of this login (identity/entity-alias/id)", (shown,))
        case "membership":
            shown = _words("vault", "read", f"identity/group/id/{target.group_native_id}")
            return _Way("read the group, and write back its member_entity_ids without this one", (shown,))
        case "trust":
            return _vault_login(target.holder_native_id)
    if target.kind == "token":
        return _vault_token(target.native_id)
    if target.kind == "entity":
        off = _words("vault", "write", f"identity/entity/id/{target.native_id}", "disabled=true")
        return _Way("disable the entity: its logins and its live tokens stop at once", (off,))
    login = _vault_login(target.native_id)
    tokens = [native_id for kind, native_id in target.keys if kind == "vault_token"]
    return _Way(login.says, (*login.words, *(words for token in tokens for words in _vault_token(token).words)))


def _vault_path(native_id: str) -> tuple[tuple[str, ...], str]:
    """The option of the namespace and the path inside it; a native id of a login begins with the namespace."""
    namespace, slash, rest = native_id.partition("auth/")
    return (((f"-namespace={namespace}",) if namespace else ()), slash + rest) if slash else ((), native_id)


def _vault_login(native_id: str) -> _Way:
    namespace, path = _vault_path(native_id)
    told = "delete the login, then revoke its live tokens: they outlive it"
    return _Way(told, (_words("vault", "delete", *namespace, path),))


def _vault_token(accessor: str) -> _Way:
    return _Way("revoke the token by its accessor", (_words("vault", "token", "revoke", "-accessor", accessor),))


def _vault_credential(target: Target, action: Action) -> _Way:
    namespace, path = _vault_path(target.holder_native_id)
    is_rotation = action == "rotate_shared_secret"
    match target.kind:
        case "vault_token":
            return _vault_token(target.native_id)
        case "approle_secret":
            words = _words("vault", "write", *namespace, f"{path}/secret-id-accessor/destroy")
            told = "destroy the secret id, then revoke the tokens that it made: they outlive it"
            if is_rotation:
                told = f"hand over a new secret id first where the access is to stay, then {told}"
            return _Way(told, (_words(*words, f"secret_id_accessor={target.native_id}"),))
        case "approle_role_id":
            told = "ask for a secret id at login, so that the role id alone opens nothing"
            return _Way(told, (_words("vault", "write", *namespace, path, "bind_secret_id=true"),))
        case "password" if is_rotation:
            told = "type the new password on standard input"
            return _Way(told, (_words("vault", "write", *namespace, f"{path}/password", "password=-"),))
        case "password":
            return _vault_login(target.holder_native_id)
    return _elsewhere(target, action)


def _vault_secret(target: Target) -> _Way:
    told = "replace the value where it was issued, store the new one, then end the old one there"
    path, hash_, name = target.native_id.partition("#")
    if hash_:
        return _Way(told, (_words("vault", "kv", "patch", path, f"{name}=@new-value"),))
    told = f"{told} (new-value.json holds all of its fields: what it leaves out is gone)"
    return _Way(told, (_words("vault", "kv", "put", path, "@new-value.json"),))


def _salesforce(target: Target, action: Action) -> _Way:
    match target.thing_kind:
        case "credential" | "secret":
            return _salesforce_credential(target, action)
        case "membership":
            return _salesforce_membership(target)
        case "identity" if target.kind in ("human_user", "service_account"):
            return _salesforce_user(target.native_id)
    if target.kind in ("oauth_app", "app"):
        return _Way(
            "block the app, revoke all of its tokens, then uninstall it", page="Setup > Connected Apps OAuth Usage"
        )
    if target.kind == "delegation":
        return _Way("take the user out of the delegated group", page="Setup > Delegated Administration")
    return _elsewhere(target, action)


def _salesforce_user(user_id: str) -> _Way:
    freeze = _words("sf", "data", "update", "record", "--sobject", "UserLogin", "--where", f"UserId={user_id}")
    off = _words(
        "sf", "data", "update", "record", "--sobject", "User", "--record-id", user_id, "--values", "IsActive=false"
    )
    return _Way(
        "freeze the user, revoke its tokens (freezing leaves them alive), then deactivate it",
        (_words(*freeze, "--values", "IsFrozen=true"), off),
        page="Setup > Users > the user > OAuth Connected Apps",
    )


def _salesforce_credential(target: Target, action: Action) -> _Way:
    if target.kind == "oauth_token":
        page = "Setup > Users > the user > OAuth Connected Apps > Revoke"
        return _Way("revoke the token; an app that is to go on asks for a new one", page=page)
    if target.kind == "password":
        if action == "rotate_shared_secret":
            return _Way("reset the password", page="Setup > Users > the user > Reset Password")
        return _salesforce_user(target.holder_native_id)
    if target.kind == "certificate":
        return _Way(
            "replace the certificate where it is used, then delete it", page="Setup > Certificate and Key Management"
        )
    return _elsewhere(target, action)


def _salesforce_membership(target: Target) -> _Way:
    user, group = target.holder_native_id, target.group_native_id
    deleted = _words("sf", "data", "delete", "record", "--sobject")
    if group[:3] in _SET_FIELDS:
        where = f"AssigneeId={user} {_SET_FIELDS[group[:3]]}={group}"
        words = _words(*deleted, "PermissionSetAssignment", "--where", where)
        return _Way("take the permission set away", (words,))
    if group.startswith("00G"):
        words = _words(*deleted, "GroupMember", "--where", f"GroupId={group} UserOrGroupId={user}")
        return _Way("take the user out of the group", (words,))
    if group[:3].lower() == "00e":  # 00e: profile, 00E: role
        return _Way("give the user another profile or role, or deactivate it", page="Setup > Users > the user > Edit")
    return _Way(f"take the user out of {target.group_name}", page="Setup > Delegated Administration")


def _hubspot(target: Target, action: Action) -> _Way:
    is_user = target.kind in ("human_user", "user") and target.thing_kind != "credential"
    if is_user or target.thing_kind in ("membership", "grant"):
        user_id = target.native_id if is_user else target.holder_native_id
        told = "remove the user (headers.txt holds the authorization), or its role in the settings"
        url = f"https://api.hubapi.com/settings/users/2026-03/{user_id}"
        words = _words("curl", "--request", "DELETE", "--header", "@headers.txt", url)
        return _Way(told, (words,) if re.fullmatch(r"\d+", user_id) else (), page="Settings > Users & Teams")
    kind = target.kind.removesuffix("_token") if target.kind != "smtp_token" else target.kind
    page = _HUBSPOT_PAGES.get({"oauth": "oauth_app", "app": "oauth_app"}.get(kind, kind))
    if page is None:
        return _elsewhere(target, action)
    if page == _HUBSPOT_PAGES["oauth_app"]:
        return _Way("uninstall the app, which ends its tokens", page=f"{page} > the app > Uninstall")
    if action == "rotate_shared_secret":
        return _Way("rotate it, and expire the old value at once: else it lives on for up to a week", page=page)
    return _Way("deactivate it; no API does this", page=page)


_PROVIDERS: Final[Mapping[str, Callable[[Target, Action], _Way]]] = {
    "aws": _aws,
    "vault": _vault,
    "salesforce": _salesforce,
    "hubspot": _hubspot,
}
