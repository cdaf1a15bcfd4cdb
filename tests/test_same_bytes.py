"""The proof that a move altered no number must see one that was altered."""

from tests.same_bytes import differing, same_history, sums

LOCK = """
schema: '2.0'
stages:
  train@a:
    outs:
    - {path: runs/a/model.pt, md5: aaaa}
    - {path: runs/a/training.json, md5: seconds}
    - {path: runs/a/metrics.json, md5: validation}
  evaluate@a:
    outs:
    - {path: runs/a/test.json, md5: test}
  baselines:
    outs:
    - {path: runs/naive, md5: bbbb.dir}
  frozen: {cmd: 'true'}
"""


def test_outputs_with_numbers_are_taken_and_others_are_not():
    assert sums(LOCK) == {
        "runs/a/model.pt": "aaaa",
        "runs/a/metrics.json": "validation",
        "runs/a/test.json": "test",
        "runs/naive": "bbbb.dir",
    }


def test_a_changed_a_lost_and_a_new_output_differ():
    before = {"same": "1", "changed": "2", "lost": "3"}
    assert differing(before, {"same": "1", "changed": "4", "new": "5"}) == ["changed", "lost", "new"]
    assert differing(before, dict(before)) == []


def test_a_history_may_differ_in_its_seconds_alone(tmp_path):
    for md5, text in {"aa1": "1,0.5,9.1", "aa2": "1,0.5,2.3", "aa3": "1,0.6,9.1"}.items():
        path = tmp_path / md5[:2] / md5[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"epoch,train_loss,seconds\n{text}\n", "utf-8")
    assert same_history(("aa1", "aa2"), tmp_path)
    assert not same_history(("aa1", "aa3"), tmp_path)
    assert not same_history(("aa1", None), tmp_path)
