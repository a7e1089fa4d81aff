"""A run's page in a browser, driven as a person does."""

import io
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from PIL import Image

from vae_jax import data

SHADE = 1.01 / 255
"""What rounding to a pixel takes, and a little of JavaScript's rounding."""


DROP = """async ([name, type, bytes]) => { const transfer = new DataTransfer();
  transfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
  const body = document.getElementById('explorer-body');
  body.dispatchEvent(new DragEvent('dragover', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  body.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true })); }"""


class Explorer:
    """The page of a run that knows its folder, `workdir`."""

    def __init__(self, page: Any, run: Any, state: str = "") -> None:
        self.page, self.run = page, run
        self.open(state)

    def open(self, state: str = "") -> None:
        self.page.goto("about:blank")
        self.page.goto((self.run.workdir / "report.html").as_uri() + (f"#{state}" if state else ""))
        self.page.wait_for_selector("#decoded[data-shown]")
        self.settle()

    def settle(self) -> None:
        """Until what was asked for is drawn and the address written."""
        self.page.wait_for_timeout(330)

    def pixels(self, canvas: str = "decoded") -> np.ndarray:
        """[H, W, C] in [0, 1] of a canvas."""
        height, width, values = self.page.evaluate(
            """id => { const c = document.getElementById(id);
            return [c.height, c.width, Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)]; }""",
            canvas,
        )
        return np.reshape(values, (height, width, 4))[..., : self.run.shape[2]] / 255

    def state(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.page.url.partition("#")[2]).items()}

    def z(self) -> np.ndarray:
        """As the address has it."""
        return np.array([float(part) for part in self.state()["z"].split("_")], np.float32)

    def shows(self, z: np.ndarray) -> None:
        expected = self.run.decode(np.asarray(z, np.float32)[None])[0]
        np.testing.assert_allclose(self.pixels(), expected, atol=SHADE)

    def content(self) -> dict:
        return self.page.evaluate("JSON.parse(document.getElementById('data').textContent).explorer")

    def typical(self) -> int:
        """The place on the page of the image that it opens on: nearest to its class's mean, with the median error."""
        content, dataset = self.content(), data.load(self.run.config)
        rows = np.array(content["points"]["rows"])
        images, labels = dataset.test.images[rows], self.run.labels_of(dataset, "test")
        given = None if labels is None else labels[rows]
        codes = self.run.latents(images, given)
        errors = np.square(self.run.reconstruct(images, given) - images / 255).mean(axis=(1, 2, 3))
        classes = dataset.test.labels[rows] if content["points"]["labels"] else np.zeros(len(rows))
        central = []
        for label in np.unique(classes):
            own = np.flatnonzero(classes == label)
            central.append(own[np.square(codes[own] - codes[own].mean(axis=0)).sum(axis=1).argmin()])
        return int(min(central, key=lambda i: abs(errors[i] - np.sort(errors)[len(errors) // 2])))

    def at(self) -> int:
        """The place on the page of the image that the point is the code of."""
        return int(self.state()["at"]) - 1 if "at" in self.state() else self.typical()

    def code(self, place: int) -> np.ndarray:
        """The code of the image at a place on the page."""
        dataset, row = data.load(self.run.config), self.content()["points"]["rows"][place]
        labels = self.run.labels_of(dataset, "test")
        return self.run.latents(dataset.test.images[row][None], None if labels is None else labels[row : row + 1])[0]

    def place(self, across: float, down: float) -> tuple[float, float]:
        """Where on the screen a share of the plane's width and height is."""
        self.page.locator("#plane").scroll_into_view_if_needed()
        box = self.page.locator("#plane").bounding_box()
        return box["x"] + across * box["width"], box["y"] + down * box["height"]

    def set(self, selector: str, value: float | str) -> None:
        """A value given to a control, as dragging does it."""
        change = "(e, v) => { e.value = v; for (const name of ['input', 'change']) e.dispatchEvent(new Event(name)); }"
        self.page.eval_on_selector(selector, change, str(value))
        self.settle()

    def click(self, selector: str) -> None:
        self.page.click(selector)
        self.settle()


def draw(there: Explorer, image: np.ndarray, threshold: float = 0.3) -> None:
    """An image [H, W] replayed as dots of a pen, a pixel each."""
    rows, columns = np.nonzero(image > threshold)
    there.page.evaluate(
        """([places, height, width]) => {
          const pad = document.getElementById('pad'), bounds = pad.getBoundingClientRect();
          for (const [y, x] of places) for (const kind of ['pointerdown', 'pointerup']) pad.dispatchEvent(new PointerEvent(kind, {
            clientX: bounds.left + (x + 0.5) / width * bounds.width, clientY: bounds.top + (y + 0.5) / height * bounds.height}));
        }""",
        [np.stack([rows, columns], axis=1).tolist(), *image.shape],
    )
    there.settle()


def png(pixels: np.ndarray) -> list[int]:
    """Return the bytes of a picture."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return list(buffer.getvalue())


def drop(there: Explorer, name: str, content: list[int], kind: str = "image/png") -> str:
    """Drop a file on the page and return what the page says of it."""
    there.page.evaluate(DROP, [name, kind, content])
    there.page.wait_for_timeout(300)
    there.settle()
    return there.page.locator("#file-message").text_content()
