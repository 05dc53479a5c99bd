from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from onchip import LIF, ConvSpec, DenseSpec, Engine, LeakyIntegrator, LearningSpec, NetworkSpec
from onchip.network.learning import with_learning, without_learning
from onchip.network.partition import split_trunk
from onchip.rules.feedback import FEEDBACKS


@pytest.fixture
def conv_network(rng) -> NetworkSpec:
    """Two convolutions 2x6x6 -> 3x4x4 -> 4x2x2, then 16-5-3; T = 3."""
    layers = (
        ConvSpec("a", rng.normal(0.1, 0.4, (3, 2, 3, 3)), LIF(), (2, 6, 6)),
        ConvSpec("b", rng.normal(0.1, 0.4, (4, 3, 3, 3)), LIF(), (3, 4, 4)),
        DenseSpec("hidden", rng.normal(0.1, 0.5, (5, 16)), LIF()),
        DenseSpec("out", rng.normal(0, 0.5, (3, 5)), LeakyIntegrator()),
    )
    return NetworkSpec(layers, (2, 6, 6), 3, metadata={"dataset": "made up"})


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"layers": ()}, "network: it has no layers; pass at least a readout"),
        ({"time_steps": 0}, r"network: time_steps is 0; it must lie in \[1, "),
        ({"time_steps": 2.5}, "network: time_steps is 2.5; it must be an integer"),
        ({"time_steps": True}, "network: time_steps is True; it must be an integer"),
        ({"input_shape": (8,)}, r"layer 'one': weight \(6, 7\) reads 7 values, but the input .* 8"),
        ({"input_shape": (7.0,)}, r"network: input_shape is \(7.0,\); it must be integers"),
        ({"input_shape": (-7, -1)}, "network: input_shape's smallest side is -7"),
        ({"input_shape": ()}, r"network: input_shape is \(\); it must be integers"),
    ],
)
def test_a_network_that_does_not_fit_itself_is_refused(changes, message, network):
    with pytest.raises(ValueError, match=message):
        replace(network, **changes)


def test_layers_that_do_not_fit_each_other_are_refused(network):
    one, two, three, out = network.layers
    with pytest.raises(
        ValueError, match=r"layer 'three': .* reads 5 values, but layer 'one' gives 6"
    ):
        replace(network, layers=(one, three, out))
    with pytest.raises(ValueError, match=r"layer names \['one', 'one'.* must be distinct"):
        replace(network, layers=(one, replace(two, name="one"), three, out))
    with pytest.raises(ValueError, match=r"layer names .*'' .*not empty|layer names .*''"):
        replace(network, layers=(replace(one, name=""), two, three, out))
    early = replace(three, neuron=LeakyIntegrator())
    with pytest.raises(ValueError, match=r"layer 'three': LeakyIntegrator does not spike, .* last"):
        replace(network, layers=(one, two, early, out))


def test_convolutions_must_read_the_shape_they_are_given(conv_network):
    a, b, hidden, out = conv_network.layers
    with pytest.raises(
        ValueError, match=r"layer 'a': input_shape \(2, 6, 6\) differs from the input"
    ):
        replace(conv_network, input_shape=(2, 4, 9))
    with pytest.raises(
        ValueError, match=r"layer 'b': input_shape \(3, 4, 4\) differs from layer 'a'"
    ):
        replace(conv_network, layers=(replace(a, padding=(1, 1)), b, hidden, out))
    with pytest.raises(ValueError, match=r"layer 'b': input_shape .* differs from layer 'hidden'"):
        replace(conv_network, layers=(a, replace(hidden, weight=np.ones((48, 48))), b, out))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"learning_rate": 0}, r"learning: learning_rate is 0; it must lie in \(0, "),
        ({"learning_rate": float("nan")}, "learning: learning_rate is nan"),
        ({"mode": "batch"}, "learning: mode 'batch' is unknown; .* online, accumulate"),
        ({"feedback": "none"}, "learning: feedback 'none' is unknown; .* exact, symmetric, random"),
        ({"mse_weight": 1.5}, r"learning: mse_weight is 1.5; it must lie in \[0, 1\]"),
        ({"update_delay": 2}, "learning: update_delay is 2; it must be 0 or 1"),
        (
            {"feedback_matrices": {"x": np.ones(3)}},
            r"feedback matrix of layer 'x' has shape \(3,\)",
        ),
        (
            {"feedback_matrices": {"x": [[np.nan]]}},
            "feedback matrix of layer 'x' has 1 values .* NaN",
        ),
    ],
)
def test_a_learning_section_out_of_range_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        LearningSpec(**{"learning_rate": 0.1, **changes})


