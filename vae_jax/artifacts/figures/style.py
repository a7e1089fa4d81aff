"""The settings that figures are drawn with: Matplotlib's own defaults, whatever a person's matplotlibrc says."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Matplotlib's log, which is about a person's settings and fonts, off the terminal."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


# The first import reads the person's matplotlibrc, and warns if it is broken; the backend's looks for fonts, and logs it.
with _quiet(), warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        import matplotlib
    except UnicodeError:  # a matplotlibrc that is no text
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            del sys.modules[name]  # half imported
        person = os.environ.get("MATPLOTLIBRC")
        os.environ["MATPLOTLIBRC"] = os.devnull
        import matplotlib

        del os.environ["MATPLOTLIBRC"]
        os.environ.update({} if person is None else {"MATPLOTLIBRC": person})
    from matplotlib.backends import backend_agg as backend_agg

    DEFAULTS: Any = {key: value for key, value in matplotlib.rcParamsDefault.items() if key != "backend"}


@contextmanager
def default_style() -> Iterator[None]:
    """Draw in Matplotlib's defaults, the same on every machine; the person's own settings are back afterwards."""
    with _quiet(), matplotlib.rc_context():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # some settings are deprecated, and have defaults
            matplotlib.rcParams.update(DEFAULTS)
        yield
