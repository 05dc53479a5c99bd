"""Many jobs at once: on this machine through joblib, on a cluster through Dask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from onchip.deploy.studies.execution import Children, Order, run_order

CONNECT_SECONDS = 30
"""How long a scheduler may take to answer."""


def on_machine(orders: Sequence[Order], workers: int) -> Iterator[dict[str, Any]]:
    """Yield the records of jobs as they end, so many running at once.

    joblib's workers are threads here: each waits for the process of its job.
    """
    from joblib import Parallel, delayed

    with Children() as children:
        parallel = Parallel(
            n_jobs=min(workers, len(orders)),
            backend="threading",
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch="n_jobs",
        )
        yield from parallel(delayed(run_order)(order, children) for order in orders)


def on_cluster(orders: Sequence[Order], scheduler: str) -> Iterator[dict[str, Any]]:
    """Yield the records of jobs as they end on the workers of a Dask scheduler.

    The workers must have this package and see the same folders. Raises ValueError without
    dask.distributed and where a job's worker died at every try, and OSError, naming the address,
    where no scheduler answers.
    """
    try:
        from dask.distributed import Client, KilledWorker, as_completed
    except ImportError:
        raise ValueError(
            'a scheduler needs dask.distributed, which is missing here; pip install "onchip[study]"'
        ) from None
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise OSError(
            f"no Dask scheduler answers at {scheduler!r} ({error!s:.200}); start one with "
            "`dask scheduler`, and `dask worker ADDRESS` for each worker"
        ) from None
    with client:
        futures = [
            client.submit(run_order, order, key=f"onchip-{order.about['digest']}")
            for order in orders
        ]
        for future in as_completed(futures, loop=client.loop):
            try:
                record = future.result()
            except KilledWorker as error:
                raise ValueError(
                    f"study: the worker died each time that it ran a job ({error!s:.200}); give it "
                    "more memory, or look into its log, and run the study again"
                ) from None
            yield record