def test_plastic_layers_and_the_learning_section_need_each_other(network):
    *lower, out = network.layers
    plastic = (*lower, replace(out, plastic=True))
    with pytest.raises(
        ValueError, match=r"layers \['out'\] are plastic, .* use onchip.network.learning.with"
    ):
        replace(network, layers=plastic)
    with pytest.raises(ValueError, match="learning section, but no layer is plastic"):
        replace(network, learning=LearningSpec(0.1))
    assert replace(network, layers=plastic, learning=LearningSpec(0.1)).plastic_names == ("out",)


@pytest.mark.parametrize(
    "feedback, shape", [("symmetric", (5, 4)), ("random", (5, 4)), ("direct", (5, 3))]
)
def test_a_missing_or_misshapen_feedback_matrix_is_refused(feedback, shape, network):
    spec = with_learning(network, learning_rate=0.1, feedback=feedback)
    matrices = dict(spec.learning.feedback_matrices)
    assert matrices["two"].shape == shape
    message = (
        rf"layer 'two': feedback '{feedback}' needs a matrix of shape \({shape[0]}, {shape[1]}\)"
    )
    with pytest.raises(ValueError, match=rf"{message}, got \(5, 7\)"):
        wrong = {**matrices, "two": np.ones((5, 7))}
        replace(spec, learning=replace(spec.learning, feedback_matrices=wrong))
    with pytest.raises(ValueError, match=rf"{message}, got None"):
        del matrices["two"]
        replace(spec, learning=replace(spec.learning, feedback_matrices=matrices))


def test_specs_are_immutable(network):
    spec = with_learning(network, learning_rate=0.1, feedback="direct")
    for owner, name in ((spec, "time_steps"), (spec.learning, "mode"), (spec.layers[0], "weight")):
        with pytest.raises(FrozenInstanceError):
            setattr(owner, name, None)
    with pytest.raises(ValueError, match="read-only"):
        spec.learning.feedback_matrices["one"][0, 0] = 1


def test_later_changes_of_the_callers_matrices_do_not_reach_the_spec(network):
    matrices = {name: np.ones((size, 3)) for name, size in (("one", 6), ("two", 5), ("three", 4))}
    learning = LearningSpec(0.1, feedback="direct", feedback_matrices=matrices)
    matrices["one"][:] = 9
    matrices.clear()
    assert list(learning.feedback_matrices) == ["one", "two", "three"]
    assert learning.feedback_matrices["one"].max() == 1


def test_networks_compare_by_value(network):
    spec = with_learning(network, learning_rate=0.1, feedback="random", seed=1)
    assert spec == with_learning(network, learning_rate=0.1, feedback="random", seed=1)
    assert spec != with_learning(network, learning_rate=0.1, feedback="random", seed=2)
    assert spec != with_learning(network, learning_rate=0.2, feedback="random", seed=1)
    assert spec != network
    assert replace(network, metadata={"a": [1]}) == replace(network, metadata={"a": [1]}) != network
    with pytest.raises(TypeError, match="unhashable"):
        hash(spec)


def test_with_learning_makes_every_dense_layer_plastic_by_default(conv_network):
    spec = with_learning(conv_network, learning_rate=0.1)
    assert spec.plastic_names == ("hidden", "out")
    assert spec.layers[:2] == conv_network.layers[:2]
    assert spec.metadata == conv_network.metadata


def test_with_learning_replaces_an_earlier_choice(network):
    first = with_learning(network, learning_rate=0.1)
    second = with_learning(first, learning_rate=0.2, plastic=["out"], mode="accumulate")
    assert second.plastic_names == ("out",)
    assert (second.learning.learning_rate, second.learning.mode) == (0.2, "accumulate")


