/* The tool "Draw": a pad whose drawing is placed like the data, encoded, and shown. */
"use strict";

const Pad = (() => {
  const SIDE = 280;

  /**
   * here: shape, engine, space, draw (canvas, pixels), go (z, origin, {image, logvar}); framing as in the page's content, null
   * if the data have no plain background. Returns restore(image), which puts an image of the data's size on the pad.
   */
  function create(here, framing) {
    const { byId, clamp } = Page;
    const { shape } = here;
    const channels = shape[2];
    const colourful = channels === 3;
    const pad = byId("pad");
    const context = pad.getContext("2d", { willReadFrequently: true });
    const background = framing?.background ?? new Array(channels).fill(0.5);
    const light = background.reduce((a, b) => a + b, 0) / channels > 0.5;
    const ink = light ? "#000000" : "#ffffff";

    pad.width = SIDE;
    pad.height = Math.round((SIDE * shape[0]) / shape[1]);
    byId("brush").value = clamp(2.4 / shape[1], 0.07, 0.16);
    byId("ink").value = ink;
    byId("ink-label").hidden = !colourful;
    byId("frame-label").hidden = !framing;

    function clear() {
      context.fillStyle = `rgb(${[0, 1, 2].map((c) => Math.round(255 * background[colourful ? c : 0])).join(" ")})`;
      context.fillRect(0, 0, pad.width, pad.height);
    }

    /** Return the pad's pixels in [0, 1], with the data's channels. */
    function source() {
      const { data } = context.getImageData(0, 0, pad.width, pad.height);
      const pixels = new Float32Array(pad.width * pad.height * channels);
      for (let i = 0; i < pad.width * pad.height; i++) {
        for (let c = 0; c < channels; c++) pixels[i * channels + c] = data[4 * i + (colourful ? c : 0)] / 255;
      }
      return { pixels, width: pad.width, height: pad.height, channels };
    }

    /** Return the image that the encoder gets. */
    function image() {
      if (framing && byId("frame").checked) return Drawing.framed(source(), shape, framing);
      return Drawing.whole(source(), shape, background);
    }

    const encode = Engine.latest(here.engine.encode, ({ mean, logvar }, seen) => here.go(mean, "drawing", { image: seen, logvar }));

    function use(seen) {
      here.draw(byId("seen"), seen);
      encode(seen);
    }

    function line(from, to) {
      context.strokeStyle = colourful ? byId("ink").value : ink;
      context.lineWidth = byId("brush").value * pad.width;
      context.lineCap = context.lineJoin = "round";
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(to[0] + 0.01, to[1]); // a line of length 0 draws nothing
      context.stroke();
    }

    function place(event) {
      const bounds = pad.getBoundingClientRect();
      const scale = pad.width / bounds.width;
      return [(event.clientX - bounds.left) * scale, (event.clientY - bounds.top) * scale];
    }

    let last = null;
    function stroke(event) {
      const next = place(event);
      line(last ?? next, next);
      last = next;
      use(image());
    }
    pad.addEventListener("pointerdown", (event) => {
      if (event.isTrusted) pad.setPointerCapture(event.pointerId);
      stroke(event);
    });
    pad.addEventListener("pointermove", (event) => last && stroke(event));
    for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => (last = null));
    byId("clear").addEventListener("click", () => {
      clear();
      here.draw(byId("seen"), image());
      here.go(here.space.start, "reset");
    });
    byId("frame").addEventListener("change", () => use(image()));
    clear();
    here.draw(byId("seen"), image());

    function restore(seen) {
      const small = document.createElement("canvas");
      here.draw(small, seen);
      context.imageSmoothingEnabled = false;
      context.drawImage(small, 0, 0, pad.width, pad.height);
      use(seen);
    }
    return { restore };
  }

  return { create };
})();
