"""All learning systems of the toolkit, a row each; the documentation's table is made from it.

A new one has its row in a module `system` beside it, and one line here.
"""

from __future__ import annotations

from onchip.models.fptt.system import FPTT_LTC
from onchip.models.learning_system import LearningSystem
from onchip.models.spike_times.system import SPIKE_TIMES
from onchip.models.tdbn.system import TDBN
from onchip.models.training.systems import BPTT, OTTT

SYSTEMS: tuple[LearningSystem, ...] = (
    *OTTT,
    BPTT,
    TDBN,
    FPTT_LTC,
    SPIKE_TIMES,
)
"""Every system, those that learn online first."""
