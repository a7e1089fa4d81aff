"""Progress for a person: lines on the standard output and, on a terminal, a progress bar below them."""

import itertools
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vae_jax.system.bar import BAR, COUNT_BAR, WORK_BAR, Bar
from vae_jax.system.formatting import Value, format_table, format_value, headline, shown_terms, wrapped
from vae_jax.system.stream import Stream, discard

ERASE_LINE = "\r\x1b[K"
MOST_EPOCH_LINES = 20
"""The largest number of epochs with a line on a terminal, where the bar shows the others; elsewhere all have one."""


class Console:
    """The standard output (or `stream`) as a place to print progress; a context manager.

    On a terminal (`interactive`; None: detected) a progress bar is shown between `start` and `stop`, and long lines are
    wrapped between words. Elsewhere only plain lines are printed, without control characters. A reader that goes away
    (`| head`) silences the console and does not stop the program.
    """

    report: Callable[[int, int, Mapping[str, float]], None] | None = None
    """(epoch, the number of epochs, metrics), called after an epoch's line; an exception ends the training."""

    def __init__(self, stream: Stream | None = None, interactive: bool | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self.interactive: bool = terminal if interactive is None else interactive
        self._bar: Bar | None = None
        self._widths: dict[str, int] = {}
        self._silent = False
        self._lines_every = 1
        self._opened = time.monotonic()

    def __enter__(self) -> "Console":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def line(self, text: str = "") -> None:
        """Print text and a newline, above the bar if there is one."""
        self._guarded(self._print, wrapped(text, shutil.get_terminal_size().columns) if self.interactive else text)

    @property
    def seconds(self) -> float:
        """The time since the console was opened."""
        return time.monotonic() - self._opened

    def start(
        self, images_per_epoch: int, num_epochs: int, done_epochs: int | float = 0, every: Sequence[int] = ()
    ) -> None:
        """Show the bar of a training with `done_epochs` of `num_epochs` done, validated and saved `every` so many epochs."""
        self.stop()
        if self.interactive and not self._silent:
            least = math.ceil(num_epochs / MOST_EPOCH_LINES)
            self._lines_every = next(n for n in itertools.count(least) if all(n % e == 0 or e % n == 0 for e in every))
            self._guarded(self._open, images_per_epoch, num_epochs, done_epochs)

    def advance(self, epoch: int, images: int, terms: Mapping[str, float]) -> None:
        """Advance the bar by `images` in epoch 1, 2, ..., with the last terms; drawn at most 10 times a second."""
        if self._bar is not None:
            name, value = headline(terms)
            self._bar.epoch, self._bar.loss = epoch, f"{name} {format_value(name, value)}"
            self._guarded(self._bar.update, images)

    def restart_clock(self) -> None:
        """Start `seconds` again from 0."""
        self._opened = time.monotonic()

    def start_count(self, label: str, total: int, done: int = 0) -> None:
        """Show a bar that counts images from `done` to `total`."""
        self.stop()
        if self.interactive and not self._silent:
            self._guarded(self._open_bar, total, done, {"desc": label, "bar_format": COUNT_BAR, "unit": " images"})

    def count(self, number: int) -> None:
        """Advance the bar by `number`."""
        if self._bar is not None:
            self._guarded(self._bar.update, number)

    def work(self, words: str, share: float) -> None:
        """Show a bar of a work whose finished share is 0 to 1, with words on its current part."""
        if self.interactive and not self._silent and self._bar is None:
            self._guarded(self._open_bar, 1.0, 0, {"desc": words, "bar_format": WORK_BAR})
        if self._bar is not None:
            self._bar.n = max(self._bar.n, min(share, 1.0))
            self._guarded(self._bar.set_description_str, words)

    def prints_epoch(self, epoch: int, num_epochs: int) -> bool:
        """Return True if this epoch has a line."""
        return epoch % self._lines_every == 0 or epoch == num_epochs

    def epoch_line(self, epoch: int, num_epochs: int, metrics: Mapping[str, float], best: bool = False) -> None:
        """Print an epoch's metrics in aligned columns, if it has a line, and report them; a star marks a new best."""
        if self.prints_epoch(epoch, num_epochs):
            self._print_epoch(epoch, num_epochs, metrics, best)
        if self.report is not None:
            self.report(epoch, num_epochs, metrics)

    def _print_epoch(self, epoch: int, num_epochs: int, metrics: Mapping[str, float], best: bool) -> None:
        parts = [f"{epoch:>{len(str(num_epochs))}}/{num_epochs}"]
        if "train/loss" in metrics:
            name, value = headline(metrics, "train/")
            parts.append("train " + self._aligned(name, value, "train"))
        shown = shown_terms(metrics, "val/")
        validated = "  ".join(self._aligned(name, metrics[f"val/{name}"], f"val/{name}") for name in shown)
        text = "  ".join(parts) + (f" | val {validated}" if validated else "")
        # If the line would wrap (80 columns), the word goes: the bar below says what the first number is.
        room = shutil.get_terminal_size().columns if self._bar is not None else sys.maxsize
        self.line(("epoch " if len("epoch ") + len(text) + len(" *") <= room else "") + text + (" *" if best else ""))

    def table(self, title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Value]]]) -> None:
        """Print a table with one row per metric: (name, one value per column). None shows as a dash."""
        self.line(title)
        self._guarded(self._print, format_table(columns, rows))

    def stop(self) -> None:
        """Remove the bar from the screen; a second call does nothing."""
        bar, self._bar = self._bar, None
        if bar is not None:
            self._guarded(bar.close)
            # Also erases what the terminal itself wrote behind the bar, such as ^C.
            self._guarded(self._stream.write, ERASE_LINE)
            self._guarded(self._stream.flush)

    def _open(self, images_per_epoch: int, num_epochs: int, done_epochs: int | float) -> None:
        Bar.epoch, Bar.epochs = min(int(done_epochs) + 1, num_epochs), num_epochs
        options = {"bar_format": BAR, "unit": " images", "unit_scale": True}
        self._open_bar(images_per_epoch * num_epochs, round(images_per_epoch * done_epochs), options)

    def _open_bar(self, total: float, done: int, options: dict[str, Any]) -> None:
        screen = {"file": self._stream, "leave": False, "dynamic_ncols": True}
        pace = {"mininterval": 0.1, "miniters": 1, "smoothing": 0.1}
        self._bar = Bar(total=total, initial=done, **screen, **pace, **options)

    def _print(self, text: str) -> None:
        if self._bar is None:
            self._stream.write(text + "\n")
        else:
            # One write, so that the terminal never shows the moment without a bar: fast epochs would make it flicker.
            self._stream.write(f"{ERASE_LINE}{text}\n{self._bar}")
        self._stream.flush()

    def _aligned(self, name: str, value: float, column: str) -> str:
        """Return `kl  21.20`, as wide as the widest value so far in this column."""
        text = format_value(name, value)
        self._widths[column] = max(self._widths.get(column, 5), len(text))
        return f"{name} {text:>{self._widths[column]}}"

    def _guarded(self, write: Any, *arguments: Any) -> None:
        """Write unless the stream has failed: a broken terminal must not stop training."""
        if self._silent:
            return
        try:
            write(*arguments)
        except OSError:
            self._silent, self._bar = True, None
            discard(self._stream)
