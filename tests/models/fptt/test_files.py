"""Trained networks of liquid cells in files, and what `onchip` says to such a file."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from onchip.deploy.cli import main as onchip
from onchip.models.fptt.command_line import main
from onchip.models.fptt.config import RunConfig
from onchip.models.fptt.files import (
    is_liquid_file,
    load_network,
    load_network_and_metadata,
    save_network,
)
from onchip.models.fptt.networks import LiquidNetwork
from onchip.models.fptt.training import train

FAST = ["add", "--steps", "12", "--parts", "3", "--hidden", "6,5", "--batch", "8", "--updates"]


@pytest.mark.parametrize("cell", ["ltc", "ltc-adaptive", "lif"])
@pytest.mark.parametrize("branches", [1, 2])
def test_a_network_comes_back_whole(tmp_path, cell, branches):
    network = LiquidNetwork(4, (5, 3), 2, cell, branches).double()
    path = tmp_path / "network.pt"
    save_network(path, network, {"seed": 3})
    again, metadata = load_network_and_metadata(path)
    assert metadata == {"seed": 3}
    assert again.settings == network.settings
    x = torch.randn(6, 3, 4, dtype=torch.float64) * 3
    assert torch.equal(again(x)[0], network(x)[0])
    assert is_liquid_file(path)


def test_the_command_keeps_the_network_that_it_trained(tmp_path, capsys):
    path = tmp_path / "network.pt"
    assert main([*FAST, "20", "--seed", "4", "--out", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(f" CPU seconds: {path}")
    network, metadata = load_network_and_metadata(path)
    config = RunConfig(steps=12, parts=3, hidden=(6, 5), batch=8, updates=20, seed=4)
    config = replace(config, fptt=replace(config.fptt, alpha=0.1))  # the command's
    expected = train(config, lambda line: None).network
    assert expected is not None
    for a, b in zip(network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(a, b)
    assert metadata["done"] == 20
    assert metadata["command"].startswith("python -m onchip.models.fptt add --steps 12")


def test_a_run_that_is_stopped_leaves_the_network_of_its_last_line(tmp_path, monkeypatch, capsys):
    path, lines = tmp_path / "network.pt", []

    def stop(line):
        lines.append(line)
        if len(lines) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr("onchip.models.fptt.command_line.say", stop)
    assert main([*FAST, "20", "--out", str(path)]) == 130
    assert f"{path} holds the network after 10 of 20" in capsys.readouterr().err
    assert load_network_and_metadata(path)[1]["done"] == 10


@pytest.mark.parametrize("place", [0.3, 0.6, 0.99])
def test_a_changed_byte_is_noticed(tmp_path, place):
    path = tmp_path / "network.pt"
    save_network(path, LiquidNetwork(2, 3, 1))
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"network .*network\.pt: ") as raised:
        load_network(path)
    assert "\n" not in str(raised.value)


def test_another_programs_file_is_refused(tmp_path):
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="it is not a whole onchip-liquid file; name one that"):
        load_network(tmp_path / "other.pt")
    assert not is_liquid_file(tmp_path / "other.pt")


@pytest.mark.parametrize(
    "command",
    [
        ["export", "--out", "network.h5"],
        ["evaluate", "--limit", "10"],
    ],
)
def test_a_command_of_deployment_that_takes_checkpoints_says_why_it_refuses_the_file(
    command, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    save_network("liquid.pt", LiquidNetwork(2048, 3, 10))
    name, *options = command
    assert onchip([name, "liquid.pt", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "LiquidNetwork: cannot describe 'layers.0', a layer of cell 'ltc'" in line
    assert "its time constants depend on the input" in line
    assert "two more signed variables a synapse" in line
    assert [path.name for path in tmp_path.iterdir()] == ["liquid.pt"]


def test_one_file_for_two_outputs_is_refused(tmp_path, capsys):
    path = str(tmp_path / "x")
    assert main([*FAST, "2", "--out", path, "--json", path]) == 2
    assert "--json and --out both name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
