"""Networks in files: nothing is lost, and what is not one of ours is refused in one line."""

from __future__ import annotations

import io
import json

import pytest
import torch

from onchip.files.seal import seal
from onchip.models.tdbn.files import (
    is_tdbn_file,
    load_network,
    load_network_and_metadata,
    save_network,
)


@pytest.mark.parametrize("options", [{}, {"skip": False}, {"normalization": "bias"}])
def test_a_network_comes_back_whole(make_network, make_frames, tmp_path, options):
    network = make_network(**options)
    path = tmp_path / "network.pt"
    save_network(path, network, {"dataset": "none", "seed": 3})
    again, metadata = load_network_and_metadata(path)
    assert (again.config, metadata) == (network.config, {"dataset": "none", "seed": 3})
    frames = make_frames(network)
    assert torch.equal(again(frames), network(frames))
    assert is_tdbn_file(path)


def test_single_precision_comes_back_as_such(make_network, tmp_path):
    save_network(tmp_path / "network.pt", make_network().float())
    assert load_network(tmp_path / "network.pt").dtype == torch.float32


@pytest.mark.parametrize("place", [0.3, 0.6, 0.99])
def test_a_changed_byte_is_noticed(make_network, tmp_path, place):
    path = tmp_path / "network.pt"
    save_network(path, make_network())
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"network .*network\.pt: ") as raised:
        load_network(path)
    assert "\n" not in str(raised.value)


def test_half_a_file_and_another_programs_file_are_refused(make_network, tmp_path):
    path = tmp_path / "network.pt"
    save_network(path, make_network())
    (tmp_path / "half.pt").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    torch.save({"weight": torch.ones(2)}, tmp_path / "other.pt")
    for name in ("half.pt", "other.pt"):
        with pytest.raises(ValueError, match="it is not a whole onchip-tdbn file; name one that"):
            load_network(tmp_path / name)
    assert not is_tdbn_file(tmp_path / "other.pt")
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load_network(tmp_path / "none.pt")
    with pytest.raises(ValueError, match="it is not a file"):
        load_network(tmp_path)
    assert not is_tdbn_file(tmp_path / "none.pt")


def sealed(content):
    file = io.BytesIO()
    torch.save(content, file)
    return seal(file.getvalue())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "its version is 2, this program reads 1; use the program that wrote it"),
        ({"config": "{}"}, "it describes no network"),
        ({"config": json.dumps({"input_shape": [2, 8, 8], "depth": 3})}, "it describes no network"),
        ({"config": json.dumps({"input_shape": [2, 8]})}, "it describes no network"),
        ({"weights": {}}, "it describes no network"),
        ({"metadata": "{"}, "it describes no network"),
    ],
)
def test_a_sound_file_with_other_content_is_refused(make_network, tmp_path, change, message):
    path = tmp_path / "network.pt"
    save_network(path, make_network())
    content = torch.load(io.BytesIO(path.read_bytes()), weights_only=True)
    path.write_bytes(sealed({**content, **change}))
    with pytest.raises(ValueError, match=message) as raised:
        load_network(path)
    assert "\n" not in str(raised.value)
