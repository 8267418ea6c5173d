"""The rules that the benchmark compares, written once more the way one would with pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "credential_facts": (
        "is_live",
        "is_replaceable",
        "is_provider_owned",
        "kind",
        "created_at",
        "last_used_at",
        "last_used_known",
        "live_of_kind",
        "newer_live_at",
    ),
    "identity_facts": (
        "kind",
        "partner_id",
        "is_enabled",
        "has_access",
        "is_partner_related",
        "is_provider_owned",
        "created_at",
        "last_used_at",
        "idle_since",
        "contract_is_ended",
        "contract_ended_at",
        "contract_revoke_by",
    ),
    "partner_facts": ("business_owner", "business_owner_status", "has_access"),
}


def outcomes(frames: Mapping[str, pd.DataFrame], as_of: str) -> dict[str, dict[str, int]]:
    """Rule -> outcome -> subjects, with each rule's default parameters."""
    now = pd.Timestamp(as_of)
    dormant = now - pd.Timedelta(days=90)
    credentials, identities, partners = (frames[name] for name in COLUMNS)
    live = credentials[_yes(credentials.is_live)]
    replaceable = live[_yes(live.is_replaceable) & (live.kind != "password")]
    own = live[~_yes(live.is_provider_owned)]
    held = identities[identities.partner_id.notna() & _yes(identities.is_enabled) & ~_no(identities.has_access)]
    related = identities[
        _yes(identities.is_enabled)
        & _yes(identities.is_partner_related)
        & ~_yes(identities.is_provider_owned)
        & (~_no(identities.has_access) | (identities.kind == "workload_role"))
    ]
    open_partners = partners[~_no(partners.has_access)]
    return {
        "life-key-age-exceeded": _count(
            (replaceable.created_at.isna(), "unknown"),
            (replaceable.created_at < now - pd.Timedelta(days=90), "fail"),
        ),
        "life-issued-never-used": _count(
            (own.last_used_at.notna() | (own.created_at >= now - pd.Timedelta(days=30)), "pass"),
            (~_yes(own.last_used_known) | own.created_at.isna(), "unknown"),
            (own.created_at < now - pd.Timedelta(days=30), "fail"),
        ),
        "life-rotation-not-working": _count(
            (~(replaceable.live_of_kind >= 2), "pass"),
            (replaceable.created_at.isna(), "unknown"),
            (replaceable.newer_live_at < now - pd.Timedelta(days=7), "fail"),
        ),
        "off-contract-ended-access": _count(
            (held.contract_is_ended.isna(), "unknown"),
            (_no(held.contract_is_ended), "pass"),
            (held.contract_ended_at.isna(), "unknown"),
            (
                (held.contract_revoke_by >= now)
                | (held.contract_revoke_by.isna() & (held.contract_ended_at >= now - pd.Timedelta(hours=24))),
                "pass",
            ),
            (held.has_access.isna(), "unknown"),
            (pd.Series(True, index=held.index), "fail"),
        ),
        "off-dormant-account-enabled": _count(
            ((related.last_used_at >= dormant) | (related.created_at >= dormant), "pass"),
            (related.idle_since.isna(), "unknown"),
            (related.idle_since < dormant, "fail"),
        ),
        "gov-business-owner-missing": _count(
            (open_partners.business_owner_status == "active", "pass"),
            (open_partners.has_access.isna(), "unknown"),
            (open_partners.business_owner.isna() | (open_partners.business_owner_status == "left"), "fail"),
            (pd.Series(True, index=open_partners.index), "unknown"),
        ),
    }


def _yes(flags: pd.Series) -> pd.Series:
    return flags.astype("boolean").fillna(False).astype(bool)


def _no(flags: pd.Series) -> pd.Series:
    return ~flags.astype("boolean").fillna(True).astype(bool)


def _count(*cases: tuple[pd.Series, str]) -> dict[str, int]:
    """The first case that holds; none: pass."""
    found = np.select([condition.to_numpy(bool) for condition, _ in cases], [outcome for _, outcome in cases], "pass")
    names, counts = np.unique(found, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}
