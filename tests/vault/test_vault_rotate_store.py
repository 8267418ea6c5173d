"""KV version 2 as a store: what is staged is nobody's current value, and what somebody else wrote stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures.vault.estate import Admin
from nhiscan.remediate.contract import RefusedError, UnsupportedError
from nhiscan.secret import Secret
from tests.vault import rotated
from tests.vault.rotated import fields


@pytest.fixture
def store(admin: Admin) -> Any:
    return rotated.store(admin.url, token=Secret(admin.token))


def test_a_staged_value_is_durable_beside_the_current_one(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin, SECRET_ID="old", URL="https://crm.example.com")
    key, new = rotated.key(), fields(SECRET_ID=rotated.value())
    observed = store.observe(kept.address)
    assert observed == {"version": "1", "names": "SECRET_ID, URL"}
    assert store.staged(kept.address, key) is None
    for _ in range(2):
        store.stage(kept.address, key, new)
    assert store.staged(kept.address, key) == new
    assert store.staged(kept.address, rotated.key()) is None
    assert kept.current() == {"SECRET_ID": "old", "URL": "https://crm.example.com"}
    assert store.observe(kept.address) == observed  # staging changes nothing that a plan rests on
    assert store.published(kept.address, key) is None
    ((path, _),) = kept.staged().items()
    assert path == f"{kept.path}.nhiscan-{key}"
    labels = admin.read(f"kv/metadata/{path}")["custom_metadata"]
    assert json.loads(labels["nhiscan"]) == {"operation": key, "for": kept.address}


def test_another_value_is_not_staged_over_the_only_copy_of_the_first(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin, SECRET_ID="old")
    key, first = rotated.key(), fields(SECRET_ID=rotated.value())
    store.stage(kept.address, key, first)
    with pytest.raises(RefusedError, match="holds another value"):
        store.stage(kept.address, key, fields(SECRET_ID=rotated.value()))
    assert store.staged(kept.address, key) == first


def test_publishing_replaces_the_names_and_keeps_the_other_fields(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin, SECRET_ID="old", URL="https://crm.example.com", limits={"per_day": 5})
    admin.write(f"kv/metadata/{kept.path}", {"custom_metadata": {"owner": "ana@example.com"}})
    key, value = rotated.key(), rotated.value()
    store.stage(kept.address, key, fields(SECRET_ID=value))
    for _ in range(2):
        assert store.publish(kept.address, key, version="1") == "2"
    assert kept.current() == {"SECRET_ID": value, "URL": "https://crm.example.com", "limits": {"per_day": 5}}
    assert store.published(kept.address, key) == "2"
    assert not kept.staged()
    assert store.staged(kept.address, key) == fields(SECRET_ID=value)  # read back from where it is current
    labels = kept.metadata()["custom_metadata"]
    assert labels["owner"] == "ana@example.com"
    assert value not in json.dumps(labels)
    kept.write(SECRET_ID="from somebody else")
    assert store.published(kept.address, key) is None
    assert store.staged(kept.address, key) is None


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin, SECRET_ID="old")
    key = rotated.key()
    store.stage(kept.address, key, fields(SECRET_ID=rotated.value()))
    kept.write(SECRET_ID="from somebody else")
    with pytest.raises(RefusedError, match="check-and-set"):
        store.publish(kept.address, key, version="1")
    assert kept.current() == {"SECRET_ID": "from somebody else"}
    assert store.published(kept.address, key) is None  # the label names version 2, and the values tell better
    store.discard(kept.address, key)
    assert store.published(kept.address, key) is None
    assert "nhiscan" not in (kept.metadata()["custom_metadata"] or {})
    assert not kept.staged()


def test_nothing_staged_is_nothing_published(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin, SECRET_ID="old")
    with pytest.raises(RefusedError, match="nothing is staged"):
        store.publish(kept.address, rotated.key(), version="1")
    assert kept.current() == {"SECRET_ID": "old"}


def test_a_secret_that_is_new_is_made_and_taken_back(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin)
    key, value = rotated.key(), rotated.value()
    assert store.observe(kept.address) == {"version": "0", "names": ""}
    store.stage(kept.address, key, fields(SECRET_ID=value))
    assert store.publish(kept.address, key, version="0") == "1"
    assert kept.current() == {"SECRET_ID": value}
    assert store.published(kept.address, key) == "1"
    for _ in range(2):
        store.restore(kept.address, key, version="0")
        assert kept.current() is None


def test_a_new_secret_with_labels_keeps_them(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin)
    admin.write(f"kv/metadata/{kept.path}", {"custom_metadata": {"owner": "ana@example.com"}})
    key = rotated.key()
    store.stage(kept.address, key, fields(SECRET_ID=rotated.value()))
    assert store.publish(kept.address, key, version="0") == "1"
    assert kept.metadata()["custom_metadata"]["owner"] == "ana@example.com"


def test_restoring_writes_the_earlier_document_again_once(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin, SECRET_ID="old", URL="https://crm.example.com")
    key = rotated.key()
    store.restore(kept.address, key, version="1")  # nothing was published: there is nothing to do
    assert kept.metadata()["current_version"] == 1
    store.stage(kept.address, key, fields(SECRET_ID=rotated.value()))
    store.publish(kept.address, key, version="1")
    for _ in range(2):
        store.restore(kept.address, key, version="1")
        assert kept.current() == {"SECRET_ID": "old", "URL": "https://crm.example.com"}
        assert kept.metadata()["current_version"] == 3
    assert store.published(kept.address, key) is None


def test_nothing_is_restored_over_what_somebody_else_wrote_since(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin, SECRET_ID="old")
    key = rotated.key()
    store.stage(kept.address, key, fields(SECRET_ID=rotated.value()))
    store.publish(kept.address, key, version="1")
    kept.write(SECRET_ID="from somebody else")
    with pytest.raises(RefusedError, match="is not of this operation"):
        store.restore(kept.address, key, version="1")
    assert kept.current() == {"SECRET_ID": "from somebody else"}


def test_a_field_that_somebody_else_wrote_since_hides_nothing_and_outlives_the_way_back(
    admin: Admin, store: Any
) -> None:
    kept = rotated.kept(admin, SECRET_ID="old")
    key, value = rotated.key(), rotated.value()
    store.stage(kept.address, key, fields(SECRET_ID=value))
    store.publish(kept.address, key, version="1")
    kept.write(SECRET_ID=value, URL="https://crm.example.com")
    assert store.published(kept.address, key) == "3"
    store.discard(kept.address, key)
    assert kept.current() == {"SECRET_ID": value, "URL": "https://crm.example.com"}

    for _ in range(2):
        store.restore(kept.address, key, version="1")
        assert kept.current() == {"SECRET_ID": "old", "URL": "https://crm.example.com"}
        assert kept.metadata()["current_version"] == 4
    assert store.published(kept.address, key) is None


def test_an_earlier_version_that_is_no_longer_kept_is_not_restored(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin, SECRET_ID="old")
    key, value = rotated.key(), rotated.value()
    store.stage(kept.address, key, fields(SECRET_ID=value))
    store.publish(kept.address, key, version="1")
    admin.write(f"kv/destroy/{kept.path}", {"versions": [1]})
    with pytest.raises(RefusedError, match="no longer kept"):
        store.restore(kept.address, key, version="1")
    assert kept.current() == {"SECRET_ID": value}


def test_discard_ends_the_staged_value_with_every_version_and_leaves_the_current_one(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin, SECRET_ID="old")
    key = rotated.key()
    store.stage(kept.address, key, fields(SECRET_ID=rotated.value()))
    for _ in range(2):
        store.discard(kept.address, key)
    assert not kept.staged()
    assert kept.current() == {"SECRET_ID": "old"}
    store.stage(kept.address, key, fields(SECRET_ID=(value := rotated.value())))
    store.publish(kept.address, key, version="1")
    store.discard(kept.address, key)
    assert kept.current() == {"SECRET_ID": value}
    assert store.published(kept.address, key) == "2"


def test_a_publish_that_broke_off_after_the_write_is_finished_by_whoever_asks(admin: Admin, store: Any) -> None:
    """As after a kill between the value and the end of what was staged; also where somebody replaced the labels."""
    kept = rotated.kept(admin, SECRET_ID="old", URL="https://crm.example.com")
    for is_labelled in (False, True):
        key, value = rotated.key(), rotated.value()
        store.stage(kept.address, key, fields(SECRET_ID=value))
        version = kept.write(SECRET_ID=value, URL="https://crm.example.com")
        told = {"operation": key, "version": version, "names": ["SECRET_ID"]}
        if is_labelled:
            admin.write(f"kv/metadata/{kept.path}", {"custom_metadata": {"nhiscan": json.dumps(told)}})
        assert store.published(kept.address, key) == version
        assert not kept.staged()
        assert store.published(kept.address, key) == version


def test_a_deleted_current_version_takes_no_publish(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin, SECRET_ID="old", URL="https://crm.example.com")
    admin.write(f"kv/delete/{kept.path}", {"versions": [1]})
    key = rotated.key()
    assert store.observe(kept.address) == {"version": "1", "names": ""}
    store.stage(kept.address, key, fields(SECRET_ID=rotated.value()))
    with pytest.raises(RefusedError, match="is deleted"):
        store.publish(kept.address, key, version="1")
    assert kept.current() is None


@pytest.mark.parametrize("mount", ["team/kv", "partners-eu/kv", "partners-eu/inner/kv"])
def test_an_address_is_the_inventorys_or_the_apis_with_its_namespace(admin: Admin, store: Any, mount: str) -> None:
    kept = rotated.kept(admin, mount=mount, SECRET_ID="old")
    key, new = rotated.key(), fields(SECRET_ID=rotated.value())
    store.stage(f"{mount}/data/{kept.path}", key, new)
    assert store.staged(kept.address, key) == new
    assert store.publish(kept.address, key, version="1") == "2"
    assert store.observe(f"/{mount}/data/{kept.path}")["version"] == "2"


def test_kv_version_1_is_refused_with_the_reason(admin: Admin, store: Any) -> None:
    with pytest.raises(UnsupportedError, match="no KV engine of version 2") as caught:
        store.observe("legacy/crm")
    assert "kv enable-versioning legacy/" in caught.value.hint
    with pytest.raises(UnsupportedError):
        store.stage("legacy/crm", rotated.key(), fields(SECRET_ID=rotated.value()))


def test_no_repr_shows_a_value(admin: Admin, store: Any) -> None:
    kept = rotated.kept(admin, SECRET_ID=(value := rotated.value()))
    key = rotated.key()
    store.stage(kept.address, key, fields(SECRET_ID=(new := rotated.value())))
    shown = repr((store, store.staged(kept.address, key), rotated.session(admin.url, token=Secret(admin.token))))
    assert not any(secret in shown for secret in (value, new, admin.token))
