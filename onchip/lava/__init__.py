"""Lava processes for `onchip.network.spec.NetworkSpec`: the only package that imports lava.

`processes/` holds every Process and ProcessModel and nothing else, because Lava imports each file
beside a Process when it compiles; `schedule` says which Lava step computes which algorithmic step,
`rules` builds the learning rules, `network` wires a network of layers, `fused` makes one of a
single process, `streaming` feeds either sample by sample, `memory` moves whole Vars, `run_config`
chooses the fast models, `supervisor` starts and ends the OS processes, `import_hook` lets Lava be
imported on Python 3.11 and later: import this package before `lava`.

| here                      | in Lava                                                         |
|---------------------------|-----------------------------------------------------------------|
| weight, bias              | `LearningDense.weights` [post, pre + 1], the bias as the synapse |
|                           | of an always-on presynaptic unit                                |
| presynaptic trace a[n]    | `x1` at the end of a learning epoch                             |
| -learning_rate * factor g | `y1`                                                            |
| apply, clear (accumulate) | `y2`, `y3`                                                      |
| accumulated gradient      | `tag_1`, `t` in rules                                           |
| weight update             | `dw`                                                            |
| algorithmic step          | learning epoch (`t_epoch` Lava steps)                           |
| decay lambda per step     | `x1_tau` = -t_epoch / ln(lambda)                                |
| u, v_threshold            | `u`, `vth` of Lava's LIF (whose reset and condition differ)     |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onchip.lava.import_hook import LavaMissingError, import_lava
from onchip.public_names import lazy_names

if TYPE_CHECKING:
    from onchip.lava.component import NetworkComponent
    from onchip.lava.graphs import run, running

_HOMES = {
    "NetworkComponent": "onchip.lava.component",
    "run": "onchip.lava.graphs",
    "running": "onchip.lava.graphs",
}

__all__ = ["LavaMissingError", "NetworkComponent", "run", "running"]

import_lava()

__getattr__, __dir__ = lazy_names(__name__, __all__, _HOMES)
