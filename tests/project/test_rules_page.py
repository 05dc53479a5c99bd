"""The page of learning rules says of each what the packages do."""

from __future__ import annotations

import runpy
from pathlib import Path

from onchip.rules.presets import RULES, Preset

EXTENSION = Path(__file__).parents[2] / "notebooks" / "docs" / "_extensions" / "rules.py"

page = runpy.run_path(str(EXTENSION))


def test_the_table_has_a_row_for_every_rule() -> None:
    lines = page["rules_table"]().splitlines()
    columns = len(page["HEADING"])
    assert sum(line.startswith("   * - ") for line in lines) == len(RULES) + 1
    assert sum(line.startswith("     - ") for line in lines) == (columns - 1) * (len(RULES) + 1)
    for name in RULES:
        assert any(line.startswith(f"   * - ``{name}``: ") for line in lines)


def test_a_row_without_a_filter_is_ottts() -> None:
    assert page["rule_row"]("ottt", RULES["ottt"])[1:] == (
        r":math:`e[n] = \psi[n]\, a[n]`",
        "error of any objective; by feedback exact, symmetric, random, direct",
        "``dw = u0*x1*y1``",
        "``dw = u0*x1*y1 -u0*x2*y1``",
        "1 product a synapse, 1 trace an input, no tags a synapse, 1 factor a neuron; "
        "CuBa: 2 products a synapse, 2 traces an input",
        "yes",
    )


def test_a_row_with_a_filter_has_the_tags_products_and_the_quantizers_reason() -> None:
    cells = page["rule_row"]("superspike", RULES["superspike"])
    assert cells[1] == r":math:`e[n] = 0.875\, e[n-1] + \psi[n]\, a[n]`"
    assert cells[2].startswith("error of ``SpikeTrains(decay=0.875)``; by feedback exact")
    assert cells[2].endswith("surrogate ``fast_sigmoid``")
    assert cells[3] == "``dt = u0*x1*y1 -4*2^-5*u0*t``, ``dw = u0*t*y3 +u0*x1*y1*y2``"
    assert cells[5].startswith("4 products a synapse, 1 trace an input, 1 tag a synapse, 3 factors")
    assert cells[5].endswith("; CuBa: 6 products a synapse, 2 traces an input")
    assert cells[6] == "yes"


def test_a_rule_of_ones_own_gets_its_row(monkeypatch) -> None:
    monkeypatch.setitem(RULES, "own", Preset("filtered", 0.5))
    (row,) = [line for line in page["rules_table"]().splitlines() if "``own``" in line]
    assert row == "   * - ``own``: filtered"
    assert "``dt = u0*x1*y1 -4*2^-3*u0*t``" in page["rule_row"]("own", RULES["own"])[3]
