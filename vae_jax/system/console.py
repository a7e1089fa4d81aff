"""What a person sees while something is computed: lines on the standard output, on a terminal a progress bar below them."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from tqdm import tqdm

from vae_jax.system.formatting import Value, format_table, format_value

BAR = "epoch {epoch} |{bar:16}| {percentage:3.0f}%  {rate_noinv_fmt}  ETA {remaining}  loss {loss}"
COUNT_BAR = "{desc} |{bar:16}| {n_fmt} of {total_fmt}  {rate_noinv_fmt}  ETA {remaining}"
"""Both narrower than 80 columns: what the terminal writes behind them (^C) must not wrap, or half a bar would stay."""
ERASE_LINE = "\r\x1b[K"
SHOWN = ("elbo", "loss", "reconstruction", "kl", "mse")
"""Validation metrics of an epoch's line: with a prior elbo, reconstruction, kl; without one loss, mse."""


@runtime_checkable
class Stream(Protocol):
    """What the console needs of a stream."""

    def write(self, text: str, /) -> object:
        """Write text."""

    def flush(self) -> None:
        """Let the reader have it."""

    def isatty(self) -> bool:
        """Whether a person reads at a terminal."""
        ...

    def fileno(self) -> int:
        """The file descriptor, or OSError."""
        ...


class Console:
    """The standard output (or `stream`) as a place to tell progress; a context manager.

    On a terminal (`interactive`, found out if None) there is a progress bar between `start` and `stop`. Elsewhere there
    are plain lines only, without any control character. A reader that goes away (`| head`) silences the console and
    does not stop the program.
    """

    def __init__(self, stream: Stream | None = None, interactive: bool | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._interactive = terminal if interactive is None else interactive
        self._bar: _Bar | None = None
        self._widths: dict[str, int] = {}
        self._silent = False

    def __enter__(self) -> "Console":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def line(self, text: str = "") -> None:
        """Print text and a newline, above the bar where there is one."""
        self._guarded(self._print, text)

    def start(self, images_per_epoch: int, num_epochs: int, done_epochs: int | float = 0) -> None:
        """Show the bar of a training that has come to `done_epochs` of `num_epochs`."""
        self.stop()
        if self._interactive and not self._silent:
            self._guarded(self._open, images_per_epoch, num_epochs, done_epochs)

    def advance(self, epoch: int, images: int, loss: float) -> None:
        """Tell the bar: `images` more in epoch 1, 2, ..., at this loss; drawn 10 times a second at most."""
        if self._bar is not None:
            self._bar.epoch, self._bar.loss = epoch, format_value("loss", loss)
            self._guarded(self._bar.update, images)

    def start_count(self, label: str, total: int, done: int = 0, unit: str = "images") -> None:
        """Show a bar of something that is counted, `done` of `total`."""
        self.stop()
        if self._interactive and not self._silent:
            options = {"desc": label, "bar_format": COUNT_BAR, "unit": f" {unit}"}
            self._guarded(self._open_bar, total, done, options)

    def count(self, number: int) -> None:
        """Tell the bar of `number` more."""
        if self._bar is not None:
            self._guarded(self._bar.update, number)

    def epoch_line(self, epoch: int, num_epochs: int, metrics: Mapping[str, float], best: bool = False) -> None:
        """Print an epoch's `train/loss` and validation metrics in aligned columns; a star marks a new best."""
        parts = [f"{epoch:>{len(str(num_epochs))}}/{num_epochs}"]
        if "train/loss" in metrics:
            parts.append("train " + self._aligned("loss", metrics["train/loss"], "train/loss"))
        shown = [name for name in SHOWN if f"val/{name}" in metrics and not _covered(name, metrics)]
        validated = "  ".join(self._aligned(name, metrics[f"val/{name}"], f"val/{name}") for name in shown)
        text = "  ".join(parts) + (f" | val {validated}" if validated else "")
        # Where the line would wrap (80 columns), the bar below says what the first number is.
        room = shutil.get_terminal_size().columns if self._bar is not None else sys.maxsize
        self.line(("epoch " if len("epoch ") + len(text) + len(" *") <= room else "") + text + (" *" if best else ""))

    def table(self, title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Value]]]) -> None:
        """Print a table with a row a metric: (name, one value a column). None shows as a dash."""
        self.line(format_table(title, columns, rows))

    def stop(self) -> None:
        """Take the bar off the screen; a second call does nothing."""
        bar, self._bar = self._bar, None
        if bar is not None:
            self._guarded(bar.close)
            # What the terminal itself wrote behind the bar, such as ^C.
            self._guarded(self._stream.write, ERASE_LINE)
            self._guarded(self._stream.flush)

    def _open(self, images_per_epoch: int, num_epochs: int, done_epochs: int | float) -> None:
        _Bar.epoch, _Bar.epochs = min(int(done_epochs) + 1, num_epochs), num_epochs
        options = {"bar_format": BAR, "unit": " images", "unit_scale": True}
        self._open_bar(images_per_epoch * num_epochs, round(images_per_epoch * done_epochs), options)

    def _open_bar(self, total: int, done: int, options: dict[str, Any]) -> None:
        screen = {"file": self._stream, "leave": False, "dynamic_ncols": True}
        pace = {"mininterval": 0.1, "miniters": 1, "smoothing": 0.1}
        self._bar = _Bar(total=total, initial=done, **screen, **pace, **options)

    def _print(self, text: str) -> None:
        if self._bar is None:
            self._stream.write(text + "\n")
        else:
            # One write, so that the terminal never shows the moment without a bar: fast epochs would make it flicker.
            self._stream.write(f"{ERASE_LINE}{text}\n{self._bar}")
        self._stream.flush()

    def _aligned(self, name: str, value: float, column: str) -> str:
        """`kl  21.20`, as wide as the widest value that this column has had."""
        text = format_value(name, value)
        self._widths[column] = max(self._widths.get(column, 5), len(text))
        return f"{name} {text:>{self._widths[column]}}"

    def _guarded(self, write: Any, *arguments: Any) -> None:
        """Write unless the stream has failed: training is worth more than being watched."""
        if self._silent:
            return
        try:
            write(*arguments)
        except OSError:
            self._silent, self._bar = True, None
            _discard(self._stream)


class _Bar(tqdm):
    monitor_interval = 0  # no watching thread: every update looks at the clock itself
    # Defaults of the class, because tqdm draws before its constructor returns.
    epoch = epochs = 0
    loss = "-"

    @property
    def format_dict(self) -> dict[str, Any]:
        epoch = f"{self.epoch:>{len(str(self.epochs))}}/{self.epochs}"
        return {**super().format_dict, "epoch": epoch, "loss": self.loss}


def _covered(name: str, metrics: Mapping[str, float]) -> bool:
    """Whether other metrics of the line already tell this one."""
    with_prior = "val/elbo" in metrics
    return with_prior if name in ("loss", "mse") else name == "reconstruction" and not with_prior


def _discard(stream: Stream) -> None:
    """Send the rest to nowhere: Python flushes the stream at exit, and would complain and exit with code 120."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):
        pass
