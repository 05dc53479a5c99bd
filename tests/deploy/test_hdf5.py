"""Network files hold a specification exactly, and answer damage with one line."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onchip import LIF, ConvSpec, DenseSpec, Engine, LeakyIntegrator, LinearReadout, NetworkSpec
from onchip.deploy.files.hdf5 import Bundle, load_bundle, load_spec, save_spec
from onchip.deploy.files.hdf5_tree import read_tree, write_tree
from onchip.deploy.files.metadata_text import metadata_from_json, metadata_to_json
from onchip.deploy.files.tree import Node, digest
from onchip.network.learning import with_learning
from onchip.network.spec import LearningSpec
from onchip.neurons.surrogates import SURROGATES, Surrogate

unit = st.floats(0.01, 1.0)
names = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=9
)
texts = st.text(st.characters(blacklist_categories=("Cs",)), max_size=5)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
metadata = st.dictionaries(
    texts,
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=5),
    max_size=3,
)


@st.composite
def lif(draw: st.DrawFn) -> LIF:
    surrogate = Surrogate(draw(st.sampled_from(sorted(SURROGATES))), draw(st.floats(0.1, 9)))
    return LIF(
        draw(unit), draw(st.floats(0.1, 3)), draw(st.sampled_from(["soft", "hard"])), surrogate
    )


def weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Values of many magnitudes, so that float32 anywhere on the way would show."""
    return rng.normal(size=shape) * 10.0 ** rng.integers(-12, 3, size=shape)


@st.composite
def networks(draw: st.DrawFn) -> NetworkSpec:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = draw(st.lists(names, min_size=3, max_size=3, unique=True))
    layers: list[ConvSpec | DenseSpec] = []
    shape: tuple[int, ...] = (2, 5, 4)
    if draw(st.booleans()):
        bias = weights(rng, (3,)) if draw(st.booleans()) else None
        stride = draw(st.sampled_from([(1, 1), (2, 1)]))
        conv = ConvSpec(
            labels[0], weights(rng, (3, 2, 3, 2)), draw(lif()), shape, bias, stride, (1, 0)
        )
        layers, shape = [conv], conv.output_shape
    recurrent = weights(rng, (4, 4)) if draw(st.booleans()) else None
    hidden = weights(rng, (4, int(np.prod(shape))))
    layers.append(DenseSpec(labels[1], hidden, draw(lif()), weights(rng, (4,)), recurrent))
    readout = draw(st.sampled_from([LeakyIntegrator(0.3), LinearReadout(0.9), LIF()]))
    layers.append(DenseSpec(labels[2], weights(rng, (3, 4)), readout))
    spec = NetworkSpec(tuple(layers), (2, 5, 4), draw(st.integers(1, 4)), metadata=draw(metadata))
    if draw(st.booleans()):
        return spec
    return with_learning(
        spec,
        learning_rate=draw(st.floats(1e-9, 10)),
        mode=draw(st.sampled_from(["online", "accumulate"])),
        feedback=draw(st.sampled_from(["exact", "symmetric", "random", "direct"])),
        mse_weight=draw(st.floats(0, 1)),
        plastic=draw(st.sampled_from([None, [labels[2]]])),
    )


