"""Output of TFDS: progress on a terminal, and errors as one line that says what to do."""

import contextlib
import io
import sys
from collections.abc import Iterator

from vae_jax.errors import InputError
from vae_jax.types import Config

IDX_SETS = ("mnist", "fashion_mnist", "kmnist")
"""Sets in MNIST's format: four gzipped idx files."""


def files_wanted(config: Config) -> str:
    """Return the files that `data_dir` should hold, in words."""
    if config.dataset not in IDX_SETS:
        return f"the original files of {config.dataset}"
    from vae_jax.data.tfds.idx import FILE_NAMES

    return f"the four original files {', '.join(FILE_NAMES)}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Context manager: nothing on stdout, no log lines, and progress bars only if stderr is a terminal."""
    import tensorflow_datasets as tfds
    from absl import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    tfds.display_progress_bar(sys.stderr.isatty())
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
        tfds.display_progress_bar(True)


@contextlib.contextmanager
def one_line_errors(config: Config) -> Iterator[None]:
    """Context manager: turn errors of TFDS into an InputError of one line that says what to do."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # TFDS lets through whatever its many builders raise
        raise InputError(" ".join(f"dataset={config.dataset}: {_advice(error, config)}".split())) from error


def _advice(error: Exception, config: Config) -> str:
    import requests
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
    from tensorflow_datasets.core.download.util import DownloadError
    from tensorflow_datasets.core.registered import DatasetNotFoundError

    if isinstance(error, ImportError) and "tensorflow" in str(error):
        return "TFDS needs TensorFlow to prepare this set: pip install 'vae_jax[tf]'"
    if isinstance(error, requests.RequestException | ConnectionError | DownloadError):
        files = files_wanted(config)
        if config.data_dir:
            return f"download failed ({error}); data_dir={config.data_dir} has not all it needs: {files}"
        return f"download failed ({error}); offline, give --config.data_dir=DIR with {files}"
    if isinstance(error, NonMatchingChecksumError):
        where = f"data_dir={config.data_dir}" if config.data_dir else "the network gave a wrong file"
        return f"{where}: {error}"
    if isinstance(error, DatasetNotFoundError):
        return "not a data set of this project or of TFDS"
    return f"TFDS cannot prepare this set: {type(error).__name__}: {error}"