@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_layers_below_the_lowest_plastic_one_need_no_factor_and_no_matrix(feedback, network):
    spec = with_learning(network, learning_rate=0.1, plastic=["two", "out"], feedback=feedback)
    assert [layer.name for layer in spec.learning_layers] == ["two", "three", "out"]
    needed = [] if feedback == "exact" else ["two", "three"]
    assert list(spec.learning.feedback_matrices) == needed


def test_symmetric_feedback_is_frozen_when_learning_is_set_up(network, samples):
    engine = Engine(with_learning(network, learning_rate=0.5, feedback="symmetric"))
    engine.learn(*samples)
    learned = engine.snapshot()
    np.testing.assert_array_equal(
        learned.learning.feedback_matrices["three"], network.layers[-1].weight.T
    )
    refrozen = with_learning(learned, learning_rate=0.5, feedback="symmetric")
    assert refrozen.learning != learned.learning


@pytest.mark.parametrize(
    ("plastic", "message"),
    [
        (["a"], "plastic layer 'a' is a convolution, .* choose from hidden, out"),
        (["out", "a"], "plastic layer 'a' is a convolution, .* choose from hidden, out"),
        (["b9"], "'b9' is unknown; choose one of hidden, out"),
    ],
)
def test_a_convolution_cannot_be_plastic(plastic, message, conv_network):
    with pytest.raises(ValueError, match=message):
        with_learning(conv_network, learning_rate=0.1, plastic=plastic)


def test_naming_no_layer_or_an_unknown_feedback_is_refused(network):
    with pytest.raises(ValueError, match="plastic layers: none was named; choose from one, two"):
        with_learning(network, learning_rate=0.1, plastic=[])
    with pytest.raises(ValueError, match="feedback 'dfa' is unknown"):
        with_learning(network, learning_rate=0.1, feedback="dfa")


def test_without_learning_undoes_with_learning(network, conv_network):
    for spec in (network, conv_network):
        assert without_learning(with_learning(spec, learning_rate=0.1)) == spec


def test_the_trunk_and_the_rest_run_as_the_whole(conv_network, rng):
    spec = with_learning(conv_network, learning_rate=0.1, feedback="direct")
    frames = (rng.random((2, 3, 2, 6, 6)) < 0.5).astype(float)
    trunk, head = split_trunk(spec)
    assert [layer.name for layer in trunk.layers] == ["a", "b"]
    assert (head.input_shape, head.learning, trunk.learning) == ((16,), spec.learning, None)
    spikes = Engine(trunk).run(frames)
    assert 0 < spikes.mean() < 1
    np.testing.assert_array_equal(Engine(head).run(spikes), Engine(spec).run(frames))


def test_a_network_without_convolutions_has_no_trunk(network):
    assert split_trunk(network) == (None, network)


def test_sizes_follow_from_the_shapes(conv_network):
    assert (conv_network.input_size, conv_network.classes) == (72, 3)
    assert conv_network.layers[1].output_shape == (4, 2, 2)


@pytest.mark.parametrize(
    ("feedback", "matrices", "message"),
    [
        ("exact", {"hidden": np.ones((5, 3))}, "'exact' has a matrix for 'hidden', but takes none"),
        ("exact", {"hidden": np.ones((2, 2))}, "'exact' has a matrix for 'hidden', but takes none"),
        (
            "random",
            {"hidden": np.ones((5, 3)), "far": np.ones((1, 1))},
            "for 'far', but takes for h",
        ),
        ("direct", {"readout": np.ones((3, 3))}, "matrix for 'readout', but takes for hidden"),
        ("symmetric", {"hidden": np.ones((3, 5))}, r"shape \(5, 3\), got \(3, 5\)"),
        ("symmetric", {}, r"shape \(5, 3\), got None"),
    ],
)
def test_a_network_that_cannot_take_its_first_learning_step_is_not_made(
    feedback, matrices, message
):
    """An engine would use the matrices, whatever the feedback is called, or fail on their shape."""
    layers = (
        DenseSpec("hidden", np.ones((5, 4)), LIF(), plastic=True),
        DenseSpec("readout", np.ones((3, 5)), LeakyIntegrator(), plastic=True),
    )
    learning = LearningSpec(0.1, feedback=feedback, feedback_matrices=matrices)
    with pytest.raises(ValueError, match=message):
        NetworkSpec(layers, (4,), 2, learning)
