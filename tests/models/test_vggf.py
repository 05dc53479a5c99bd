"""VGG-F: what the feedback connection carries, its gradient, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from slow_ottt import (
    bptt_gradients,
    gradients_of,
    largest_difference,
    spikes_and_targets,
    spread_parameters,
)

from onchip.models.architectures.table import build_model
from onchip.models.training.feedback import make_feedback
from onchip.models.training.updates import Learner, bptt, ottt_a

ALPHA = 0.05
SMALL = {"input_shape": (2, 8, 8), "classes": 4, "time_steps": 5, "channels": (4, 5, "P", 6, 5)}


def small(**options):
    model = build_model("vggf", **{**SMALL, **options}).double()
    spread_parameters(model)
    return model


def test_last_spikes_arrive_at_the_first_layer_one_step_later():
    model, chain = small(), build_model("vgg", **SMALL).double()
    shared = {k: v for k, v in model.state_dict().items() if not k.startswith("path")}
    chain.load_state_dict(shared)
    frames, _ = spikes_and_targets(model)
    with torch.no_grad():
        (state, expected), x = (m.initial_state() for m in (model, chain)), frames.double()
        _, state = model.step(x[:, 0], state)
        _, expected = chain.step(x[:, 0], expected)
        assert torch.equal(state[0].neuron.u, expected[0].neuron.u)
        sent = 2.74 * state[3].neuron.spikes
        assert sent.any()
        _, state = model.step(x[:, 1], state)
        _, expected = chain.step(x[:, 1], expected)
        arrived = state[0].neuron.u - expected[0].neuron.u
        weight = model.path.connection.plain_weight()
        narrow = torch.nn.functional.conv2d(sent, weight, padding=1)
        for row, column in ((0, 0), (5, 2), (7, 7)):
            torch.testing.assert_close(
                arrived[..., row, column], narrow[..., row // 2, column // 2]
            )


@pytest.mark.parametrize("feedback_to", [1, 2, 3])
def test_the_last_layers_gradient_is_that_of_bptt_up_to_the_loop(feedback_to):
    """No gradient goes around the loop, so that of the readout is the only exact one."""
    model = small(feedback_to=feedback_to)
    frames, targets = spikes_and_targets(model)
    expected = bptt_gradients(model, frames, targets, ALPHA)
    names = [name for name, _ in model.named_parameters()]
    readout = [i for i, name in enumerate(names) if name.startswith("layers.4")]
    found = gradients_of(ottt_a, model, frames, targets, ALPHA)
    assert len(readout) == 2
    assert largest_difference([found[i] for i in readout], [expected[i] for i in readout]) < 1e-12
    everywhere = gradients_of(bptt, model, frames, targets, ALPHA)
    assert largest_difference(everywhere, expected) < 1e-11


def test_no_graph_of_the_past_is_kept():
    model = small()
    frames, _ = spikes_and_targets(model)
    state = model.initial_state()
    for n in range(3):
        _, state = model.step(frames[:, n].double(), state)
    tensors = [state[-1].trace] + [x for own in state[:-1] for x in own.neuron]
    tensors += [own.inputs.trace for own in state[:-1]]
    assert not any(x.requires_grad for x in tensors)


def test_its_parameters_are_known_by_name_and_learn():
    model = small()
    weight = model.path.connection.weight
    assert model.parameter_label(weight) == "layer 'feedback': weight"
    before = weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for kind in ("exact", "symmetric", "random", "direct"):
        learner = Learner(model, optimizer, make_feedback(model, kind), ALPHA)
        ottt_a(learner, *spikes_and_targets(model))
        assert not torch.equal(weight, before)
        before = weight.detach().clone()


def test_a_map_that_cannot_be_filled_by_repeating_is_refused():
    with pytest.raises(ValueError, match="the map of 4x4 does not fill that of 9x9"):
        small(input_shape=(2, 9, 9))
    with pytest.raises(ValueError, match=r"feedback_to is 4; .* 1 to 3"):
        small(feedback_to=4)
