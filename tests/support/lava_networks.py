"""Networks of Lava's own processes, for tests that run them on both runtimes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.core.learning.learning_rule import Loihi2FLearningRule, Loihi3FLearningRule
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.clp.novelty_detector.process import NoveltyDetector
from lava.proc.clp.nsm.process import Allocator, Readout
from lava.proc.clp.prototype_lif.process import PrototypeLIF
from lava.proc.conv.process import Conv
from lava.proc.dense.process import DelayDense, Dense, LearningDense
from lava.proc.graded.process import GradedVec
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.learning_rules.r_stdp_learning_rule import RewardModulatedSTDP
from lava.proc.learning_rules.stdp_learning_rule import STDPLoihi
from lava.proc.lif.process import LIF, LIFRefractory
from lava.proc.monitor.process import Monitor
from lava.proc.rf.process import RF
from lava.proc.sparse.process import Sparse
from lava_processes.probes import (
    Column,
    OwnHandlers,
    SparseReceiver,
    SparseSender,
    Writer,
)

Made = tuple[list[AbstractProcess], str]
"""The processes of a connected network and the tag of their models."""


def spikes(rng: np.random.Generator, inputs: int, rate: float = 0.3) -> Source:
    """Random spikes of 37 steps, over and over."""
    return Source(data=(rng.random((inputs, 37)) < rate).astype(int))


def lif_chain(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """Two layers, monitored: a Var and a port."""
    source = spikes(rng, 8)
    scale = 1 if tag == "floating_pt" else 40
    weights = [rng.normal(0, scale, (6, 8)), rng.normal(0, scale, (4, 6))]
    first, second = (Dense(weights=w if scale == 1 else w.astype(int)) for w in weights)
    constants = {"du": 0.3, "dv": 0.1, "vth": 1} if scale == 1 else {"du": 900, "dv": 300, "vth": 9}
    neurons = LIF(shape=(6,), **constants)
    last = LIFRefractory(shape=(4,), refractory_period=2, **constants) if scale == 1 else None
    rests = last or LIF(shape=(4,), **constants)
    sink, monitors = Sink(shape=(4,), buffer=steps), [Monitor(), Monitor()]
    source.s_out.connect(first.s_in)
    first.a_out.connect(neurons.a_in)
    neurons.s_out.connect(second.s_in)
    second.a_out.connect(rests.a_in)
    rests.s_out.connect(sink.a_in)
    monitors[0].probe(neurons.v, steps)
    monitors[1].probe(neurons.s_out, steps)
    return [source, first, neurons, second, rests, sink, *monitors], tag


def learning(rng: np.random.Generator, tag: str, rule: Any) -> Made:
    """A plastic connection; the postsynaptic spikes go back to it."""
    source, weights = spikes(rng, 7), rng.integers(0, 40, (5, 7))
    scale = 1.0 if tag == "fixed_pt" else 0.1
    synapses = LearningDense(weights=weights * scale, learning_rule=rule)
    vth = 60 if tag == "fixed_pt" else 3.0
    neurons = LIF(shape=(5,), du=4095 if tag == "fixed_pt" else 1, dv=300 / 4096, vth=vth)
    if tag == "fixed_pt":
        neurons = LIF(shape=(5,), du=4095, dv=300, vth=vth)
    source.s_out.connect(synapses.s_in)
    synapses.a_out.connect(neurons.a_in)
    neurons.s_out.connect(synapses.s_in_bap)
    return [source, synapses, neurons], tag


def stdp(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """Pair-based STDP with two factors."""
    options = {"A_plus": 2, "A_minus": -2, "tau_plus": 10, "tau_minus": 10, "t_epoch": 4}
    return learning(rng, tag, STDPLoihi(learning_rate=1, rng_seed=3, **options))


def reward_modulated(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """STDP whose changes wait in a tag for a reward."""
    rule = RewardModulatedSTDP(
        learning_rate=1,
        A_plus=2,
        A_minus=-2,
        pre_trace_decay_tau=10,
        post_trace_decay_tau=10,
        pre_trace_kernel_magnitude=16,
        post_trace_kernel_magnitude=16,
        eligibility_trace_decay_tau=0.5,
        t_epoch=2,
        rng_seed=3,
    )
    processes, _ = learning(rng, tag, rule)
    reward = Source(data=rng.integers(0, 8, (5, 23)))
    reward.s_out.connect(processes[1].s_in_y2)
    trace = Source(data=rng.integers(0, 8, (5, 19)))
    trace.s_out.connect(processes[1].s_in_y1)
    return [*processes, reward, trace], tag


def learned_tag(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """Weights and a tag that change by both neurons' spikes."""
    rule = Loihi2FLearningRule(
        dw="x0*y1 - 2^-2*u0*t",
        dt="y0*x1 - 2^-1*u0*t",
        x1_impulse=12,
        x1_tau=5,
        y1_impulse=7,
        y1_tau=3,
        rng_seed=5,
    )
    return learning(rng, tag, rule)


