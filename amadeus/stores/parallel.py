"""Several transfers at once, and not too many."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

N_TRANSFERS = (
    8  # a store answers one in tens of milliseconds, and each holds a block in memory
)

_T = TypeVar("_T")


def in_parallel(
    job: Callable[[_T], None], items: Iterable[_T], *, n_threads: int = N_TRANSFERS
) -> None:
    """Does a job for each of many items; the first error ends it, once those that run have ended.

    Raises:
      Exception: Whatever the job raised first.
    """
    with ThreadPoolExecutor(n_threads) as pool:
        futures = [pool.submit(job, item) for item in items]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
