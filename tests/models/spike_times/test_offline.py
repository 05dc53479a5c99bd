"""Networks of spike times are not deployed, and are told why."""

from __future__ import annotations

from pathlib import Path

import pytest

from onchip.deploy import build, quantize, save_spec
from onchip.models import describe_model
from onchip.models.spike_times.network import SpikeTimeNetwork


def test_no_description_no_file_and_no_backend_takes_a_network_of_spike_times(
    tmp_path: Path,
) -> None:
    network = SpikeTimeNetwork((2, 3))
    kept = network.arrays()[0]
    tasks = {
        "describe": lambda: describe_model(network),
        "save": lambda: save_spec(tmp_path / "network.h5", network),
        "build": lambda: build(network, "numpy"),
        "quantize": lambda: quantize(network),
    }
    for task, run in tasks.items():
        with pytest.raises(ValueError, match="state is one continuous spike time") as raised:
            run()
        text = str(raised.value)
        assert text.startswith(f"SpikeTimeNetwork: cannot {task} neurons whose state is one ")
        assert "by OTTT for deployment" in text
        assert "\n" not in text
    assert list(tmp_path.iterdir()) == []
    assert (network.arrays()[0] == kept).all()
