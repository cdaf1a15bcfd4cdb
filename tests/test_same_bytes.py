"""The proof that a move altered no number must see one that was altered."""

from tests.same_bytes import differing, sums

LOCK = """
schema: '2.0'
stages:
  train@a:
    outs:
    - {path: runs/a/model.pt, md5: aaaa}
    - {path: runs/a/training.json, md5: seconds}
  baselines:
    outs:
    - {path: runs/naive, md5: bbbb.dir}
  frozen: {cmd: 'true'}
"""


def test_outputs_with_numbers_are_taken_and_those_with_seconds_are_not():
    assert sums(LOCK) == {"runs/a/model.pt": "aaaa", "runs/naive": "bbbb.dir"}


def test_a_changed_a_lost_and_a_new_output_differ():
    before = {"same": "1", "changed": "2", "lost": "3"}
    assert differing(before, {"same": "1", "changed": "4", "new": "5"}) == ["changed", "lost", "new"]
    assert differing(before, dict(before)) == []
