"""Lava's search for process models is made once, and finds what Lava finds."""

from __future__ import annotations

import importlib.util
from importlib.machinery import SourceFileLoader

import pytest
from parity_cases import two_hidden_layers

from onchip.lava.network import LavaNetwork  # settles Lava's start method, so it comes first

# isort: split
from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs
from lava.magma.core.run_configs import Loihi2SimCfg

from onchip.lava.runtime.discovery import Choices, compiling_once, models_of
from onchip.lava.runtime.memory import MailboxConfig
from onchip.network.learning import with_learning


@pytest.fixture
def processes(rng):
    """Every process of a network, ours and Lava's own."""
    spec = with_learning(two_hidden_layers(rng, (3,)), learning_rate=0.1, plastic=["readout"])
    with LavaNetwork(spec) as network:
        yield network.supervisor.require_runtime()._executable.process_list


def test_the_models_are_those_of_lavas_own_search(processes):
    assert len({type(process) for process in processes}) > 3
    for process in processes:
        expected = ProcGroupDiGraphs._find_proc_models(process)
        assert expected and models_of(process) == expected


def test_lava_looks_once_for_each_class_of_processes(processes, monkeypatch):
    looked = []
    search = ProcGroupDiGraphs._find_proc_models

    def watched(proc):
        looked.append(type(proc))
        return search(proc)

    monkeypatch.setattr("onchip.lava.runtime.discovery._found", {})
    monkeypatch.setattr(ProcGroupDiGraphs, "_find_proc_models", watched)
    for process in [*processes, *processes]:
        models_of(process)
    assert len(looked) == len(set(looked)) == len({type(process) for process in processes})


def test_files_are_read_once_and_anew_where_they_changed(tmp_path, monkeypatch):
    file, read = tmp_path / "beside.py", []
    code = SourceFileLoader.get_code
    counted = lambda loader, name: read.append(name) or code(loader, name)  # noqa: E731
    monkeypatch.setattr(SourceFileLoader, "get_code", counted)

    def executed() -> int:
        spec = importlib.util.spec_from_file_location("beside", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.value

    file.write_text("value = 1")
    with compiling_once():
        assert [executed(), executed(), executed()] == [1, 1, 1]
        assert len(read) == 1
        file.write_text("value = 1 + 1")
        assert [executed(), executed()] == [2, 2] and len(read) == 2
    assert SourceFileLoader.get_code is counted
    executed()
    assert len(read) == 3


def test_the_run_configuration_chooses_among_them(processes):
    config = Loihi2SimCfg(select_tag="fixed_pt")
    choices = Choices(config.select)
    for process in processes:
        assert process in choices
        assert choices[process] is config.select(process, models_of(process))


@pytest.mark.parametrize("by", ["class", "process"])
def test_a_model_that_the_user_chose_is_taken(processes, by):
    dense = next(process for process in processes if len(models_of(process)) > 1)
    wanted = models_of(dense)[-1]
    key = type(dense) if by == "class" else dense
    config = MailboxConfig(Loihi2SimCfg(exception_proc_model_map={key: wanted}))
    try:
        assert issubclass(config.selecting.exception_proc_model_map[dense], wanted)
    finally:
        config.release()
