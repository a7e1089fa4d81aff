"""The progress bar below the lines of a console."""

from typing import Any

from tqdm import tqdm

BAR = "epoch {epoch} |{bar:16}| {percentage:3.0f}%  {rate_noinv_fmt}  ETA {remaining}  {loss}"
COUNT_BAR = "{desc} |{bar:16}| {n_fmt} of {total_fmt}  {rate_noinv_fmt}  ETA {remaining}"
WORK_BAR = "|{bar:16}| {percentage:3.0f}%  {desc}"
"""The bars are narrower than 80 columns: if the terminal's own ^C made them wrap, half a bar would stay."""


class Bar(tqdm):
    """A bar that names the epoch and the last elbo or loss."""

    monitor_interval = 0  # no watching thread: every update looks at the clock itself
    # Defaults of the class, because tqdm draws before its constructor returns.
    epoch = epochs = 0
    loss = "-"

    @property
    def format_dict(self) -> dict[str, Any]:
        """The values of the bar's template."""
        epoch = f"{self.epoch:>{len(str(self.epochs))}}/{self.epochs}"
        return {**super().format_dict, "epoch": epoch, "loss": self.loss}
