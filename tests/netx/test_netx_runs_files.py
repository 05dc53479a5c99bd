"""lava-dl's netx runs a network file spike for spike as the integer engine does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixed_networks import conv_integers, dense_integers, float_twin, quantized_hard_reset
from lava.lib.dl.netx.hdf5 import Network
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source

from onchip.deploy.files.hdf5 import Bundle, check_netx, save_bundle
from onchip.engine.engine import Engine
from onchip.program.integer_spec import FixedNetworkSpec

SAMPLES = 3
Make = Callable[[np.random.Generator], FixedNetworkSpec]


def saved(path: Path, fixed: FixedNetworkSpec) -> Path:
    save_bundle(path, Bundle(float_twin(fixed), fixed))
    return path


def engine_outputs(fixed: FixedNetworkSpec, frames: np.ndarray) -> list[np.ndarray]:
    """Each layer's output at all steps of all samples: [samples T, *shape]."""
    records: dict[str, list[np.ndarray]] = {layer.name: [] for layer in fixed.layers}
    Engine(fixed).run(frames, lambda name, output: records[name].append(output.copy()))
    stacked = [np.stack(steps, axis=1) for steps in records.values()]
    return [outputs.reshape(-1, *outputs.shape[2:]) for outputs in stacked]


def netx_outputs(
    path: Path, fixed: FixedNetworkSpec, frames: np.ndarray, **arguments: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """Each layer's spikes [samples T, *shape], delays taken off, and the last layer's membranes."""
    network = Network(net_config=str(path), **arguments)
    steps = len(frames) * frames.shape[1]
    x = frames.reshape(steps, *frames.shape[2:])
    x = x.reshape(steps, -1) if len(network.in_layer.inp.shape) == 1 else x
    source = Source(data=x.T)  # [..., height, width] becomes [width, height, ..., time]
    source.s_out.connect(network.inp)
    total = steps + len(network.layers)
    sinks = [Sink(shape=layer.out.shape, buffer=total) for layer in network.layers]
    for layer, sink in zip(network.layers, sinks, strict=True):
        layer.out.connect(sink.a_in)
    membranes = []
    try:
        for _ in range(total):
            network.run(condition=RunSteps(1), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
            membranes.append(network.layers[-1].neuron.v.get().copy())
        spikes = [sink.data.get().T for sink in sinks]
    finally:
        network.stop()
    aligned = [s[depth : depth + steps] for depth, s in enumerate(spikes, start=1)]
    return aligned, np.stack(membranes)[len(spikes) : len(spikes) + steps]


def random_frames(fixed: FixedNetworkSpec, rng: np.random.Generator) -> np.ndarray:
    return (rng.random((SAMPLES, fixed.time_steps, *fixed.input_shape)) < 0.4).astype(np.int64)


@pytest.mark.parametrize("make", [dense_integers, conv_integers, quantized_hard_reset])
def test_netx_and_the_engine_agree_spike_for_spike(make: Make, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    fixed = make(rng)
    frames = random_frames(fixed, rng)
    path = saved(tmp_path / "network.h5", fixed)
    check_netx(path)
    spikes, membranes = netx_outputs(
        path, fixed, frames, reset_interval=fixed.time_steps, reset_offset=1
    )
    expected = engine_outputs(fixed, frames)
    spiking = [layer for layer in fixed.layers if hasattr(layer.neuron, "v_threshold")]
    for layer, ours, theirs in zip(spiking, expected, spikes, strict=False):
        assert 0.1 < ours.mean() < 0.9, layer.name
        assert np.array_equal(ours, theirs), layer.name
    if len(spiking) < len(fixed.layers):
        assert np.array_equal(expected[-1], membranes) and np.abs(membranes).max() > 1000
        assert not spikes[-1].any()


def test_biases_need_netxs_resets(tmp_path: Path) -> None:
    """Guards the above: without them, the layers start from what their biases left behind."""
    rng = np.random.default_rng(2)
    fixed = dense_integers(rng)
    weak = 2 * rng.integers(-5, 9, (9, 12))
    driven = replace(fixed.layers[0], weight=weak, bias=np.full(9, 64 * 60))
    fixed = replace(fixed, layers=(driven, *fixed.layers[1:]))
    frames = random_frames(fixed, rng)[:1]
    path = saved(tmp_path / "network.h5", fixed)
    spikes, _ = netx_outputs(path, fixed, frames)
    assert not np.array_equal(engine_outputs(fixed, frames)[0], spikes[0])


def test_netx_fails_on_a_file_that_is_refused(tmp_path: Path) -> None:
    fixed = dense_integers(np.random.default_rng(2))
    first = replace(fixed.layers[0], neuron=replace(fixed.layers[0].neuron, reset="soft"))
    path = saved(tmp_path / "soft.h5", replace(fixed, layers=(first, *fixed.layers[1:])))
    with pytest.raises(ValueError, match="'hidden' has soft reset"):
        check_netx(path)
    with pytest.raises(KeyError, match="layer"):
        Network(net_config=str(path))
