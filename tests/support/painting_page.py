"""The page of a model with discrete codes in a browser, driven as a person does."""

from typing import Any

import jax
import numpy as np

from support.explorer_page import SHADE, Explorer
from vae_jax.artifacts.report.codebook import codes_of


class Painting(Explorer):
    """The page of a run that knows its folder, `workdir`."""

    def content(self) -> dict:
        return self.page.evaluate("JSON.parse(document.getElementById('data').textContent).painter")

    def codes(self) -> np.ndarray:
        """Return the codes [T] that the address holds, or those of the test image that it names."""
        content, state = self.content(), self.state()
        if "codes" in state:
            return np.array(state["codes"].split("_"), np.int32)
        return np.array(content["codes"][int(state["image"]) - 1 if "image" in state else content["typical"]], np.int32)

    def shows_codes(self, codes: np.ndarray) -> None:
        """Assert that these are the codes of the page, and that it shows what JAX decodes from them."""
        np.testing.assert_array_equal(self.codes(), codes)
        assert self.run.model.from_codes is not None
        z = jax.jit(self.run.model.from_codes)(self.run.params, np.asarray(codes, np.int32)[None])
        np.testing.assert_allclose(self.pixels(), self.run.decode(z)[0], atol=SHADE)

    def codes_of(self, pixels: np.ndarray) -> np.ndarray:
        """Return the codes [T] of an image [H, W, C]."""
        return codes_of(self.run, pixels[None].astype(np.float32), None)[0]

    def choose(self, code: int) -> None:
        self.click(f'#palette button[aria-label="code {code}"]')

    def spot(self, place: int) -> tuple[float, float]:
        """Return where on the screen the middle of a place is."""
        self.page.locator("#grid").scroll_into_view_if_needed()
        box: Any = self.page.locator("#grid").bounding_box()
        rows, columns = (self.content()[name] for name in ("rows", "columns"))
        row, column = divmod(place, columns)
        return box["x"] + (column + 0.5) / columns * box["width"], box["y"] + (row + 0.5) / rows * box["height"]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()
