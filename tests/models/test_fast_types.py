"""Half precision warns on CPUs that compute it slowly, and only there."""

from __future__ import annotations

import warnings

import pytest
import torch

from onchip.models.networks.fast_types import warn_if_slow

CPU, NONE = torch.device("cpu"), {"architecture": "x86_64", "amx_bf16": False, "avx2": True}


def warned(monkeypatch, name, capabilities, device=CPU):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warn_if_slow(name, device)
    return [str(one.message) for one in seen]


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_a_cpu_without_instructions_for_it_warns_and_trains_on(monkeypatch, name):
    (message,) = warned(monkeypatch, name, NONE)
    assert f"autocast {name!r} has no instructions on this CPU" in message
    assert "leave it out" in message and "\n" not in message


@pytest.mark.parametrize("instructions", ["amx_bf16", "avx512_bf16"])
def test_amx_and_avx512_are_each_enough_for_bf16_and_neither_for_fp16(monkeypatch, instructions):
    has = {**NONE, instructions: True}
    assert warned(monkeypatch, "bf16", has) == []
    assert len(warned(monkeypatch, "fp16", has)) == 1


@pytest.mark.parametrize(
    ("name", "capabilities", "device"),
    [
        (None, NONE, CPU),
        ("bf16", NONE, torch.device("cuda")),
        ("bf16", {"architecture": "aarch64"}, CPU),
        ("bf16", {}, CPU),
    ],
    ids=["full precision", "GPU", "another architecture", "not known"],
)
def test_nothing_is_said_where_it_is_fast_or_not_known(monkeypatch, name, capabilities, device):
    assert warned(monkeypatch, name, capabilities, device) == []
