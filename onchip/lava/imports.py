"""Networks of Lava's own `LIF` and `Dense` processes as networks of this project.

Every Lava synapse delays by a step, while connections here act within one; so all connections
between populations have delay 1, and what the source sends in Lava's step n is the frame of step
n + 1. Then every spike and every membrane is Lava's, in floating point and in `fixed_pt`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import Dense as LavaDense
from lava.proc.lif.process import LIF as LavaProcessLIF
from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

from onchip.arithmetic.loihi import ALIGNMENT_BITS, DECAY_UNITY, WEIGHT_LIMITS, drop_lowest_bit
from onchip.network.graph import Network
from onchip.network.parts import INPUT, Connection, Population
from onchip.network.transforms import Dense
from onchip.neurons.lava_lif import LavaLIF
from onchip.program.chip_network import ChipConnection, ChipNetwork, ChipPopulation
from onchip.program.graphs import INTEGERS, REAL_NUMBERS


def from_lava(
    readout: AbstractProcess, *, time_steps: int, precision: str = REAL_NUMBERS
) -> Network:
    """Return the network that leads to `readout`, a `LIF` process, and is not running.

    `precision` is "floating_pt" or "fixed_pt" (a `ChipNetwork`). `LIF` and `Dense` processes are
    followed back from the readout; the one process of another kind that is met is the input, whose
    spikes are the frames: frames[0] is silent, frames[n] is what it sends in Lava's step n.
    Populations are named as their processes. Raises ValueError, naming the process, for other
    processes and options, for initial states, and for integers that synapses of mixed sign do not
    hold.
    """
    if precision not in (REAL_NUMBERS, INTEGERS):
        raise ValueError(f"precision {precision!r} is unknown; choose {REAL_NUMBERS} or {INTEGERS}")
    found = _Found.from_readout(readout)
    make = _integers if precision == INTEGERS else _floats
    return make(found, time_steps)


@dataclass
class _Found:
    """The processes that lead to a readout: neurons in Lava's order, synapses, the input's size."""

    neurons: list[LavaProcessLIF]
    synapses: list[tuple[AbstractProcess | None, LavaProcessLIF, LavaDense]]
    inputs: int

    @classmethod
    def from_readout(cls, readout: AbstractProcess) -> _Found:
        if not isinstance(readout, LavaProcessLIF):
            _refuse(readout, "is no LIF process", "pass the LIF whose spikes are the output")
        neurons, synapses, sources = [readout], [], {}
        for process in neurons:  # grows while it is gone through
            for dense, source in _into(process):
                if isinstance(source, LavaProcessLIF):
                    synapses.append((source, process, dense))
                    if source not in neurons:
                        neurons.append(source)
                else:
                    synapses.append((None, process, dense))
                    sources[source.id] = source
        if len(sources) != 1:
            names = ", ".join(source.name for source in sources.values()) or "none"
            _refuse(readout, f"is reached from these sources of spikes: {names}", "let it be one")
        first = next(dense for source, _, dense in synapses if source is None)
        return cls(neurons[::-1], synapses, int(first.s_in.shape[0]))

    def names(self) -> dict[int, str]:
        """The populations' names by the ids of their processes."""
        return {process.id: process.name for process in self.neurons}


def _into(process: LavaProcessLIF) -> Iterator[tuple[LavaDense, AbstractProcess]]:
    """The synapses into neurons, and what sends to each."""
    ports = process.a_in.get_src_ports()
    if not ports:
        _refuse(process, "has nothing connected to a_in", "connect it, or leave it out")
    for port in ports:
        dense = port.process
        if type(dense) is not LavaDense:
            _refuse(dense, f"is a {type(dense).__name__}", "use Dense, or build it by hand")
        senders = dense.s_in.get_src_ports()
        if len(senders) != 1:
            _refuse(dense, f"is sent to by {len(senders)} ports", "connect one source")
        yield dense, senders[0].process


def _floats(found: _Found, time_steps: int) -> Network:
    populations = tuple(
        Population(name, (_size(p),), _float_neuron(p))
        for p, name in zip(found.neurons, found.names().values(), strict=True)
    )
    connections = [
        Connection(*_ends(found, source, target), Dense(_weights(dense)), int(source is not None))
        for source, target, dense in found.synapses
    ]
    return Network(
        populations,
        (*connections, *(Connection(INPUT, n, t) for n, t in _silent_inputs(found))),
        (found.inputs,),
        time_steps,
    )


