"""What `onchip quantize --report` shows, from what was quantized."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from onchip.deploy.cli.report_options import write_report

if TYPE_CHECKING:
    from onchip.deploy.pages.document import Block
    from onchip.deploy.reports.quantization_report import QuantizationReport


def write_quantization_page(
    args: argparse.Namespace,
    results: dict[str, Any],
    report: QuantizationReport,
    networks: tuple[Any, Any, Any],
) -> dict[str, Any]:
    """Write the report; returns `report`, for the results.

    `networks`: the float one as it was read, as it was quantized, and its integers.
    """
    from onchip.deploy.checks.network import check
    from onchip.deploy.pages.network_pictures import training_picture
    from onchip.deploy.pages.quantization_page import quantization_page
    from onchip.deploy.pages.sections import network_blocks

    read, spec, fixed = networks
    tuned = args.fine_tune is not None
    figures: dict[str, Sequence[Block]] = {
        "weights": [training_picture(read, spec)] if tuned else [],
        "network": network_blocks(fixed),
    }
    kept = {**results, "options": args.options}
    page = quantization_page(kept, args.command_line, report, check(spec, fixed), figures)
    write_report(args.report, page)
    return {"report": str(args.report)}