@given(networks(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_a_file_gives_back_the_same_network_by_value_and_by_output(
    tmp_path_factory: pytest.TempPathFactory, spec: NetworkSpec, seed: int
) -> None:
    path = tmp_path_factory.mktemp("round") / "network.h5"
    save_spec(path, spec)
    loaded = load_spec(path)
    assert loaded == spec
    frames = np.random.default_rng(seed).random((2, spec.time_steps, *spec.input_shape)) < 0.5
    assert np.array_equal(Engine(spec).run(frames), Engine(loaded).run(frames))


def test_every_field_counts_in_the_round_trip(dense: NetworkSpec, tmp_path: Path) -> None:
    """Guards the comparison above: a network that differs in one weight is another network."""
    save_spec(tmp_path / "network.h5", dense)
    weight = dense.layers[0].weight.copy()
    weight[0, 0] = np.nextafter(weight[0, 0], 9)
    changed = replace(dense.layers[0], weight=weight)
    assert load_spec(tmp_path / "network.h5").layers[0] != changed


def test_a_file_of_version_1_still_loads(tmp_path: Path) -> None:
    """Layout and checksum (as version 1 computed it) by hand, so that neither can drift."""
    root, weight = Node(), np.array([[0.5, -2.0, 1e-9]])
    root.attributes = {
        "schema": "onchip.network",
        "schema_version": 1,
        "input_shape": [3],
        "time_steps": 4,
        "metadata": '{"seed": 3}',
        "checksum": "724d75251160abed496c9b06d061085701ae50ce46e713212a67398c7badf91b",
    }
    layer = root.add("layers").add("000")
    layer.attributes = {"type": "dense", "name": "out", "plastic": False}
    layer.arrays = {"weight": weight}
    layer.add("neuron").attributes = {"type": "leaky_integrator", "decay": 0.9}
    write_tree(tmp_path / "old.h5", root)
    expected = DenseSpec("out", weight, LeakyIntegrator(0.9))
    spec = NetworkSpec((expected,), (3,), 4, metadata={"seed": 3})
    assert load_bundle(tmp_path / "old.h5") == Bundle(spec, None)


@pytest.fixture
def path(spec: NetworkSpec, tmp_path: Path) -> Path:
    save_spec(tmp_path / "network.h5", spec)
    return tmp_path / "network.h5"


def refusal(path: Path) -> str:
    """The message with which a file is refused: one line that names the file."""
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        load_spec(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.h5 does not exist"):
        load_spec(tmp_path / "absent.h5")


def test_a_text_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.h5").write_text("not a network")
    assert "not an HDF5 file" in refusal(tmp_path / "notes.h5")
    assert "not a file" in refusal(tmp_path)


def test_a_file_cut_anywhere_is_refused(path: Path) -> None:
    data = path.read_bytes()
    for length in [0, 7, 50, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:length])
        assert refusal(path)


def test_another_programs_hdf5_file_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros(3)
    assert "another program" in refusal(tmp_path / "other.h5")


def test_a_schema_from_the_future_says_to_upgrade(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["schema_version"] = 7
    message = refusal(path)
    assert "version 7" in message and "upgrade" in message


def test_a_changed_weight_does_not_match_the_checksum(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["layers/000/weight"][0, 0] += 1e-12
    assert "checksum" in refusal(path)


def test_a_changed_attribute_does_not_match_the_checksum(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["learning"].attrs["learning_rate"] = 0.25
    assert "checksum" in refusal(path)


def test_missing_parts_are_named(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["layers/001/weight"]
    assert "'weight' is missing" in refusal(path)
    with h5py.File(path, "r+") as file:
        del file["layers"]
    assert "'layers' is missing" in refusal(path)


@pytest.mark.parametrize(
    ("replacement", "message"),
    [
        (np.zeros((2, 2)), "reads 2 values"),
        (np.zeros(3), "needs 2 dimensions"),
        (np.zeros((5, 36), np.float32), "must be float64"),
        (np.full((2, 2), np.nan), "NaN"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    path: Path, replacement: np.ndarray, message: str
) -> None:
    with h5py.File(path, "r+") as file:
        del file["layers/001/weight"], file["layers/001/bias"]
        file["layers/001/weight"] = replacement
    assert message in refusal(path)


def test_types_of_attributes_are_checked(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["layers/001/neuron"].attrs["decay"] = np.bytes_("half")
    assert "'decay'" in refusal(path)


def test_an_unknown_layer_type_lists_the_known_ones(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["layers/000"].attrs["type"] = np.bytes_("transformer")
    assert "dense, conv" in refusal(path)


def test_a_declared_size_beyond_the_file_is_never_allocated(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["layers/000/weight"]
        file["layers/000"].create_dataset("weight", (2**20, 2**20), "<f8", chunks=(64, 64))
    assert "claims 8796093022208 bytes" in refusal(path)


@pytest.mark.parametrize("options", [{"chunks": (5, 36)}, {"compression": "gzip"}])
def test_chunked_and_compressed_arrays_are_refused(path: Path, options: dict) -> None:
    with h5py.File(path, "r+") as file:
        values = np.zeros((5, 36))
        del file["layers/001/weight"]
        file["layers/001"].create_dataset("weight", data=values, **options)
    assert "chunked or compressed" in refusal(path)


def test_the_same_array_many_times_is_read_once_at_most(path: Path) -> None:
    """Hard links cost a few bytes each, what they point to is read anew."""
    with h5py.File(path, "r+") as file:
        weight = np.zeros((100, 100))
        file["layers/000/many"] = weight
        for index in range(9):
            file[f"layers/000/more{index}"] = file["layers/000/many"]
    assert "claims 80000 bytes" in refusal(path)


def test_values_kept_elsewhere_are_refused(path: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"\0" * 8 * 180)
    with h5py.File(path, "r+") as file:
        del file["layers/001/weight"]
        file["layers/001"].create_dataset(
            "weight", (5, 36), "<f8", external=[(str(secret), 0, 8 * 180)]
        )
    assert "another file" in refusal(path)
    with h5py.File(path, "r+") as file:
        del file["layers/001/weight"]
        file["layers/001/weight"] = h5py.ExternalLink(str(secret), "/x")
    assert "link to elsewhere" in refusal(path)


def test_damaged_bytes_give_the_same_network_or_one_line(spec: NetworkSpec, path: Path) -> None:
    """Metadata blocks carry the format's checksums, values ours; the rest is unused space."""
    data, rng = path.read_bytes(), np.random.default_rng(3)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        start = int(rng.integers(len(data)))
        damaged[start : start + int(rng.integers(1, 40))] = rng.bytes(int(rng.integers(1, 40)))
        path.write_bytes(damaged)
        try:
            assert load_spec(path) == spec
        except ValueError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 250


def test_nothing_in_a_file_is_pickled(path: Path) -> None:
    kinds = set()
    with h5py.File(path) as file:
        file.visititems(lambda _, item: kinds.add(getattr(item, "dtype", np.dtype("<f8")).str))
        assert kinds == {"<f8"}
        assert json.loads(file.attrs["metadata"].decode()) is not None


def test_a_failed_save_leaves_the_old_file_and_no_other(path: Path, dense: NetworkSpec) -> None:
    before = path.read_bytes()
    bad = DenseSpec("null\0name", np.zeros((3, 12)), LeakyIntegrator())
    with pytest.raises(ValueError, match="null character"):
        save_spec(path, NetworkSpec((bad,), (12,), 1))
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_what_a_file_cannot_hold_is_refused_at_saving(tmp_path: Path) -> None:
    layer = DenseSpec("a", np.zeros((3, 12)), LeakyIntegrator())
    for metadata in ({"x": float("nan")}, {"x": {1, 2}}):
        with pytest.raises(ValueError, match="metadata"):
            save_spec(tmp_path / "x.h5", NetworkSpec((layer,), (12,), 1, metadata=metadata))
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        save_spec(tmp_path / "nowhere" / "x.h5", NetworkSpec((layer,), (12,), 1))
    assert list(tmp_path.iterdir()) == []


def test_learning_sections_keep_their_matrices_by_layer(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    low = DenseSpec("a/b", rng.normal(size=(4, 2)), LIF(), plastic=True)
    high = DenseSpec("..", rng.normal(size=(3, 4)), LeakyIntegrator(), plastic=True)
    learning = LearningSpec(0.1, "accumulate", "direct", {"a/b": rng.normal(size=(4, 3))}, 0.2)
    spec = NetworkSpec((low, high), (2,), 3, learning)
    save_spec(tmp_path / "x.h5", spec)
    assert load_spec(tmp_path / "x.h5").learning == learning


@pytest.mark.parametrize("where", ["", "layers/000", "layers/000/neuron", "learning"])
@pytest.mark.parametrize("kind", ["attribute", "array", "group"])
def test_what_nothing_reads_is_refused_even_where_the_checksum_is_right(
    path: Path, where: str, kind: str
) -> None:
    root = read_tree(path)
    node = root
    for name in filter(None, where.split("/")):
        node = node.child(name)
    if kind == "attribute":
        node.attributes["extra"] = 1
    elif kind == "array":
        node.arrays["extra"] = np.zeros(2)
    else:
        node.add("extra").attributes["x"] = 2.5
    root.attributes["checksum"] = digest(root, leave_out=("checksum",))
    write_tree(path, root)
    place = f"/{where}/extra" if where else "/extra"
    assert f"'{place}' is unknown here; export the network again, or upgrade" in refusal(path)


def test_threads_save_and_load_at_the_same_time(spec, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def work(index: int) -> bool:
        path = tmp_path / f"{index % 3}.h5"
        save_spec(path, spec)
        return load_spec(path) == spec

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(40)))
    assert len(list(tmp_path.iterdir())) == 3


def test_metadata_that_were_loaded_can_be_saved_again(tmp_path: Path, dense: NetworkSpec) -> None:
    """Also NaN and numbers beyond a float, which another writer may have put into JSON."""
    values = {"size": (3, (4, 5)), 1: {2: np.float32(0.5)}, "m": np.eye(2)}
    spec = replace(dense, metadata=values)
    save_spec(tmp_path / "once.h5", spec)
    once = load_spec(tmp_path / "once.h5")
    assert once == spec and once.metadata["size"] == [3, [4, 5]]
    save_spec(tmp_path / "twice.h5", once)
    assert load_spec(tmp_path / "twice.h5") == spec
    loaded = metadata_from_json('{"a": NaN, "b": [Infinity, 1e999, -2.5], "c": {"d": -Infinity}}')
    assert loaded == {"a": None, "b": [None, None, -2.5], "c": {"d": None}}
    assert metadata_from_json(metadata_to_json(loaded)) == loaded
