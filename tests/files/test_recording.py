from __future__ import annotations

import gzip
from pathlib import Path

from nhiscan import tape
from nhiscan.tape import Answer, Recorder, call
from tests.files.conftest import AS_OF, Read, Repository, token

_KEY_ID = "AKIA" + "RTXV5AHDVQZK2M7P"
_REPOSITORY = {"kind": "repository"}


def _recorded(folder: Path, recorder: Recorder) -> str:
    return gzip.decompress(recorder.write(folder).read_bytes()).decode()


def test_a_secret_of_a_file_does_not_stay_in_a_recorded_answer(
    repository: Repository, read: Read, tmp_path: Path
) -> None:
    repository.commit({"prod.env": f"AWS_ACCESS_KEY_ID={_KEY_ID}\nHUBSPOT={token()}\n"})
    recorder = Recorder(as_of=AS_OF)
    body = f'{{"description": "the old one was {token()}", "key": "{_KEY_ID}"}}'.encode()
    recorder.keep(call("GET", "aws:1", "/users"), Answer(200, {}, body))
    read(_REPOSITORY, tape=recorder)
    written = _recorded(tmp_path, recorder)
    assert token() not in written
    assert _KEY_ID in written  # the inventory joins on it


def test_recording_and_replaying_read_the_same_files(repository: Repository, read: Read, tmp_path: Path) -> None:
    repository.commit({"prod.env": f"HUBSPOT={token()}\n"})
    plain = read(_REPOSITORY)
    recorder = Recorder(as_of=AS_OF)
    assert read(_REPOSITORY, tape=recorder).records == plain.records
    _recorded(tmp_path, recorder)
    assert read(_REPOSITORY, tape=tape.read(tmp_path)).records == plain.records
