"""The part of a file for lava-dl's netx: its layout, and what is refused (tests/netx runs it)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fixed_networks import conv_integers, dense_integers, float_twin, quantized_hard_reset
from integer_neurons import integer_linear

from onchip.deploy.files.hdf5 import Bundle, check_netx, load_bundle, save_bundle, save_spec
from onchip.deploy.files.netx import netx_tree
from onchip.program.integer_layer_spec import FixedDenseSpec, FixedPlasticity
from onchip.program.integer_spec import FixedNetworkSpec
from onchip.program.rates import FixedRate


def change(fixed: FixedNetworkSpec, index: int, **fields: Any) -> FixedNetworkSpec:
    """The network with one layer changed."""
    layers = list(fixed.layers)
    layers[index] = replace(layers[index], **fields)
    return replace(fixed, layers=tuple(layers))


@pytest.fixture
def fixed(rng: np.random.Generator) -> FixedNetworkSpec:
    return dense_integers(rng)


def test_the_group_has_netxs_names_and_values(rng: np.random.Generator, tmp_path: Path) -> None:
    fixed = conv_integers(rng)
    path = tmp_path / "network.h5"
    save_bundle(path, Bundle(float_twin(fixed), fixed))
    check_netx(path)
    assert load_bundle(path).fixed == fixed
    with h5py.File(path) as file:
        group = file["layer"]
        kinds = [group[str(i)]["type"][()].decode("ascii") for i in range(len(group))]
        assert kinds == ["input", "conv", "flatten", "dense", "dense"]
        assert group["0/shape"][()].tolist() == [2, 6, 5]
        conv = group["1"]
        assert conv["shape"][()].tolist() == [3, 3, 4]
        assert (conv["stride"][()].tolist(), conv["padding"][()].tolist()) == ([2, 1], [1, 0])
        assert conv["groups"].shape == () and conv["dilation"][()].tolist() == [1, 1]
        assert np.array_equal(conv["weight"][()], fixed.layers[0].weight)
        assert np.array_equal(conv["bias"][()] * 64, fixed.layers[0].bias)
        neuron = {name: conv["neuron"][name][()] for name in conv["neuron"]}
        assert neuron == {"type": b"CUBA", "iDecay": 4096, "vDecay": 1500, "vThMant": 150}
        readout = {name: group["4/neuron"][name][()] for name in ("vDecay", "vThMant")}
        assert readout == {"vDecay": 500, "vThMant": 2**17 - 1}


def test_exponents_fold_into_weights_without_their_lowest_bit(fixed: FixedNetworkSpec) -> None:
    weight = np.array([[3, -3, 0], [100, 127, -128]])
    layer = FixedDenseSpec("out", weight, fixed.layers[0].neuron, 1.0, 1)
    network = FixedNetworkSpec((layer,), (3,), 2)
    assert netx_tree(network).child("1").arrays["weight"].tolist() == [
        [4, -8, 0],
        [200, 252, -256],
    ]
    halved = change(network, 0, weight=4 * (weight // 4), weight_exponent=-2)
    assert netx_tree(halved).child("1").arrays["weight"].tolist() == [[0, -1, 0], [25, 31, -32]]


def test_a_bias_that_was_learned_is_added(fixed: FixedNetworkSpec) -> None:
    layer = replace(
        fixed.layers[1],
        bias=np.array([64, -128, 0, 640]),
        bias_weight=np.array([3, -3, 5, 0]),
        plasticity=FixedPlasticity(31, FixedRate(1, 0)),
    )
    node = _dense(layer)
    assert node.arrays["bias"].tolist() == [1 + 4, -2 - 8, 8, 10]  # the exponent is 1


def _dense(layer: FixedDenseSpec) -> Any:
    """The tree of a plastic layer, whose learning section is not looked at."""
    bare = replace(layer, bias_weight=None, plasticity=None)
    network = FixedNetworkSpec((bare,), (layer.input_size,), 2)
    object.__setattr__(network, "layers", (layer,))
    return netx_tree(network).child("1")


def test_a_readout_without_memory_forgets_all(fixed: FixedNetworkSpec) -> None:
    network = change(fixed, 1, neuron=integer_linear(1000))
    assert netx_tree(network).child("2").child("neuron").arrays["vDecay"] == 4096


WEIGHT = np.full((9, 12), 200)

REFUSALS = {
    "soft reset": "'hidden' has soft reset",
    "threshold": r"'hidden': threshold 7680 is not of the form 64 m \+ 1",
    "recurrent": "'hidden' has recurrent weights",
    "exponent": "'hidden': weight exponent -2 would round",
    "range": r"'hidden': weight 400 \(exponent 1 included\) is outside of netx's -256..254",
    "bias": "'hidden': bias 65 is no multiple of 64",
    "large bias": "'hidden': a bias beyond -4096..4095 times 64",
    "inhibition": "'hidden' has no positive weight",
    "zeros": "'hidden' has no positive weight",
}


def refused(fixed: FixedNetworkSpec, case: str) -> FixedNetworkSpec:
    neuron = fixed.layers[0].neuron
    fields: dict[str, dict[str, Any]] = {
        "soft reset": {"neuron": replace(neuron, reset="soft")},
        "threshold": {"neuron": replace(neuron, v_threshold=7680)},
        "recurrent": {"recurrent_weight": np.eye(9, dtype=int)},
        "exponent": {"weight": WEIGHT - 198, "weight_exponent": -2},
        "range": {"weight": WEIGHT, "weight_exponent": 1},
        "bias": {"bias": np.full(9, 65)},
        "large bias": {"bias": np.full(9, 4095 << 7)},
        "inhibition": {"weight": -WEIGHT},
        "zeros": {"weight": 0 * WEIGHT},
    }
    return change(fixed, 0, **fields[case])


@pytest.mark.parametrize("case", REFUSALS)
def test_what_netx_cannot_express_is_refused_in_the_file(
    fixed: FixedNetworkSpec, case: str, tmp_path: Path
) -> None:
    network, path = refused(fixed, case), tmp_path / "network.h5"
    save_bundle(path, Bundle(float_twin(network), network))
    with pytest.raises(ValueError, match=REFUSALS[case]) as caught:
        check_netx(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    with h5py.File(path) as file:
        assert "layer" not in file and file.attrs["netx_refused"].decode() in str(caught.value)
    assert load_bundle(path).fixed == network


def test_sums_beyond_the_current_are_refused(fixed: FixedNetworkSpec) -> None:
    fits = FixedDenseSpec("wide", np.full((2, 516), 254), fixed.layers[0].neuron, 1.0)
    assert netx_tree(FixedNetworkSpec((fits,), (516,), 1))
    wide = replace(fits, weight=np.full((2, 517), 254))
    with pytest.raises(ValueError, match="sum up to 131318, beyond the 131071"):
        netx_tree(FixedNetworkSpec((wide,), (517,), 1))


def test_geometry_beyond_lavas_bytes_is_refused(rng: np.random.Generator) -> None:
    fixed = conv_integers(rng)
    conv = replace(fixed.layers[0], padding=(64, 0))
    with pytest.raises(ValueError, match="'conv': kernel, stride or padding of 64 is above"):
        netx_tree(FixedNetworkSpec((conv,), (2, 6, 5), 1))


def test_a_file_without_integers_has_nothing_for_netx(
    fixed: FixedNetworkSpec, tmp_path: Path
) -> None:
    save_spec(tmp_path / "float.h5", float_twin(fixed))
    with pytest.raises(ValueError, match="holds no integer network"):
        check_netx(tmp_path / "float.h5")


def test_damage_in_netxs_part_is_found(fixed: FixedNetworkSpec, tmp_path: Path) -> None:
    path = tmp_path / "network.h5"
    save_bundle(path, Bundle(float_twin(fixed), fixed))
    with h5py.File(path, "r+") as file:
        file["layer/1/weight"][0, 0] += 2
    for reader in (load_bundle, check_netx):
        with pytest.raises(ValueError, match="checksum"):
            reader(path)


def test_quantizing_for_netx_keeps_to_what_it_can_read(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    fixed = quantized_hard_reset(rng)
    assert all(layer.weight_exponent == 0 for layer in fixed.layers)
    assert fixed.layers[0].bias is not None and not (fixed.layers[0].bias % 64).any()
    save_bundle(tmp_path / "n.h5", Bundle(float_twin(fixed), fixed))
    check_netx(tmp_path / "n.h5")
