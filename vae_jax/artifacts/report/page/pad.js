/* The tool "Draw": a pad whose drawing, or an image file put on it, is placed like the data, encoded, and shown. */
"use strict";

const Pad = (() => {
  const SIDE = 280;
  const OTHER_SIDE = 0.5; // the least distance of a file's border from the data's background at which it is inverted

  /**
   * here: shape, engine, space, draw (canvas, pixels), go (z, origin, {image, logvar}), pick (index, also), open () which shows this
   * tool; framing as in the page's content, null if the data have no plain background. Returns restore(image), which puts an image
   * of the data's size on the pad.
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

    const message = (text) => (byId("file-message").textContent = text);
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

    let empty = true;
    function use(seen) {
      empty = false;
      here.draw(byId("seen"), seen);
      encode(seen);
    }

    /** Invert the pad where light and dark are the other way round than in the data; return true if it did. */
    function invertLike() {
      const seen = source();
      if (!framing) return false;
      const border = [...Array(seen.width * seen.height).keys()].filter(
        (i) => i % seen.width === 0 || i % seen.width === seen.width - 1 || i < seen.width || i >= seen.pixels.length / channels - seen.width,
      );
      const off = border.map((i) => Math.abs(seen.pixels[i * channels] - background[0])).toSorted((a, b) => a - b);
      if (off[off.length >> 1] < OTHER_SIDE) return false;
      const all = context.getImageData(0, 0, pad.width, pad.height);
      all.data.forEach((value, i) => i % 4 < 3 && (all.data[i] = 255 - value));
      context.putImageData(all, 0, 0);
      return true;
    }

    /** Put a picture on the whole pad, its middle kept if its sides have another ratio. */
    function cover(picture) {
      const scale = Math.max(pad.width / picture.width, pad.height / picture.height);
      const [width, height] = [picture.width * scale, picture.height * scale];
      context.imageSmoothingEnabled = scale < 1; // an image of the data's own size comes back as it was
      context.drawImage(picture, (pad.width - width) / 2, (pad.height - height) / 2, width, height);
      if (colourful) return false;
      const all = context.getImageData(0, 0, pad.width, pad.height);
      let coloured = false;
      for (let i = 0; i < all.data.length; i += 4) {
        const [r, g, b] = all.data.subarray(i, i + 3);
        coloured ||= Math.max(r, g, b) - Math.min(r, g, b) > 16;
        all.data[i] = all.data[i + 1] = all.data[i + 2] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
      }
      context.putImageData(all, 0, 0);
      return coloured;
    }

    /** Encode an image file, and say what was done to it. */
    async function open(file) {
      let picture;
      try {
        picture = await createImageBitmap(file);
      } catch {
        return message(`${file.name} is not an image that this browser can read; choose a PNG, JPEG, WebP or GIF file.`);
      }
      clear();
      const done = [];
      if (picture.width !== shape[1] || picture.height !== shape[0]) {
        done.push(`resized from ${picture.width} x ${picture.height} to ${shape[1]} x ${shape[0]} pixels`);
      }
      if (cover(picture)) done.push("its colours made grey");
      if (framing && byId("frame").checked) done.push("centred and scaled like the data");
      if (invertLike()) done.push("inverted, because the data have the other background");
      message(`${file.name}: ${done.length ? done.join("; ") : "taken as it is"}.`);
      use(image());
    }

    byId("file").addEventListener("change", () => {
      if (byId("file").files.length) open(byId("file").files[0]);
      byId("file").value = ""; // the same file can be opened again
    });
    const body = byId("explorer-body");
    body.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      body.classList.add("dropping");
    });
    body.addEventListener("dragleave", (event) => body.contains(event.relatedTarget) || body.classList.remove("dropping"));
    body.addEventListener("drop", (event) => {
      event.preventDefault();
      body.classList.remove("dropping");
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      here.open();
      open(file);
    });

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
      message("");
      here.draw(byId("seen"), image());
      empty = true;
      here.pick(here.space.typical, true);
    });
    byId("frame").addEventListener("change", () => (empty ? here.draw(byId("seen"), image()) : use(image())));
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
