"""What `vdcast verify` calls damaged, and which copies it removes."""

import hashlib
import json

import yaml

from vdcast import verify


def keep(cache, content: bytes, suffix: str = "") -> str:
    name = hashlib.md5(content).hexdigest() + suffix
    path = verify.path_of(name, cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def test_an_object_is_judged_by_its_name_and_a_copy_by_what_it_should_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cache = tmp_path / "cache"
    a, b, c = (keep(cache, content) for content in (b"a", b"b", b"c"))
    entries = [{"md5": b, "relpath": "b"}, {"md5": c, "relpath": "inner/c"}]
    listing = keep(cache, json.dumps(entries).encode(), ".dir")
    (cache / a[:2] / "tmp-of-dvc").write_bytes(b"half")
    stages = {
        "one": {"outs": [{"path": "a", "md5": a}]},
        "two": {"outs": [{"path": "folder", "md5": listing}, {"path": "gone", "md5": b}]},
        "three": {"cmd": "true"},
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}), "utf-8")
    (tmp_path / "folder/inner").mkdir(parents=True)
    for path, content in (("a", b"a"), ("folder/b", b"B"), ("folder/inner/c", b"c")):
        (tmp_path / path).write_bytes(content)
    assert verify.verify(cache) == (4, [])

    for name in (a, b):
        verify.path_of(name, cache).write_bytes(b"B")
    objects, damaged = verify.verify(cache)
    assert objects == 4 and set(damaged) == {a, b}
    removed = verify.remove_copies(damaged, cache, verify.LOCK)
    assert [str(path) for path in removed] == ["folder/b"], "the copy at `a` is good and stays"
    assert (tmp_path / "a").exists() and (tmp_path / "folder/inner/c").exists()


def test_a_damaged_listing_of_a_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listing = keep(tmp_path, b"[]", ".dir")
    verify.path_of(listing, tmp_path).write_bytes(b"{")
    lock = tmp_path / "dvc.lock"
    lock.write_text(yaml.safe_dump({"stages": {"one": {"outs": [{"path": "x", "md5": listing}]}}}), "utf-8")
    assert verify.verify(tmp_path) == (1, [listing])
    assert verify.remove_copies([listing], tmp_path, lock) == []
