"""Files, backends, parity and reports for learned spiking networks, and the `onchip` command.

The names below are imported when they are first used; none of them needs torch, and lava only the
backends that run in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onchip.public_names import lazy_names

if TYPE_CHECKING:
    from onchip.deploy.backends.execution import Execution
    from onchip.deploy.backends.labelled import LearnResult
    from onchip.deploy.backends.online import StreamLearning, learn_in_stages, recovery
    from onchip.deploy.backends.rates import at_rate
    from onchip.deploy.backends.stream_log import EarlyStopping, StreamLog
    from onchip.deploy.backends.streams import SampleEvent, StreamResult
    from onchip.deploy.backends.table import Backend, build, resolve_backend
    from onchip.deploy.checks.findings import CheckReport
    from onchip.deploy.checks.network import check
    from onchip.deploy.files.hdf5 import (
        Bundle,
        check_netx,
        load_bundle,
        load_spec,
        save_bundle,
        save_spec,
    )
    from onchip.deploy.interchange.drawing import draw
    from onchip.deploy.interchange.files import read_nir, write_nir
    from onchip.deploy.interchange.reading import from_nir
    from onchip.deploy.interchange.writing import to_nir
    from onchip.deploy.parity.comparison import ParityReport, compare
    from onchip.deploy.quantization.network import Quantization, dequantize, quantize
    from onchip.deploy.reports.quantization_report import QuantizationReport, report_quantization
    from onchip.execution import RunResult

_HOMES = {
    "Backend": "onchip.deploy.backends.table",
    "Bundle": "onchip.deploy.files.hdf5",
    "CheckReport": "onchip.deploy.checks.findings",
    "EarlyStopping": "onchip.deploy.backends.stream_log",
    "Execution": "onchip.deploy.backends.execution",
    "LearnResult": "onchip.deploy.backends.labelled",
    "ParityReport": "onchip.deploy.parity.comparison",
    "Quantization": "onchip.deploy.quantization.network",
    "QuantizationReport": "onchip.deploy.reports.quantization_report",
    "RunResult": "onchip.execution",
    "SampleEvent": "onchip.deploy.backends.streams",
    "StreamLearning": "onchip.deploy.backends.online",
    "StreamLog": "onchip.deploy.backends.stream_log",
    "StreamResult": "onchip.deploy.backends.streams",
    "at_rate": "onchip.deploy.backends.rates",
    "build": "onchip.deploy.backends.table",
    "check": "onchip.deploy.checks.network",
    "check_netx": "onchip.deploy.files.hdf5",
    "compare": "onchip.deploy.parity.comparison",
    "dequantize": "onchip.deploy.quantization.network",
    "draw": "onchip.deploy.interchange.drawing",
    "from_nir": "onchip.deploy.interchange.reading",
    "learn_in_stages": "onchip.deploy.backends.online",
    "load_bundle": "onchip.deploy.files.hdf5",
    "load_spec": "onchip.deploy.files.hdf5",
    "quantize": "onchip.deploy.quantization.network",
    "read_nir": "onchip.deploy.interchange.files",
    "recovery": "onchip.deploy.backends.online",
    "report_quantization": "onchip.deploy.reports.quantization_report",
    "resolve_backend": "onchip.deploy.backends.table",
    "save_bundle": "onchip.deploy.files.hdf5",
    "save_spec": "onchip.deploy.files.hdf5",
    "to_nir": "onchip.deploy.interchange.writing",
    "write_nir": "onchip.deploy.interchange.files",
}

__all__ = [
    "Backend",
    "Bundle",
    "CheckReport",
    "EarlyStopping",
    "Execution",
    "LearnResult",
    "ParityReport",
    "Quantization",
    "QuantizationReport",
    "RunResult",
    "SampleEvent",
    "StreamLearning",
    "StreamLog",
    "StreamResult",
    "at_rate",
    "build",
    "check",
    "check_netx",
    "compare",
    "dequantize",
    "draw",
    "from_nir",
    "learn_in_stages",
    "load_bundle",
    "load_spec",
    "quantize",
    "read_nir",
    "recovery",
    "report_quantization",
    "resolve_backend",
    "save_bundle",
    "save_spec",
    "to_nir",
    "write_nir",
]

__getattr__, __dir__ = lazy_names(__name__, __all__, _HOMES)
