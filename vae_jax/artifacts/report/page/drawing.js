/* A person's drawing as an image of the data's size: averaged over pixels, and placed like the data's images. */
"use strict";

const Drawing = (() => {
  const FAINTEST = 0.2; // share of the strongest ink, as in vae_jax/artifacts/report/sprites.py

  /** Return each pixel's ink, its mean distance from the background over channels. source: {pixels, width, height, channels}. */
  function inkOf({ pixels, width, height, channels }, background) {
    const ink = new Float32Array(width * height);
    for (let i = 0; i < ink.length; i++) {
      for (let c = 0; c < channels; c++) ink[i] += Math.abs(pixels[i * channels + c] - background[c]) / channels;
    }
    return ink;
  }

  /** {x: [from, to], y: [from, to], centre: [y, x]}: the ink's box and its centre of mass; null if nothing is drawn. */
  function measure(ink, width, height) {
    const threshold = FAINTEST * ink.reduce((most, value) => Math.max(most, value), 0);
    if (threshold === 0) return null;
    let [left, right, top, bottom, mass, x, y] = [width, 0, height, 0, 0, 0, 0];
    for (let i = 0; i < ink.length; i++) {
      const [row, column] = [Math.floor(i / width), i % width];
      mass += ink[i];
      x += ink[i] * (column + 0.5);
      y += ink[i] * (row + 0.5);
      if (ink[i] <= threshold) continue;
      [left, right] = [Math.min(left, column), Math.max(right, column)];
      [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
    }
    return { x: [left, right + 1], y: [top, bottom + 1], centre: [y / mass, x / mass] };
  }

  /** Write the mean of the source over a rectangle to `out`; outside the source is background. */
  function average(source, [x0, y0, x1, y1], background, out, offset) {
    const { pixels, width, height, channels } = source;
    let covered = 0;
    const sums = new Float64Array(channels);
    for (let y = Math.max(0, Math.floor(y0)); y < Math.min(height, y1); y++) {
      const tall = Math.min(y + 1, y1) - Math.max(y, y0);
      for (let x = Math.max(0, Math.floor(x0)); x < Math.min(width, x1); x++) {
        const area = tall * (Math.min(x + 1, x1) - Math.max(x, x0));
        covered += area;
        for (let c = 0; c < channels; c++) sums[c] += area * pixels[(y * width + x) * channels + c];
      }
    }
    const whole = (x1 - x0) * (y1 - y0);
    for (let c = 0; c < channels; c++) out[offset + c] = (sums[c] + (whole - covered) * background[c]) / whole;
  }

  /** Resample the source to [H, W, C]: pixel (0, 0) starts at its (left, top), and a pixel covers `step` of its pixels. */
  function resample(source, [height, width, channels], { left, top, step }, background) {
    const out = new Float32Array(height * width * channels);
    for (let i = 0; i < height * width; i++) {
      const x = left + (i % width) * step;
      const y = top + Math.floor(i / width) * step;
      average(source, [x, y, x + step, y + step], background, out, i * channels);
    }
    return out;
  }

  /** Return the whole pad as an image of the data's size. */
  function whole(source, shape, background) {
    return resample(source, shape, { left: 0, top: 0, step: source.width / shape[1] }, background);
  }

  /** Return where an image of `size` pixels starts, so that the centre is at `target` and, if possible, the box is inside. */
  function begin([from, to], centre, target, size, step) {
    const wished = centre - target * step;
    return to - from > size * step ? wished : Math.min(from, Math.max(to - size * step, wished));
  }

  /** Return the drawing at the data's mean size and centre of mass; for `framing` see sprites.framing. */
  function framed(source, shape, { background, extent, centre }) {
    const found = measure(inkOf(source, background), source.width, source.height);
    if (!found) return whole(source, shape, background);
    const step = Math.max(found.x[1] - found.x[0], found.y[1] - found.y[0]) / extent;
    const top = begin(found.y, found.centre[0], centre[0], shape[0], step);
    const left = begin(found.x, found.centre[1], centre[1], shape[1], step);
    return resample(source, shape, { left, top, step }, background);
  }

  return { framed, whole };
})();