def _integers(found: _Found, time_steps: int) -> ChipNetwork:
    populations = tuple(
        ChipPopulation(name, (_size(p),), _integer_neuron(p))
        for p, name in zip(found.neurons, found.names().values(), strict=True)
    )
    connections = []
    for source, target, dense in found.synapses:
        weight, exponent = _integer_weights(dense)
        ends = _ends(found, source, target)
        delay = int(source is not None)
        connections.append(ChipConnection(*ends, Dense(weight), delay, exponent=exponent))
    return ChipNetwork(
        populations,
        (*connections, *(ChipConnection(INPUT, n, t) for n, t in _silent_inputs(found))),
        (found.inputs,),
        time_steps,
    )


def _silent_inputs(found: _Found) -> Iterator[tuple[str, Dense]]:
    """Synapses of weight 0 from the input: every population reads something within the step."""
    reading = {target.id for source, target, _ in found.synapses if source is None}
    for process in found.neurons:
        if process.id not in reading:
            yield process.name, Dense(np.zeros((_size(process), found.inputs)))


def _ends(found: _Found, source: AbstractProcess | None, target: LavaProcessLIF) -> tuple[str, str]:
    return INPUT if source is None else source.name, target.name


def _size(process: LavaProcessLIF) -> int:
    return int(np.prod(process.a_in.shape))


def _constants(process: LavaProcessLIF) -> tuple[Any, Any, Any, np.ndarray, np.ndarray]:
    """du, dv, vth and the mantissas and exponents of the bias [n] of neurons that start at rest."""
    for name in ("u", "v"):
        if np.any(getattr(process, name).init):
            _refuse(process, f"starts with {name} other than 0", "start it at rest")
    size = _size(process)
    du, dv, vth = (np.ravel(getattr(process, n).init) for n in ("du", "dv", "vth"))
    for name, value in (("du", du), ("dv", dv), ("vth", vth)):
        if value.size != 1:
            _refuse(process, f"has {value.size} values of {name}", "use one for all its neurons")
    mantissa, exponent = (
        np.broadcast_to(np.ravel(getattr(process, n).init), (size,))
        for n in ("bias_mant", "bias_exp")
    )
    return du.item(), dv.item(), vth.item(), mantissa, exponent


def _float_neuron(process: LavaProcessLIF) -> LavaLIF:
    du, dv, vth, bias, _ = _constants(process)  # in floating point Lava ignores bias_exp
    drive = tuple(bias.tolist()) if np.any(bias) else ()
    return LavaLIF(1 - dv, 1 - du, vth, drive)


def _integer_neuron(process: LavaProcessLIF) -> LavaLIF:
    du, dv, vth, mantissa, exponent = _constants(process)
    for name, value in (("du", du), ("dv", dv)):
        if value != int(value) or not 0 <= value < DECAY_UNITY:
            limit = DECAY_UNITY - 1
            _refuse(process, f"has {name} {value}", f"use an integer in 0..{limit} in fixed_pt")
    mantissa, exponent = mantissa.astype(np.int64), exponent.astype(np.int64)
    bias = np.where(
        exponent >= 0, mantissa << np.maximum(exponent, 0), mantissa >> np.maximum(-exponent, 0)
    )
    return LavaLIF(
        (DECAY_UNITY - int(dv)) / DECAY_UNITY,
        (DECAY_UNITY - 1 - int(du)) / DECAY_UNITY,
        int(vth) << ALIGNMENT_BITS,
        tuple(bias.tolist()) if bias.any() else (),
    )


def _weights(dense: LavaDense) -> np.ndarray:
    if np.any(dense.num_message_bits.init):
        _refuse(dense, "sends graded spikes", "set num_message_bits to 0")
    return np.asarray(dense.weights.init, np.float64)


def _integer_weights(dense: LavaDense) -> tuple[np.ndarray, int]:
    """The weights that Lava's model makes of a `Dense`, as synapses of mixed sign hold them.

    Odd ones (of one sign they have a bit more) are doubled, with an exponent less.
    """
    given, params = _weights(dense), dense.proc_params
    sign_mode = params.get("sign_mode") or determine_sign_mode(given)
    whole = clip_weights(given.astype(np.int32), sign_mode, num_bits=8)
    whole = truncate_weights(whole, sign_mode, params.get("num_weight_bits") or 8)
    weight = np.asarray(whole, np.int64)
    exponent = int(params.get("weight_exp") or 0)
    if np.array_equal(drop_lowest_bit(weight), weight):
        return weight.astype(np.float64), exponent
    weight, exponent = 2 * weight, exponent - 1
    low, high = WEIGHT_LIMITS
    if weight.min() < low or weight.max() > high:
        _refuse(
            dense,
            f"has odd weights of one sign up to {np.abs(weight).max() // 2}",
            "make them even: synapses here are of mixed sign, which drop the lowest bit",
        )
    return weight.astype(np.float64), exponent


def _refuse(process: Any, what: str, remedy: str) -> None:
    raise ValueError(f"process {process.name!r} {what}; {remedy}")