def third_factor(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """A rule whose factor comes through a reference of the neurons to the trace."""
    rule = Loihi3FLearningRule(dw="u0*x1*y1", x1_impulse=20, x1_tau=8, t_epoch=3, rng_seed=5)
    processes, _ = learning(rng, tag, rule)
    factor = Source(data=rng.integers(0, 3, (5, 31)))
    factor.s_out.connect(processes[1].s_in_y1)
    writer = Writer(shape=(7,), period=15)
    writer.target.connect_var(processes[1].x1)
    return [*processes, factor, writer], tag


def prototypes(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """Continual learning of prototypes: winner-take-all neurons, novelty, allocation."""
    count, inputs = 40, 6
    rule = Loihi3FLearningRule(
        dw="2^-3*y1*x1*y0 - 2^-3*y1*w*y0", x1_impulse=64, x1_tau=5, t_epoch=1, rng_seed=7
    )
    source = spikes(rng, inputs, 0.2)
    synapses = LearningDense(weights=rng.integers(1, 60, (count, inputs)), learning_rule=rule)
    neurons = PrototypeLIF(du=4095, dv=4095, bias_mant=0, bias_exp=0, vth=63, shape=(count,))
    inhibit = Dense(weights=-60 * (1 - np.eye(count)).astype(int))
    novelty, allocator = NoveltyDetector(t_wait=5), Allocator(n_protos=count)
    readout = Readout(n_protos=count)
    labels = Source(data=rng.integers(0, 3, (1, 29)))
    arrived = Dense(weights=np.ones((1, inputs), int))
    answered = Dense(weights=np.ones((1, count), int))
    allocate = Dense(weights=np.ones((count, 1), int), num_message_bits=8)
    source.s_out.connect(synapses.s_in)
    synapses.a_out.connect(neurons.a_in)
    neurons.s_out.connect(inhibit.s_in)
    inhibit.a_out.connect(neurons.a_in)
    neurons.s_out_y1.connect(synapses.s_in_y1)
    neurons.s_out_bap.connect(synapses.s_in_bap)
    source.s_out.connect(arrived.s_in)
    arrived.a_out.connect(novelty.input_aval_in)
    neurons.s_out.connect(answered.s_in)
    answered.a_out.connect(novelty.output_aval_in)
    novelty.novelty_detected_out.connect(allocator.trigger_in)
    readout.trigger_alloc.connect(allocator.trigger_in)
    allocator.allocate_out.connect(allocate.s_in)
    allocate.a_out.connect(neurons.a_third_factor_in)
    neurons.s_out.connect(readout.inference_in)
    labels.s_out.connect(readout.label_in)
    neural = [source, synapses, neurons, inhibit, arrived, answered, allocate]
    return [*neural, novelty, allocator, readout, labels], "fixed_pt"


def hierarchy(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """A process that stands for others."""
    source, column = spikes(rng, 5), Column(weights=rng.normal(0, 1, (4, 5)))
    sink = Sink(shape=(4,), buffer=steps)
    source.s_out.connect(column.s_in)
    column.s_out.connect(sink.a_in)
    return [source, column, sink], "floating_pt"


def references(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """A process that writes another one's membrane, and reads what it has written."""
    source, synapses = spikes(rng, 5), Dense(weights=rng.normal(0, 1, (4, 5)))
    neurons, writer = LIF(shape=(4,), vth=50), Writer(shape=(4,))
    source.s_out.connect(synapses.s_in)
    synapses.a_out.connect(neurons.a_in)
    writer.target.connect_var(neurons.v)
    return [source, synapses, neurons, writer], "floating_pt"


def virtual_ports(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """Ports that are reshaped, permuted and flattened, one of them twice into the same port."""
    source, square = spikes(rng, 4), Source(data=rng.integers(0, 5, (2, 3, 11)))
    sinks = [Sink(shape=shape, buffer=steps) for shape in ((3, 2), (6,), (2, 2))]
    square.s_out.transpose(axes=(1, 0)).connect(sinks[0].a_in)
    square.s_out.flatten().connect(sinks[1].a_in)
    source.s_out.reshape(new_shape=(2, 2)).connect(sinks[2].a_in)
    other = Dense(weights=rng.normal(0, 1, (4, 6)), num_message_bits=8)
    square.s_out.flatten().connect(other.s_in)
    other.a_out.reshape(new_shape=(2, 2)).transpose(axes=(1, 0)).connect(sinks[2].a_in)
    return [source, square, other, *sinks], tag


def sparse_ports(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """Ports that send values and indices."""
    data = rng.integers(-5, 6, (6, 13)) * (rng.random((6, 13)) < 0.4)
    sender, receiver = SparseSender(data=data), SparseReceiver(shape=(6,))
    sender.out.connect(receiver.inp)
    return [sender, receiver], "floating_pt"


def sparse_synapses(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """Weights as a sparse matrix."""
    weights = rng.integers(-60, 60, (5, 6)) * (rng.random((5, 6)) < 0.4)
    source, synapses = spikes(rng, 6), Sparse(weights=weights)
    neurons, monitor = LIF(shape=(5,), du=900, dv=300, vth=9), Monitor()
    source.s_out.connect(synapses.s_in)
    synapses.a_out.connect(neurons.a_in)
    monitor.probe(neurons.u, steps)
    return [source, synapses, neurons, monitor], "fixed_pt"


def graded(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """Spikes with payloads through graded neurons."""
    source = Source(data=rng.integers(-40, 40, (6, 17)))
    first = Dense(weights=rng.integers(-30, 30, (5, 6)), num_message_bits=24)
    neurons = GradedVec(shape=(5,), vth=20, exp=0)
    second = Dense(weights=rng.integers(-30, 30, (3, 5)), num_message_bits=24)
    sink = Sink(shape=(3,), buffer=steps)
    source.s_out.connect(first.s_in)
    first.a_out.connect(neurons.a_in)
    neurons.s_out.connect(second.s_in)
    second.a_out.connect(sink.a_in)
    return [source, first, neurons, second, sink], "fixed_pt"


def convolution(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """A convolution over spikes of an image."""
    source = Source(data=(rng.random((6, 6, 2, 19)) < 0.3).astype(int))
    weight = rng.integers(-30, 30, (3, 3, 3, 2))
    conv = Conv(weight=weight, input_shape=(6, 6, 2), padding=1, stride=2)
    fixed = tag == "fixed_pt"
    constants = {"du": 900, "dv": 300} if fixed else {"du": 0.2, "dv": 0.1}
    neurons = LIF(shape=conv.output_shape, vth=9, **constants)
    sink = Sink(shape=conv.output_shape, buffer=steps)
    source.s_out.connect(conv.s_in)
    conv.a_out.connect(neurons.a_in)
    neurons.s_out.connect(sink.a_in)
    return [source, conv, neurons, sink], tag


def delay(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """Synapses of different delays, and neurons that oscillate."""
    source, delays = spikes(rng, 5), rng.integers(0, 6, (4, 5))
    synapses = DelayDense(weights=rng.normal(0, 1, (4, 5)), delays=delays)
    neurons = RF(shape=(4,), period=7, alpha=0.1, vth=0.5)
    sink = Sink(shape=(4,), buffer=steps)
    source.s_out.connect(synapses.s_in)
    synapses.a_out.connect(neurons.a_real_in)
    neurons.s_out.connect(sink.a_in)
    return [source, synapses, neurons, sink], "floating_pt"


def own_handlers(rng: np.random.Generator, tag: str, steps: int) -> Made:
    """A model that overrides Lava's handlers, beside one that is called directly."""
    handlers, monitor = OwnHandlers(), Monitor()
    monitor.probe(handlers.log, steps)
    return [handlers, monitor], "floating_pt"


NETWORKS: dict[str, tuple[Callable[..., Made], str]] = {
    "lif chain, float": (lif_chain, "floating_pt"),
    "lif chain, integers": (lif_chain, "fixed_pt"),
    "stdp, float": (stdp, "floating_pt"),
    "stdp, integers": (stdp, "fixed_pt"),
    "reward-modulated stdp, float": (reward_modulated, "floating_pt"),
    "reward-modulated stdp, integers": (reward_modulated, "fixed_pt"),
    "tag, float": (learned_tag, "floating_pt"),
    "tag, integers": (learned_tag, "fixed_pt"),
    "third factor, float": (third_factor, "floating_pt"),
    "third factor, integers": (third_factor, "fixed_pt"),
    "prototypes": (prototypes, "fixed_pt"),
    "hierarchy": (hierarchy, "floating_pt"),
    "references": (references, "floating_pt"),
    "virtual ports": (virtual_ports, "floating_pt"),
    "sparse ports": (sparse_ports, "floating_pt"),
    "sparse synapses": (sparse_synapses, "fixed_pt"),
    "graded": (graded, "fixed_pt"),
    "convolution, float": (convolution, "floating_pt"),
    "convolution, integers": (convolution, "fixed_pt"),
    "delay": (delay, "floating_pt"),
    "own handlers": (own_handlers, "floating_pt"),
}
"""Network by name: what makes it and the tag that it is made for."""


def make(name: str, steps: int) -> tuple[list[AbstractProcess], Loihi2SimCfg]:
    """The processes of a named network, the same at every call, and how to run them."""
    builder, tag = NETWORKS[name]
    processes, tag = builder(np.random.default_rng(11), tag, steps)
    return processes, Loihi2SimCfg(select_tag=tag, select_sub_proc_model=True)
