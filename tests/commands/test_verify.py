"""What `vdcast verify` calls damaged, and which copies it removes."""

import contextlib
import hashlib
import json
import threading

import pytest
import yaml

from vdcast.commands import verify


def keep(cache, content: bytes, suffix: str = "") -> str:
    name = hashlib.md5(content).hexdigest() + suffix
    path = verify.path_of(name, cache)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def test_an_object_is_judged_by_its_name_and_a_copy_by_what_it_should_be(tmp_path):
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
    removed = verify.remove_copies(damaged, cache, tmp_path)
    assert removed == [tmp_path / "folder/b"], "the copy at `a` is good and stays"
    assert (tmp_path / "a").exists() and (tmp_path / "folder/inner/c").exists()


def test_a_damaged_listing_of_a_folder_is_found(tmp_path):
    listing = keep(tmp_path, b"[]", ".dir")
    verify.path_of(listing, tmp_path).write_bytes(b"{")
    lock = tmp_path / "dvc.lock"
    lock.write_text(yaml.safe_dump({"stages": {"one": {"outs": [{"path": "x", "md5": listing}]}}}), "utf-8")
    assert verify.verify(tmp_path) == (1, [listing])
    assert verify.remove_copies([listing], tmp_path, tmp_path) == []


@pytest.mark.parametrize("relpath", ["../../victim", "/absolute", "../beside/victim", "inner/../../../victim", "..", "link/victim"])  # fmt: skip
def test_a_list_that_names_files_outside_of_its_folder_removes_none(tmp_path, relpath):
    cache, root = tmp_path / "cache", tmp_path / "root"
    object_ = keep(cache, b"what was there")
    listing = keep(
        cache,
        json.dumps(
            [{"md5": object_, "relpath": relpath.replace("/absolute", f"{tmp_path}/victim")}]
        ).encode(),
        ".dir",
    )
    for folder in ("out/inner", "beside"):
        (root / folder).mkdir(parents=True)
    (root / "out/link").symlink_to(tmp_path)
    victims = [tmp_path / "victim", root / "victim", root / "beside/victim"]
    for victim in victims:
        victim.write_bytes(b"precious")
    stages = {"one": {"outs": [{"path": "out", "md5": listing}]}}
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}), "utf-8")
    assert verify.remove_copies([object_], cache, root) == []
    assert all(victim.exists() for victim in victims)


def test_a_copy_that_is_a_link_into_the_cache_is_removed(tmp_path):
    """As with `cache.type symlink`."""
    cache, root = tmp_path / "cache", tmp_path / "root"
    object_ = keep(cache, b"content")
    listing = keep(cache, json.dumps([{"md5": object_, "relpath": "file"}]).encode(), ".dir")
    verify.path_of(object_, cache).write_bytes(b"damaged")
    (root / "out").mkdir(parents=True)
    (root / "out/file").symlink_to(verify.path_of(object_, cache))
    (root / "dvc.lock").write_text(
        yaml.safe_dump({"stages": {"one": {"outs": [{"path": "out", "md5": listing}]}}}), "utf-8"
    )
    assert verify.remove_copies([object_], cache, root) == [root / "out/file"]
    assert not (root / "out/file").is_symlink()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """With one stage, whose object is damaged and whose copy came from it; we are in a folder of it."""
    from dvc.repo import Repo

    Repo.init(str(tmp_path), no_scm=True).close()
    cache = tmp_path / ".dvc/cache/files/md5"
    name = keep(cache, b"content")
    verify.path_of(name, cache).write_bytes(b"damaged")
    (tmp_path / "made").write_bytes(b"damaged")
    (tmp_path / "dvc.lock").write_text(
        yaml.safe_dump({"stages": {"one": {"outs": [{"path": "made", "md5": name}]}}}), "utf-8"
    )
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    monkeypatch.setattr("sys.argv", ["vdcast verify"])
    return tmp_path


def test_from_a_folder_below_the_copies_are_found_too(repository):
    with pytest.raises(SystemExit) as told:
        verify.main()
    assert (
        "damaged and removed: 1 of 1 objects in ../.dvc/cache/files/md5, and what came from them: ../made;"
        in str(told.value)
    )
    assert not (repository / "made").exists()


def test_it_waits_for_dvc_before_it_removes(repository):
    """What DVC has mended meanwhile stays."""
    from dvc.repo import Repo

    ended = threading.Event()

    def verified():
        with contextlib.suppress(SystemExit):
            verify.main()
        ended.set()

    (path,) = (repository / ".dvc/cache/files/md5").glob("??/*")
    looked, original = threading.Event(), verify.verify
    with pytest.MonkeyPatch.context() as patch, Repo(str(repository)) as repo:
        patch.setattr(verify, "verify", lambda cache: (original(cache), looked.set())[0])
        with repo.lock:
            thread = threading.Thread(target=verified)
            thread.start()
            assert looked.wait(60)
            assert path.exists() and not ended.is_set()
            path.write_bytes(b"content")
        thread.join()
    assert path.read_bytes() == b"content" and (repository / "made").exists()
