"""A real S3 server, one that is gone, and addresses that are none."""

import re
from pathlib import Path

import pytest

from segtrain.mirror.object_store import ObjectStore, StoreError
from tests.segtrain.mirror.conftest import S3Server


def test_files_go_there_and_come_back(s3: S3Server, tmp_path: Path) -> None:
    store = ObjectStore("s3://lab/runs/")
    store.check()
    (tmp_path / "a").write_bytes(b"content")
    store.put(tmp_path / "a", "trials/one/deep/a")
    store.write("trials/one/b", b"more")
    assert store.list("trials/one") == ["b", "deep/a"]
    assert ObjectStore("s3://lab").list("runs") == ["trials/one/b", "trials/one/deep/a"], "and nothing of the check"
    assert (store.read("trials/one/b"), store.read("trials/one/c")) == (b"more", None)
    store.get("trials/one/deep/a", tmp_path / "back" / "a")
    assert (tmp_path / "back" / "a").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["a"]
    store.remove("trials/one/b")
    assert store.list("trials/one") == ["deep/a"]


def test_what_cannot_be_used_is_a_sentence(s3: S3Server, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^s3://elsewhere/runs cannot be written to \(.*bucket does not exist"):
        ObjectStore("s3://elsewhere/runs").check()
    store = ObjectStore("s3://lab")
    with pytest.raises(StoreError, match=r"^s3://lab cannot be read \("):
        store.get("absent", tmp_path / "here")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        store.put(tmp_path / "absent", "absent")
    s3.down()
    try:
        with pytest.raises(StoreError, match=r"^s3://lab cannot be written to \(.*127\.0\.0\.1"):
            store.check()
    finally:
        s3.up()
    store.check()


@pytest.mark.parametrize("address", ["runs", "s3:", "s3:///runs", "https:", ""])
def test_an_address_that_is_none_is_a_sentence(address: str) -> None:
    sentence = f"{address!r} is no address of an object store; allowed: such as s3://bucket/prefix"
    with pytest.raises(StoreError, match=f"^{re.escape(sentence)}$"):
        ObjectStore(address)


def test_a_store_without_a_plugin_is_a_sentence() -> None:
    with pytest.raises(StoreError, match=r"^nosuch://bucket cannot be used: Protocol not known: nosuch"):
        ObjectStore("nosuch://bucket")


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(StoreError) as caught:
        ObjectStore("s3://me:s3cret@lab/runs")
    assert "s3cret" not in str(caught.value)
