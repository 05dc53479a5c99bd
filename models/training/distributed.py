"""A training run on several processes, each with its part of every batch.

The processes hold the same weights and optimizer state. An update sums their gradients with one
explicit all-reduce where the update rule applies them: once per batch for OTTT_A and BPTT, at every
step for OTTT_O. That is the gradient of the joint batch up to the order of the sum, because a
sample's gradient does not depend on the other samples:

    grad = sum_r (n_r / N) grad_r        n_r of the batch's N samples on process r

`DistributedDataParallel` would give the same sums and is not used, for three reasons. It counts one
`forward` per backward pass; a step here is `SpikingNetwork.step` and its backward pass starts from
several outputs (direct feedback) or is put off by a step (delayed updates), so that the update rule
and not the graph knows when gradients are due. It weighs all processes alike, which is wrong for a
last batch that does not divide. And it gains by sending while the backward pass still runs, which
is one step of T for OTTT_A.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from onchip.files.targets import error_text
from onchip.models.training.torchrun import process_count

Result = TypeVar("Result")


class SharedError(ValueError):
    """An error that every process of the run raises, with the same message."""


class LostProcessError(RuntimeError):
    """Another process of the run ended or cannot be reached."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run as one of them sees it; by default it is alone.

    `rank` in 0..size - 1 is its number; rank 0 writes and prints. `device` holds its tensors. All
    must call the methods that talk (all but `part`) in the same order; alone they do nothing.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def part(self, samples: int) -> slice:
        """This process's samples of a batch: the parts are in a row and differ by one at most."""
        return slice(self.rank * samples // self.size, (self.rank + 1) * samples // self.size)

    def add_gradients(self, parameters: Iterable[nn.Parameter], share: float) -> None:
        """Replace every `.grad` by the sum over the processes of `share` times theirs.

        The same parameters must have gradients on all of them.
        """
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients]).mul_(share)
        self._all_reduce(flat)
        pieces = flat.split([gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))

    def total(self, *values: float) -> list[float]:
        """Each value summed over the processes."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        self._all_reduce(sums)
        return [float(value) for value in sums]

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true on some process."""
        return self.total(float(flag))[0] > 0

    def share_weights(self, model: nn.Module) -> None:
        """Give all processes the parameters and buffers of rank 0."""
        if self.size > 1:
            for tensor in model.state_dict().values():
                whole = tensor.contiguous()
                with self._connected():
                    dist.broadcast(whole, src=0)
                tensor.copy_(whole)

    def gather(self, value: Any) -> list[Any]:
        """The picklable `value` of every process, by rank."""
        values = [value] * self.size
        if self.size > 1:
            with self._connected():
                dist.all_gather_object(values, value)
        return values

    def together(self, work: Callable[[], Result]) -> Result:
        """`work()`; what goes wrong on one process is raised by all as SharedError."""
        if self.size == 1:
            return work()
        result, error = None, None
        try:
            result = work()
        except Exception as caught:  # whatever it is, the others must hear of it
            error = caught
        messages = self.gather(None if error is None else error_text(error))
        if any(message is not None for message in messages):
            raise SharedError(_joint_message(messages)) from error
        return result  # type: ignore[return-value]

    def first_alone(self, work: Callable[[], Result]) -> Result:
        """`work()` on rank 0 and then on the others, who find what it left in a cache."""
        if self.size == 1:
            return work()
        first = self.together(lambda: work() if self.rank == 0 else None)
        rest = self.together(lambda: work() if self.rank > 0 else None)
        return first if self.rank == 0 else rest  # type: ignore[return-value]

    def require_same(self, what: str, value: object) -> None:
        """Raise SharedError unless `value` is equal on all processes."""
        values = self.gather(value)
        for rank, other in enumerate(values):
            if other != values[0]:
                raise SharedError(
                    f"{what}: process {rank} has {other}, process 0 has {values[0]}; "
                    "start all processes with the same options and the same data"
                )

    def _all_reduce(self, tensor: Tensor) -> None:
        with self._connected():
            dist.all_reduce(tensor)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, OSError) as error:
            raise LostProcessError(
                f"process {self.rank} of {self.size} lost touch with another one; the first "
                f"message of another process says why ({str(error).splitlines()[0]})"
            ) from error


ALONE = Processes()
"""A run on one process."""


@contextmanager
def joined(device: str = "auto", timeout: timedelta | None = None) -> Iterator[Processes]:
    """Join the processes that `torchrun` started; without it the run is alone.

    `device` "cpu" talks through gloo, "cuda" through nccl, with one GPU for each process of a
    machine; "auto" takes the GPUs where there are enough. `timeout` is how long to wait for the
    others (None: torch's default). Raises ValueError where the GPUs do not suffice.
    """
    size, local = process_count(), int(os.environ.get("LOCAL_RANK", 0))
    here = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    chosen = choose_device(device, local, here, torch.cuda.device_count())
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if size == 1:
        yield Processes(device=chosen)
        return
    options = {} if timeout is None else {"timeout": timeout}
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", **options)
    yield Processes(dist.get_rank(), dist.get_world_size(), chosen)
    dist.destroy_process_group()  # after an error the process ends: waiting for others could hang


def choose_device(device: str, local_rank: int, processes: int, gpus: int) -> torch.device:
    """The device of process `local_rank` of `processes` on a machine with `gpus` GPUs.

    Raises ValueError for an unknown device and for "cuda" with too few GPUs.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device {device!r} is unknown; choose one of auto, cpu, cuda")
    if device == "cuda" and gpus < processes:
        raise ValueError(
            f"device 'cuda': {processes} processes need a GPU each, this machine has {gpus}; "
            "start fewer processes or take device 'cpu'"
        )
    if device == "cpu" or gpus < processes:
        return torch.device("cpu")
    return torch.device("cuda", local_rank)


def _joint_message(messages: list[str | None]) -> str:
    """One message for all processes, naming the process where not all failed alike."""
    rank, first = next((r, m) for r, m in enumerate(messages) if m is not None)
    same = all(message == first for message in messages)
    return first if same else f"process {rank} of {len(messages)}: {first}"
