"""Sessions, the samples that are drawn for them, the buffer, and what is measured."""

from __future__ import annotations

import json

import numpy as np
import pytest

from onchip.deploy.lifelong.metrics import Course
from onchip.deploy.lifelong.protocol import DRIFTED, ORIGINAL, Protocol, Session, make_protocol
from onchip.deploy.lifelong.replay import ReplayBuffer
from onchip.deploy.lifelong.splits import draw_split, split_from

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 30))
NAN = float("nan")


def test_every_class_comes_once_and_each_session_is_a_task():
    protocol = make_protocol("classes", 10, 6, 3, 5)
    assert protocol.sessions == (Session((6, 7, 8), 5), Session((9,), 5))
    assert protocol.order == tuple(range(10))
    assert [protocol.known(i) for i in range(3)] == [tuple(range(n)) for n in (6, 9, 10)]
    base = (tuple(range(6)), ORIGINAL)
    assert protocol.tasks() == [base, ((6, 7, 8), ORIGINAL), ((9,), ORIGINAL)]


def test_a_mixed_protocol_drifts_after_each_group_of_classes():
    protocol = make_protocol("mixed", 10, 6, 2, 5)
    found = [(session.new, session.sensor) for session in protocol.sessions]
    drift = ((), DRIFTED)
    assert found == [((6, 7), ORIGINAL), drift, ((8, 9), DRIFTED), drift]
    assert protocol.tasks()[2] == (tuple(range(8)), DRIFTED)
    drifts = make_protocol("drift", 10, 10, 1, 4, drifts=2)
    assert [session.new for session in drifts.sessions] == [(), ()]


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: make_protocol("both", 10, 6, 2, 5), "'both'"),
        (lambda: make_protocol("classes", 10, 10, 2, 5), "base"),
        (lambda: make_protocol("classes", 10, 6, 2, 0), "shots"),
        (lambda: Protocol((0, 1), (Session((1,), 3),)), "class 1 comes twice"),
        (lambda: Protocol((0, 1), ()), "a session"),
        (lambda: Session((1,), 3, "broken"), "broken"),
    ],
)
def test_what_is_no_protocol_is_refused_by_name(make, words):
    with pytest.raises(ValueError, match=words) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_no_sample_is_drawn_twice_and_new_classes_stay_out_of_the_base():
    protocol = make_protocol("classes", 10, 6, 2, 5)
    split = draw_split(LABELS, protocol, 3, held_out=0.2)
    parts = [split.base, *split.sessions, split.held_out]
    everything = np.concatenate([np.array(part) for part in parts])
    assert len(np.unique(everything)) == len(everything)
    assert set(LABELS[list(split.base)]) == set(range(6))
    for session, drawn in zip(protocol.sessions, split.sessions, strict=True):
        assert sorted(LABELS[list(drawn)]) == sorted(np.repeat(session.new, 5))
    assert np.bincount(LABELS[list(split.held_out)]).tolist() == [6] * 10
    assert len(split.base) == 6 * 24


def test_a_seed_draws_the_same_samples_and_another_seed_others():
    protocol = make_protocol("classes", 10, 6, 4, 5)
    one, again, other = (draw_split(LABELS, protocol, seed) for seed in (1, 1, 2))
    assert one == again and one.sessions != other.sessions
    # More samples of a class begin with the few, and the order of classes does not matter to them.
    more = draw_split(LABELS, make_protocol("classes", 10, 6, 4, 20), 1)
    assert set(one.sessions[0]) < set(more.sessions[0])


def test_a_stored_split_comes_back_and_fits_its_labels_alone(tmp_path):
    split = draw_split(LABELS, make_protocol("mixed", 10, 6, 2, 5), 0, 0.1)
    split.save(tmp_path / "samples.json")
    found = split_from(json.loads((tmp_path / "samples.json").read_text()))
    assert found == split
    found.check(LABELS)
    with pytest.raises(ValueError, match="drawn for labels with digest"):
        found.check(LABELS[::-1])
    with pytest.raises(ValueError, match="must hold seed"):
        split_from({"seed": 1})
    with pytest.raises(ValueError, match="class 6 has 30 samples left, but a session takes 31"):
        draw_split(LABELS, make_protocol("classes", 10, 6, 4, 31), 0)


def test_the_measures_are_those_worked_by_hand():
    # Base of 60 tests, two sessions of 20 each; the second forgets some of both.
    matrix = np.array([[0.9, NAN, NAN], [0.8, 0.7, NAN], [0.6, 0.5, 1.0]])
    course = Course(matrix, np.array([60, 20, 20]), np.array([6, 8, 10]))
    after = [0.9, (48 + 14) / 80, (36 + 10 + 20) / 100]
    np.testing.assert_allclose(course.accuracy, after)
    assert course.area == pytest.approx((after[0] / 2 + after[1] + after[2] / 2) / 2)
    assert course.forgetting == pytest.approx(((0.9 - 0.6) + (0.7 - 0.5)) / 2)
    assert course.backward_transfer == pytest.approx(-0.25)
    assert course.forward_transfer is None
    found = course.as_json()
    assert found["base_lost"] == pytest.approx(0.3) and found["new"] == pytest.approx(0.75)
    assert found["average"] == pytest.approx(np.mean(after))
    assert found["matrix"][0] == [0.9, None, None]


def test_forgetting_counts_from_the_best_and_transfer_from_the_first():
    matrix = np.array([[0.5, 0.4], [0.9, 0.8]])  # a drift: its task is known before its session
    course = Course(matrix, np.array([10, 10]), np.array([4, 4]))
    assert course.forgetting == pytest.approx(0.5 - 0.9)
    assert course.backward_transfer == pytest.approx(0.4)
    assert course.forward_transfer == pytest.approx(0.4 - 1 / 4)


def test_a_task_that_was_not_measured_is_refused():
    with pytest.raises(ValueError, match="not measured"):
        Course(np.array([[0.5, NAN], [NAN, 0.5]]), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="as many tasks as rows"):
        Course(np.ones((2, 3)), np.ones(3), np.ones(2))


def test_the_buffer_keeps_each_sample_of_a_class_with_the_same_chance():
    kept = np.zeros(20)
    for seed in range(300):
        buffer = ReplayBuffer(5, seed)
        for i in range(20):
            buffer.add(np.full((1, 1), i), 0)
        assert len(buffer) == 5
        found = {int(buffer.draw()[0][0, 0]) for _ in range(100)}
        kept[list(found)] += 1
    # 75 of 300 each, with a deviation of 7.5
    assert kept.sum() == 5 * 300 and np.abs(kept - 75).max() < 35


def test_the_buffer_draws_classes_evenly_however_many_samples_they_have():
    buffer = ReplayBuffer(10)
    for label, samples in ((0, 10), (1, 1)):
        for _ in range(samples):
            buffer.add(np.ones((4, 8)), label)
    drawn = np.bincount([buffer.draw()[1] for _ in range(400)])
    assert np.abs(drawn - 200).max() < 60
    assert buffer.bits == 11 * 32
    with pytest.raises(ValueError, match="empty"):
        ReplayBuffer(3).draw()
