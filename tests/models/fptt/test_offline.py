"""Networks of liquid cells are not deployed, and are told why."""

from __future__ import annotations

import copy

import pytest
import torch

from onchip.deploy import build, quantize, save_spec
from onchip.models import describe_model
from onchip.models.fptt.cells import LiquidLayer
from onchip.models.fptt.networks import LiquidNetwork


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("ltc", "its time constants depend on the input"),
        ("ltc-adaptive", "its time constants depend on the input"),
        ("lif", "each neuron has a time constant of its own"),
        ("adaptive", "each neuron has a time constant of its own"),
    ],
)
def test_a_liquid_network_is_not_described_for_deployment(cell, why):
    network = LiquidNetwork(2, (4, 3), 1, cell)
    kept = copy.deepcopy(network.state_dict())
    with pytest.raises(ValueError, match=why) as raised:
        describe_model(network)
    text = str(raised.value)
    assert "LiquidNetwork: cannot describe 'layers.0', a layer of cell" in text
    assert "two more signed variables a synapse" in text
    assert "by OTTT for deployment" in text
    assert "\n" not in text
    assert all(torch.equal(kept[k], v) for k, v in network.state_dict().items())


def test_a_module_with_a_liquid_layer_in_it_is_refused_by_the_layers_name():
    model = torch.nn.ModuleDict({"front": torch.nn.Linear(2, 2), "core": LiquidLayer(2, 3)})
    with pytest.raises(
        ValueError, match="ModuleDict: cannot describe 'core', a layer of cell 'ltc'"
    ):
        describe_model(model)


def test_a_layer_alone_is_refused_too():
    with pytest.raises(ValueError, match="LiquidLayer: cannot describe a layer of cell 'ltc'"):
        describe_model(LiquidLayer(2, 3))


def test_no_file_and_no_backend_takes_a_liquid_network(tmp_path):
    network = LiquidNetwork(2, 3, 1)
    tasks = {
        "save": lambda: save_spec(tmp_path / "network.h5", network),
        "build": lambda: build(network, "numpy"),
        "quantize": lambda: quantize(network),
    }
    for task, run in tasks.items():
        with pytest.raises(ValueError, match="its time constants depend on the input") as raised:
            run()
        assert str(raised.value).startswith(f"LiquidNetwork: cannot {task} 'layers.0', a layer of ")
    assert list(tmp_path.iterdir()) == []
