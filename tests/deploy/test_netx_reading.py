"""Files of lava-dl as integers here: this package's own come back, slayer's forms are read."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from fixed_networks import conv_integers, dense_integers, float_twin, quantized_hard_reset

from onchip import Engine, LeakyIntegrator, LinearReadout
from onchip.deploy.cli import main
from onchip.deploy.files.hdf5 import Bundle, load_bundle, save_bundle
from onchip.deploy.files.netx_reading import read_netx


@pytest.mark.parametrize("make", [dense_integers, conv_integers, quantized_hard_reset])
def test_what_was_written_for_netx_comes_back_with_every_spike(make, tmp_path, rng):
    fixed = make(rng)
    save_bundle(tmp_path / "net.h5", Bundle(float_twin(fixed), fixed))
    found = read_netx(tmp_path / "net.h5", time_steps=fixed.time_steps).fixed
    frames = rng.integers(0, 2, (4, fixed.time_steps, *fixed.input_shape)).astype(np.uint8)
    spikes: tuple[list, list] = ([], [])
    outputs = [
        Engine(network).run(frames, lambda name, s, kept=kept: kept.append(s.copy()))
        for network, kept in zip((fixed, found), spikes, strict=True)
    ]
    np.testing.assert_array_equal(outputs[1], outputs[0])
    for ours, theirs in zip(*spikes, strict=True):
        np.testing.assert_array_equal(theirs, ours)
    assert sum(s.sum() for s in spikes[0]) > 0


def write(path, *layers, **changes):
    """A file as slayer's export writes it: 3 x 4 x 4 maps, a convolution, a dense readout."""
    neuron = dict(type="LOIHI", iDecay=4096, vDecay=1024, vThMant=25, refDelay=1, wgtExp=0)
    neuron |= {k.removeprefix("neuron_"): v for k, v in changes.items() if k.startswith("neuron_")}
    rng = np.random.default_rng(0)
    found = {
        "0": {"type": "input", "shape": [3, 4, 4]},
        "1": {
            "type": "conv",
            "shape": [2, 2, 2],
            "weight": 2.0 * rng.integers(-20, 21, (2, 3, 3, 3, 1)),
            "bias": np.array([4.0, -6.0], np.float32),
            "stride": [1, 1],
            "padding": [0, 0],
            "dilation": [1, 1],
            "groups": 1,
            "neuron": neuron,
        },
        "2": {"type": "flatten", "shape": [1, 1, 8]},
        "3": {"type": "dense", "shape": [3], "weight": 2.0 * rng.integers(-40, 41, (3, 8))},
    }
    found["1"] |= {k: v for k, v in changes.items() if not k.startswith(("neuron_", "layer"))}
    for name, fields in changes.get("layers", {}).items():
        found[name] = {**found[name], **fields}
    with h5py.File(path, "w") as file:
        for name, fields in found.items():
            for key, value in fields.items():
                if isinstance(value, dict):
                    for inner, constant in value.items():
                        file[f"layer/{name}/{key}/{inner}"] = constant
                elif isinstance(value, str):
                    file.create_dataset(f"layer/{name}/{key}", (1,), "S10", [value.encode()])
                else:
                    file[f"layer/{name}/{key}"] = value
    return found


def test_the_equations_of_lavas_lif_in_a_slayer_file(tmp_path):
    """u <- u (4096 - vDecay) / 4096, truncated, + 64 (W s + b); spikes above 64 vThMant, u <- 0."""
    content = write(tmp_path / "slayer.net")
    bundle = read_netx(tmp_path / "slayer.net", time_steps=6)
    assert bundle.fixed.layers[1].neuron == LinearReadout(0.5)
    frames = np.random.default_rng(1).integers(0, 2, (1, 6, 3, 4, 4)).astype(np.uint8)
    kernel, bias = content["1"]["weight"][..., 0].astype(int), content["1"]["bias"].astype(int)
    u, expected = np.zeros((2, 2, 2), int), []
    for frame in frames[0].astype(int):
        for c, i, j in np.ndindex(2, 2, 2):
            total = (kernel[c] * frame[:, i : i + 3, j : j + 3]).sum() + bias[c]
            decayed = np.sign(u[c, i, j]) * (abs(u[c, i, j]) * 3072 // 4096)
            u[c, i, j] = decayed + 64 * total
        expected.append(u > 64 * 25)
        u = np.where(u > 64 * 25, 0, u)
    found: list[np.ndarray] = []
    Engine(bundle.fixed).run(
        frames, lambda name, s: found.append(s[0].copy()) if name == "layer1" else None
    )
    np.testing.assert_array_equal(np.array(found), np.array(expected))
    assert 0 < np.array(expected).mean() < 1


def test_a_last_layer_of_the_largest_threshold_is_a_readout(tmp_path):
    neuron = dict(type="CUBA", iDecay=4096, vDecay=0, vThMant=131071, gradedSpike=False)
    write(tmp_path / "slayer.net", layers={"3": {"neuron": neuron}})
    last = read_netx(tmp_path / "slayer.net", time_steps=6).fixed.layers[-1]
    assert last.neuron == LeakyIntegrator(1.0)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"neuron_iDecay": 1024}, "layer1: iDecay is 1024, not 4096: its current remembers"),
        ({"neuron_refDelay": 3}, "layer1: refDelay is 3"),
        ({"neuron_gradedSpike": True}, "layer1: gradedSpike is 1"),
        ({"neuron_type": "RF_IZ"}, "layer1: neurons 'RF_IZ' are not read here"),
        ({"delay": np.array([0.0, 3.0])}, "layer1: its spikes are delayed"),
        ({"groups": 3}, "layer1: it has groups"),
        ({"dilation": [2, 2]}, "layer1: it has dilation"),
        ({"weight": np.full((2, 3, 3, 3), 0.5)}, "layer1: weight holds fractions"),
        ({"layers": {"2": {"type": "average"}}}, "layer 2: type 'average' is not read here"),
        ({"layers": {"0": {"neuron": {"vDecay": 1}}}}, "pass skip_input_neurons=True"),
        ({"layers": {"0": {"type": "conv"}}}, "begins with an input"),
    ],
)
def test_what_integers_here_cannot_do_is_refused_by_name(changes, text, tmp_path):
    write(tmp_path / "slayer.net", **changes)
    with pytest.raises(ValueError, match=r"slayer\.net: ") as error:
        read_netx(tmp_path / "slayer.net", time_steps=6)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_none_are_one_line(tmp_path):
    (tmp_path / "text.net").write_text("no")
    with h5py.File(tmp_path / "empty.net", "w"):
        pass
    for name in ("text", "empty"):
        with pytest.raises(ValueError, match=f"{name}.net: ") as error:
            read_netx(tmp_path / f"{name}.net", time_steps=3)
        assert "\n" not in str(error.value)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_netx(tmp_path / "none.net", time_steps=3)


def test_the_command_writes_a_network_file_with_its_integers(tmp_path, capsys):
    write(tmp_path / "slayer.net")
    words = ["from-netx", str(tmp_path / "slayer.net"), "--time-steps", "6"]
    assert main([*words, "--out", str(tmp_path / "net.h5")]) == 0
    assert capsys.readouterr().out.startswith("layers layer1, layer3; 6 steps: ")
    found = load_bundle(tmp_path / "net.h5")
    read = read_netx(tmp_path / "slayer.net", time_steps=6)
    assert found.fixed.layers == read.fixed.layers
    assert found.spec.layers == read.spec.layers
    write(tmp_path / "slayer.net", neuron_iDecay=7)
    assert main([*words, "--out", str(tmp_path / "other.h5")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "other.h5").exists()
