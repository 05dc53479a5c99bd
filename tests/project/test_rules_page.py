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
    assert cells[2].startswith("error of ``SpikeTrains(decay=0.875, second_decay=None)``; by feed")
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


def test_each_rule_has_a_section_with_its_equation_products_and_limits():
    text = page["rule_sections"]()
    for name, preset in RULES.items():
        assert f"{name}\n{'^' * len(name)}\n" in text
        section = page["rule_section"](name, preset)
        assert preset.kind.equation in section and section in text
        assert section.count("   * - ") == 11
        assert "- in the epoch of the step itself" in section


def test_a_section_says_what_lava_refuses_in_its_own_words():
    section = page["rule_section"]("diagonal-rtrl", RULES["diagonal-rtrl"])
    for line in (
        "``dt = x0*y1 -u0*t*y3``, ``dw = x0*y2 +u0*t*y2 -u0*t*y2*y3``",
        "- none: ALIF has no `carry`, by which diagonal RTRL goes through its reset",
        "- no: ThroughReset takes the synapses' tag, and so does mode 'accumulate'",
        "- no: it takes each step's own spikes, but on the pipelined schedule those of the next",
        "5 products a synapse, no traces an input, 1 tag a synapse, 3 factors a neuron",
        "- no: eligibility ThroughReset has no integer form",
    ):
        assert line in section, line
    section = page["rule_section"]("erbp", RULES["erbp"])
    assert "``dw = x0*y1``" in section and "by feedback direct" in section
    assert "1 product a synapse, no traces an input, no tags a synapse, 1 factor" in section
    section = page["rule_section"]("superspike-double", RULES["superspike-double"])
    assert (
        "``dd = u0*x1*y1 -6*2^-5*u0*d``, ``dt = u0*x1*y1 +u0*d" in section
        and "2 tags a synapse" in section
    )
    assert "the second tag is the synapse's delay there" in section
