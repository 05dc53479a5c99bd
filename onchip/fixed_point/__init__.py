"""Networks in Loihi 2's integers: arithmetic, specification and the integer engine.

| module               | what it holds                                                      |
|----------------------|--------------------------------------------------------------------|
| `arithmetic`         | widths, decays, saturation, traces, rounding                       |
| `neurons`            | integer LIF and readouts, one step each                            |
| `surrogates`         | surrogate derivatives in 7 bits                                    |
| `losses`             | the error of the instantaneous loss in 7 bits and a sign           |
| `rules`              | products of a learning rule: the accumulator and its shifts        |
| `outer_updates`      | updates by products of traces alone, in place                      |
| `rates`              | learning rates as mantissa, exponent and gate                      |
| `draws`              | the random numbers that round, as Lava consumes them               |
| `synapses`           | plastic synapses, equal to Lava's stock `LearningDense`            |
| `plasticity`         | from a layer and its schedule to plastic synapses                  |
| `layer_spec`, `spec` | the integers of a layer, of a network and of its learning          |
| `layers`             | one layer's step and factor, for the engine and the Lava processes |
| `connections`        | the engine's connections, whose sums run through exact floats      |
| `engine_layers`      | the engine's layers: connections, neurons and their state          |
| `learner`            | the engine's learning epochs and factors                           |
| `engine`             | `FixedEngine`: runs and learns a `FixedNetworkSpec`                |

Everything is whole numbers of NumPy inside; the widths are checked where values enter.
"""
