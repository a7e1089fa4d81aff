/* The stage: a test image or a drawing, the image decoded from the point beside it, and the nearest test images. */
"use strict";

const Stage = (() => {
  const FAR = 0.95; // the share of test images with a smaller error from which a drawing is called unlike the data

  /** Return a text such as `PC 1 = 0.25`, kept on one line; empty for the second axis of a latent line. */
  function coordinate(label, value) {
    const name = label.replace(/ \(.*/, "").replace("principal component", "PC");
    return label && `${name} = ${Page.number(value)}`.replaceAll(" ", "\u00a0");
  }

  /**
   * here: space, engine, view, draw (canvas, pixels), thumbnail (canvas, index), pick (index, also), plane () -> the plane shown,
   * classes (names, of a conditional model), chosen () -> the chosen test image. Returns show.
   */
  function create(here) {
    const { byId, element } = Page;
    const { space, engine } = here;

    const showDecoded = Engine.latest(({ point, label }) => engine.decode(point, label), (pixels, { image, index }) => {
      const canvas = byId("decoded");
      here.draw(canvas, pixels);
      here.draw(byId("inset"), pixels);
      canvas.dataset.shown = String(+(canvas.dataset.shown ?? 0) + 1);
      const speed = engine.milliseconds();
      byId("speed").textContent = `Decoding one image takes ${speed < 0.1 ? "less than 0.1" : speed.toFixed(1)} ms here.`;
      showError(image ? Pictures.difference(image, pixels) : index >= 0 ? space.errors[index] : null, Boolean(image));
    });

    /** Say how well the image is reconstructed, compared with the test images; of a drawing, whether it is like the data. */
    function showError(error, isDrawing) {
      const place = byId("error");
      place.classList.remove("ill");
      if (error === null) return place.replaceChildren("\u00a0");
      const share = space.shareBelow(error);
      const words = `squared error ${error.toFixed(4)}, larger than for ${Math.round(100 * share)}% of test images`;
      const like = share > FAR ? ": unlike the data" : ": like the data";
      place.textContent = words + (isDrawing ? like : "");
      place.classList.toggle("ill", isDrawing && share > FAR);
    }

    /** Return true if the image at `index` is decoded with its own class, or the model is not conditional. */
    const isOwn = (index, label) => index >= 0 && (!here.classes.length || here.points.labels[index] === label);

    function showOriginal({ index, nearest, image, label }) {
      if (image) here.draw(byId("original"), image);
      else here.thumbnail(byId("original"), index >= 0 ? index : nearest);
      const title = image ? "your image" : index >= 0 ? space.titleOf(index) : space.titleOf(nearest).replace("test image", "nearest:");
      byId("original-title").textContent = title[0].toUpperCase() + title.slice(1);
      const decoded = index >= 0 && here.classes.length ? `Decoded as ${here.classes[label]}` : "Decoded";
      byId("decoded-title").textContent = image || isOwn(index, label) ? "Its reconstruction" : decoded;
      byId("original").parentElement.classList.toggle("dim", !image && index < 0);
    }

    function makeThumb(box) {
      const button = element("button", box, { type: "button" });
      element("canvas", button);
      button.addEventListener("click", () => here.pick(+button.dataset.index, true));
      return button;
    }

    function showNearest(indices) {
      const box = byId("nearest");
      indices.forEach((i, place) => {
        const button = box.children[place] ?? makeThumb(box);
        if (button.dataset.index === String(i)) return;
        button.dataset.index = String(i);
        button.title = space.titleOf(i);
        button.setAttribute("aria-label", `go to ${space.titleOf(i)}`);
        here.thumbnail(button.firstChild, i);
      });
      byId("likeness").textContent = space.likeness(indices);
    }

    /**
     * Show a point: the current one, or the one under the pointer (hovering). title: its name; label: the class it is decoded
     * with, for a conditional model; image: the pixels that it is the code of, if they are not a test image's; moving: true on
     * the way, when a screen reader is not told each place.
     */
    function show(point, { title = "", label, image = null, hovering = false, moving = false }) {
      const index = image ? -1 : space.imageAt(point, here.chosen());
      const nearest = space.nearestTo(point, index);
      showDecoded({ point, label, image, index: isOwn(index, label) ? index : -1 });
      showOriginal({ index, nearest: nearest[0], image, label });
      showNearest(nearest);
      byId("where").setAttribute("aria-live", hovering || moving ? "off" : "polite");
      const { labels } = here.plane();
      const where = (here.view.project(point) ?? []).map((value, axis) => coordinate(labels[axis], value));
      if (here.classes.length) where.push(`given\u00a0${here.classes[label]}`);
      byId("where").textContent = [title, where.filter(Boolean).join(", ")].filter(Boolean).join(": ");
      byId("explorer-body").classList.toggle("hovering", hovering);
    }

    byId("save-z").addEventListener("click", () => {
      Pictures.save("z.txt", new Blob([`${Array.from(here.point()).join("\n")}\n`], { type: "text/plain" }));
    });
    byId("save-image").addEventListener("click", () => byId("decoded").toBlob((blob) => Pictures.save("decoded.png", blob)));
    return { show };
  }

  return { create };
})();
