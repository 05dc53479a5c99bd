"""Damaged checkpoints: `mutate` makes one from a good file, for a seed; see `MUTATIONS`.

What is cut and flipped is the file as it is, the same without its digest (as files of version 1
are), and the records of the archive with checksums that are right again. What is edited is valid
but for one field, with the digest made anew, without one, and as a file of version 1.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bundle_mutations import BYTES, Rng, flip_bits, pick

from onchip.files.seal import seal
from onchip.models.training.checkpoint import Checkpoint

TEXTS = ("architecture_config", "training", "history", "metadata")


def comparable(value: Any) -> Any:
    """A checkpoint, or part of one, as plain values that == compares in full."""
    if isinstance(value, Checkpoint):
        return {name: comparable(part) for name, part in vars(value).items() if name != "source"}
    if isinstance(value, torch.Tensor):
        return (str(value.dtype), tuple(value.shape), value.numpy().tobytes())
    if isinstance(value, dict):
        return {key: comparable(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [comparable(part) for part in value]
    return value


def unsealed(data: bytes) -> bytes:
    """The archive without its comment."""
    end = data.rindex(b"PK\5\6")
    return data[: end + 20] + b"\0\0"


def rewritten(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """The archive with each record changed by `change`, checksums right, without a digest."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return file.getvalue()


def damage_plain(data: bytes, rng: Rng) -> bytes:
    """A file of version 1, which has no digest, with damaged bytes."""
    return bytes(pick(rng, list(BYTES))(bytearray(unsealed(as_version_1(data))), rng))  # type: ignore[operator]


def damage_comment(data: bytes, rng: Rng) -> bytes:
    """Bits flipped in the digest and in what says how long it is."""
    start = data.rindex(b"PK\5\6")
    return data[:start] + bytes(flip_bits(bytearray(data[start:]), rng))


def damage_pickle(data: bytes, rng: Rng) -> bytes:
    """The pickled part with damaged bytes and a right checksum, sealed or not."""

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith("data.pkl"):
            return content
        return bytes(pick(rng, list(BYTES))(bytearray(content), rng))  # type: ignore[operator]

    return rewritten(data, change)


def damage_record(data: bytes, rng: Rng) -> bytes:
    """A tensor's bytes cut, lengthened or gone."""
    cut = int(rng.integers(0, 40))

    def change(name: str, content: bytes) -> bytes:
        return content[:cut] if "/data/" in name and rng.random() < 0.3 else content

    return rewritten(data, change)


def damage_archive(data: bytes, rng: Rng) -> bytes:
    """Records left out, twice or packed, which torch's are not."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        names = old.namelist()
        victim, kind = pick(rng, names), int(rng.integers(3))
        for name in names:
            packed = zipfile.ZIP_DEFLATED if kind == 2 and name == victim else zipfile.ZIP_STORED
            if kind != 0 or name != victim:
                new.writestr(name, old.read(name), packed)
    return file.getvalue()


def as_version_1(data: bytes) -> bytes:
    content = torch.load(io.BytesIO(data), weights_only=True)
    return torch_bytes({**content, "version": 1})


def torch_bytes(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def edited(data: bytes, rng: Rng, edit: Callable[[dict[str, Any], Rng], None]) -> bytes:
    """The content changed by `edit`: sealed anew, without a seal, or as a file of version 1."""
    content = torch.load(io.BytesIO(data), weights_only=True)
    edit(content, rng)
    kind = int(rng.integers(3))
    if kind == 2 and content.get("version") == 2:
        content["version"] = 1
    plain = torch_bytes(content)
    return seal(plain) if kind == 0 else plain


def leave_out_field(content: dict[str, Any], rng: Rng) -> None:
    del content[pick(rng, sorted(content))]


def add_field(content: dict[str, Any], rng: Rng) -> None:
    content[pick(rng, ["extra", "source", "\n", 7, "model "])] = pick(rng, [1, None, "x"])


def retype_field(content: dict[str, Any], rng: Rng) -> None:
    name = pick(rng, sorted(content))
    kinds = [None, 3.5, -1, True, "x", [], {}, [1], {"a": 1}, torch.zeros(2), b"x", "[" * 5000]
    # what is no other type is no damage
    content[name] = pick(rng, [k for k in kinds if not isinstance(content[name], type(k))])


def damage_text(content: dict[str, Any], rng: Rng) -> None:
    texts = ["", "{", "null", "[]", "[1]", '"x"', "[" * 100_000, '{"a": NaN', "\0", "{'a': 1}"]
    name = pick(rng, TEXTS)
    texts += ["{}"] if name == "history" else []
    content[name] = pick(rng, [t for t in texts if name != "history" or t != "[]"])


def damage_training(content: dict[str, Any], rng: Rng) -> None:
    training = json.loads(content["training"])
    name = pick(rng, sorted(training))
    values = ["x", None, [], {}, -1e9, [1], "NaN"]
    training[name] = pick(rng, [v for v in values if v is not None or name != "autocast"])
    training.update(pick(rng, [{}, {"unknown": 1}]))
    content["training"] = json.dumps(training)


def damage_tensors(content: dict[str, Any], rng: Rng) -> None:
    name = pick(rng, ["model", "feedback"])
    content[name] = {**content[name], "x": pick(rng, [1, None, "a", [torch.zeros(1)]])}


def damage_count(content: dict[str, Any], rng: Rng) -> None:
    content["epoch"] = content["epoch"] + int(rng.integers(1, 9)) * int(pick(rng, [1, -1]))


WHOLE: tuple[Callable[[bytes, Rng], bytes], ...] = tuple(
    lambda data, rng, damage=damage: bytes(damage(bytearray(data), rng)) for damage in BYTES
)
ARCHIVE = (damage_plain, damage_comment, damage_pickle, damage_record, damage_archive)
FIELDS = (
    leave_out_field,
    add_field,
    retype_field,
    damage_text,
    damage_training,
    damage_tensors,
    damage_count,
)
MUTATIONS = (*WHOLE, *ARCHIVE, *FIELDS)


def mutate(good: Path, folder: Path, seed: int) -> Path:
    """A damaged copy in `folder`, named by its seed."""
    rng, data = np.random.default_rng(seed), good.read_bytes()
    mutation = MUTATIONS[seed % len(MUTATIONS)]
    path = folder / f"{seed:04d}-{mutation.__name__.strip('<>')}.pt"
    damaged = edited(data, rng, mutation) if mutation in FIELDS else mutation(data, rng)
    path.write_bytes(damaged)
    return path
