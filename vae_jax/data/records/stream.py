"""Training images in the order of a run, read ahead from any step on, by the processes or threads of grain."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32, UInt8

from vae_jax.data.records.images import Blocks, RecordImages, in_order
from vae_jax.errors import InputError, TrainingError
from vae_jax.randomness import epoch_order

_STEPS = 2**40  # more than any run has


class Order(NamedTuple):
    """The order of a run's images, see `epoch_order`."""

    seed: int
    num_images: int
    batch_size: int

    def rows(self, step: int) -> Int32[np.ndarray, " B"]:
        """Return the rows of a step's images."""
        epoch, position = divmod(step, self.num_images // self.batch_size)
        return _epoch(self, epoch)[position]


@lru_cache(4)
def _epoch(order: Order, epoch: int) -> Int32[np.ndarray, "T B"]:
    return epoch_order(order.seed, epoch, order.num_images, order.batch_size)


class Stream:
    """The images of one step after another. The step alone says where it reads, so a resumed run continues exactly."""

    def __init__(self, images: RecordImages, order: Order, columns: slice, workers: int) -> None:
        """Describe the stream; it starts to read with the first `take`.

        Args:
            images: the training images.
            order: the order of the run.
            columns: the images of a batch that this process needs.
            workers: the number of processes; 0: threads.
        """
        self._images, self._order, self._columns, self._workers = images, order, columns, workers
        self._next, self._ahead = -1, iter(())

    def take(self, rows: Int32[np.ndarray, "T B"], step: int) -> UInt8[np.ndarray, "T b H W C"]:
        """Return this process's columns of the rows, which are the images of T steps, `step` the first.

        Rows in another order, as those of a population's further runs, are read at once and not ahead.

        Raises:
            InputError: a record cannot be read.
            TrainingError: a process that reads ahead has ended.
        """
        if any((self._order.rows(step + t) != row).any() for t, row in enumerate(rows)):
            return self._images[rows[:, self._columns]]
        if step != self._next:
            self.close()
            rows_of = partial(_records, self._order, self._images.rows, self._columns)
            blocks = Blocks(self._images.reader, rows_of, _STEPS)
            nbytes = self._images.nbytes // len(self._images) * len(range(rows.shape[1])[self._columns])
            self._ahead = in_order(blocks, nbytes, step, self._workers)
        self._next = step + len(rows)
        try:
            return np.stack([next(self._ahead) for _ in rows])
        except InputError:
            raise
        except RuntimeError as error:  # grain's, if a process ended or could not start
            raise TrainingError(
                f"data_workers={self._workers}: a process that reads ahead has ended ({' '.join(str(error).split())[:150]}); "
                'choices: 0, or more memory; a Python script that trains needs if __name__ == "__main__":'
            ) from error

    def close(self) -> None:
        """Stop reading ahead."""
        close: Any = getattr(self._ahead, "close", None)
        if close is not None:
            close()
        self._next, self._ahead = -1, iter(())


def _records(order: Order, records: np.ndarray, columns: slice, step: int) -> np.ndarray:
    return records[order.rows(step)[columns]]
