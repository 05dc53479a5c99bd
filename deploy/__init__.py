"""Files, backends, parity and reports for learned spiking networks, and the `onchip` command.

The names below are imported when they are first used; none of them needs torch, and lava only the
backends that run in it. `quantize_network` is `deploy.quantize.quantize` under a name that no
module of the package has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onchip.public_names import lazy_names

if TYPE_CHECKING:
    from deploy.backends import build, resolve_backend
    from deploy.constraints import check
    from deploy.execution import Execution, LearnResult
    from deploy.findings import CheckReport
    from deploy.hdf5 import Bundle, check_netx, load_bundle, load_spec, save_bundle, save_spec
    from deploy.parity import ParityReport, compare
    from deploy.quantization_report import QuantizationReport, report_quantization
    from deploy.quantize import Quantisation, dequantize
    from deploy.quantize import quantize as quantize_network
    from onchip.execution import RunResult

_HOMES = {
    "Bundle": "deploy.hdf5",
    "CheckReport": "deploy.findings",
    "Execution": "deploy.execution",
    "LearnResult": "deploy.execution",
    "ParityReport": "deploy.parity",
    "Quantisation": "deploy.quantize",
    "QuantizationReport": "deploy.quantization_report",
    "RunResult": "onchip.execution",
    "build": "deploy.backends",
    "check": "deploy.constraints",
    "check_netx": "deploy.hdf5",
    "compare": "deploy.parity",
    "dequantize": "deploy.quantize",
    "load_bundle": "deploy.hdf5",
    "load_spec": "deploy.hdf5",
    "quantize_network": "deploy.quantize",
    "report_quantization": "deploy.quantization_report",
    "resolve_backend": "deploy.backends",
    "save_bundle": "deploy.hdf5",
    "save_spec": "deploy.hdf5",
}
_NAMES_THERE = {"quantize_network": "quantize"}

__all__ = [
    "Bundle",
    "CheckReport",
    "Execution",
    "LearnResult",
    "ParityReport",
    "Quantisation",
    "QuantizationReport",
    "RunResult",
    "build",
    "check",
    "check_netx",
    "compare",
    "dequantize",
    "load_bundle",
    "load_spec",
    "quantize_network",
    "report_quantization",
    "resolve_backend",
    "save_bundle",
    "save_spec",
]

__getattr__, __dir__ = lazy_names(__name__, __all__, _HOMES, _NAMES_THERE)
