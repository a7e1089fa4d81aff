/* A plane through the latent space, or a map of it by t-SNE: codes of test images, the current point, its spread, a walk. */
"use strict";

const Plane = (() => {
  // Both pairs have the same sum, so that the area within is a square, like the canvas.
  const MARGIN = { left: 46, right: 12, top: 12, bottom: 46 };
  const NEAR = 9; // the most CSS pixels between the pointer and the point that it selects
  const TICKS = 5;
  const GUTTER = "#262626"; // the line between decoded images, as in vae_jax/artifacts/figures/grid.py
  const CLOSEST = 1 / 40; // the smallest share of the whole view that zooming shows
  const OVER_TILES = 0.35; // the opacity of points over decoded images
  const FADED = 0.07; // the opacity of points outside the highlighted class

  /** Return the coordinates [2] of z on a plane {centre, axes}. */
  function project({ centre, axes }, z) {
    return axes.map((axis) => axis.reduce((sum, weight, k) => sum + weight * (z[k] - centre[k]), 0));
  }

  /** Return the point with coordinates (u, v) on the plane through z. */
  function moved(plane, z, [u, v]) {
    const [u0, v0] = project(plane, z);
    return z.map((value, k) => value + (u - u0) * plane.axes[0][k] + (v - v0) * plane.axes[1][k]);
  }

  /** Return the square {low: [u, v], size} that holds all points, and the prior's centre if there is a prior. */
  function extent(points, least) {
    const ends = [0, 1].map((axis) => {
      const values = points.map((point) => point[axis]);
      const low = values.reduce((a, b) => Math.min(a, b), -least);
      return [low, values.reduce((a, b) => Math.max(a, b), least)];
    });
    const size = 1.06 * Math.max(...ends.map(([low, high]) => high - low), 1e-6);
    return { low: ends.map(([low, high]) => (low + high - size) / 2), size };
  }

  /** Return a round step, so that about TICKS of them fit in `size`. */
  function tickStep(size) {
    const rough = size / TICKS;
    const unit = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((factor) => factor * unit).find((step) => step >= rough);
  }

  /** Lighten dark colours on a dark background, so that all classes are visible. */
  function visible(colour, dark) {
    if (!dark) return colour;
    const parts = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
    const bright = (0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]) / 255;
    const share = Math.max(0, 0.5 - bright);
    return `rgb(${parts.map((part) => Math.round(part + (255 - part) * share)).join(" ")})`;
  }

  /** Return the middle value of a list that is not empty. */
  const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

  /**
   * Draw the plane on a canvas. options: canvas, codes (arrays), least (the least half side that is shown), rings (true if the
   * prior is N(0, I), whose circles are drawn), tilesAcross (the decoded plane's tiles along a side), theme (name -> colour),
   * decode (z -> promise of pixels), show (canvas, pixels), nearest (z) -> the index of the nearest code, resting () called when
   * zooming or panning has ended.
   */
  function create({ canvas, codes, least, rings, tilesAcross, theme, decode, show, nearest, resting }) {
    let plane = null; // {centre, axes, labels}, or {map: [[u, v], ...]}: a place for each image, with nothing between them
    let points = [];
    let view = null; // {low: [u, v], size}, the square that is shown
    let whole = null; // the view that shows all
    let paint = { colours: [], groups: null, names: [] }; // see Colours
    let highlighted = -1;
    let state = { z: null, hover: null, spread: null, path: null };
    let frame = null; // {points, colours}: codes at an earlier step of training, in the place of the points
    let tiles = null; // the decoded plane: {canvas, view}
    let ground = null; // the layer that changes only with plane, view, size, colours and theme, drawn once

    const area = () => ({ left: MARGIN.left, top: MARGIN.top, size: canvas.clientWidth - MARGIN.left - MARGIN.right });
    const scale = () => area().size / view.size;
    const toScreen = ([u, v]) => {
      const { left, top, size } = area();
      return [left + (u - view.low[0]) * scale(), top + size - (v - view.low[1]) * scale()];
    };
    const toPlane = ([x, y]) => {
      const { left, top, size } = area();
      return [view.low[0] + (x - left) / scale(), view.low[1] + (top + size - y) / scale()];
    };
    const inside = ([x, y]) => {
      const { left, top, size } = area();
      return x >= left && x <= left + size && y >= top && y <= top + size;
    };
    const placeOf = (z) => (plane.map ? plane.map[nearest(z)] : project(plane, z));

    function drawTicks(context) {
      const { left, top, size } = area();
      const step = tickStep(view.size);
      const digits = Math.max(0, -Math.floor(Math.log10(step)));
      for (let axis = 0; axis < 2; axis++) {
        const first = Math.ceil(view.low[axis] / step);
        for (let i = first; i * step <= view.low[axis] + view.size; i++) {
          const along = toScreen([i * step, i * step])[axis];
          context.beginPath();
          context.moveTo(...(axis === 0 ? [along, top] : [left, along]));
          context.lineTo(...(axis === 0 ? [along, top + size] : [left + size, along]));
          context.stroke();
          context.textAlign = axis === 0 ? "center" : "right";
          context.textBaseline = axis === 0 ? "top" : "middle";
          const text = (i * step).toFixed(digits).replace("-", "−");
          context.fillText(text, ...(axis === 0 ? [along, top + size + 6] : [left - 6, along]));
        }
      }
    }

    function drawAxes(context) {
      const { left, top, size } = area();
      context.font = "12px system-ui, sans-serif";
      context.strokeStyle = theme("--line");
      context.fillStyle = theme("--quiet");
      context.lineWidth = 1;
      context.strokeRect(left, top, size, size);
      const labels = plane.labels ?? ["t-SNE: only neighbourhoods mean something", ""];
      if (!plane.map) drawTicks(context);
      context.textAlign = "center";
      context.textBaseline = "bottom";
      context.fillText(labels[0], left + size / 2, canvas.clientHeight - 4);
      context.save();
      context.translate(10, top + size / 2);
      context.rotate(-Math.PI / 2);
      context.textBaseline = "middle";
      context.fillText(labels[1], 0, 0);
      context.restore();
    }

    function drawPoints(context) {
      const radius = (codes.length > 600 ? 2.6 : 3.4) * Math.min(2, Math.sqrt(whole.size / view.size));
      const opacity = tiles && !frame ? OVER_TILES : 0.8;
      const shades = frame ? frame.colours : paint.colours;
      const groups = frame ? frame.groups : paint.groups;
      (frame ? frame.points : points).forEach((point, i) => {
        const faded = highlighted >= 0 && groups?.length && groups[i] !== highlighted;
        context.globalAlpha = faded ? FADED : opacity;
        context.fillStyle = shades[i] ?? theme("--first");
        context.beginPath();
        context.arc(...toScreen(point), radius, 0, 2 * Math.PI);
        context.fill();
      });
      context.globalAlpha = 1;
    }

    /** Draw the circles of one and two standard deviations of N(0, I), which are circles on every plane of orthonormal axes. */
    function drawRings(context) {
      const middle = project(plane, codes[0].map(() => 0));
      const [x, y] = toScreen(middle);
      context.font = "12px system-ui, sans-serif";
      context.textAlign = "center";
      context.textBaseline = "bottom";
      for (const deviations of [1, 2]) {
        context.setLineDash([3, 4]);
        context.strokeStyle = context.fillStyle = theme("--quiet");
        context.lineWidth = 1;
        context.beginPath();
        context.arc(x, y, deviations * scale(), 0, 2 * Math.PI);
        context.stroke();
        context.setLineDash([]);
        write(context, `${deviations}σ`, [x, y - deviations * scale() - 2], theme("--quiet"));
      }
    }

    /** Write text with an edge in the background's colour. */
    function write(context, text, [x, y], colour) {
      context.lineJoin = "round";
      context.lineWidth = 4;
      context.strokeStyle = theme("--card");
      context.strokeText(text, x, y);
      context.fillStyle = colour;
      context.fillText(text, x, y);
    }

    /** Write the name of each group at the median of its points. */
    function drawNames(context) {
      context.font = "bold 14px system-ui, sans-serif";
      context.textAlign = "center";
      context.textBaseline = "middle";
      paint.names.forEach((name, group) => {
        if (!name || (highlighted >= 0 && highlighted !== group)) return;
        const own = points.filter((_, i) => paint.groups[i] === group);
        if (own.length) write(context, name, toScreen([0, 1].map((axis) => median(own.map((point) => point[axis])))), theme("--ink"));
      });
    }

    function paintGround() {
      const ratio = devicePixelRatio || 1;
      ground = document.createElement("canvas");
      ground.width = canvas.width;
      ground.height = canvas.height;
      const context = ground.getContext("2d");
      context.scale(ratio, ratio);
      drawAxes(context);
      const { left, top, size } = area();
      context.save();
      context.beginPath();
      context.rect(left, top, size, size);
      context.clip();
      if (tiles?.canvas.width) {
        const side = tiles.view.size * scale();
        const [x, y] = toScreen([tiles.view.low[0], tiles.view.low[1] + tiles.view.size]);
        context.imageSmoothingEnabled = tiles.canvas.width > side * ratio; // made smaller, lines of one pixel would be lost
        context.drawImage(tiles.canvas, x, y, side, side);
      }
      drawPoints(context);
      if (rings && !plane.map) drawRings(context);
      if (!frame) drawNames(context);
      context.restore();
    }

    /** Stroke the path in ink with an edge in the background's colour, so that it shows on points and on pictures. */
    function strokeTwice(context, width) {
      for (const [wide, colour] of [[width + 2.5, theme("--card")], [width, theme("--ink")]]) {
        context.lineWidth = wide;
        context.strokeStyle = colour;
        context.stroke();
      }
    }

    /** Draw the ellipses of one and two standard deviations of a diagonal Gaussian, projected on the plane. */
    function drawSpread(context, [x, y], logvar) {
      const [a, b] = plane.axes;
      const sum = (p, q) => p.reduce((total, weight, k) => total + weight * q[k] * Math.exp(logvar[k]), 0);
      const [aa, ab, bb] = [sum(a, a), sum(a, b), sum(b, b)];
      const middle = (aa + bb) / 2;
      const apart = Math.hypot((aa - bb) / 2, ab);
      const angle = Math.atan2(2 * ab, aa - bb) / 2;
      for (const deviations of [1, 2]) {
        const radii = [middle + apart, middle - apart].map((v) => deviations * scale() * Math.sqrt(Math.max(0, v)));
        context.setLineDash(deviations === 1 ? [] : [5, 4]);
        context.beginPath();
        context.ellipse(x, y, radii[0], radii[1], -angle, 0, 2 * Math.PI);
        strokeTwice(context, 2);
      }
      context.setLineDash([]);
    }

    function drawMarker(context, z, small) {
      const [x, y] = toScreen(placeOf(z));
      const arm = small ? 3 : 13;
      context.beginPath();
      context.arc(x, y, small ? 5 : 8, 0, 2 * Math.PI);
      for (const [dx, dy] of [[arm, 0], [0, arm]]) {
        context.moveTo(x - dx, y - dy);
        context.lineTo(x + dx, y + dy);
      }
      strokeTwice(context, 2.5);
      return [x, y];
    }

    function paintAll() {
      if (!plane || !canvas.clientWidth) return;
      const ratio = devicePixelRatio || 1;
      if (canvas.width !== Math.round(canvas.clientWidth * ratio)) {
        canvas.width = Math.round(canvas.clientWidth * ratio);
        canvas.height = Math.round(canvas.clientHeight * ratio);
        ground = null;
      }
      if (!ground) paintGround();
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.drawImage(ground, 0, 0);
      context.save();
      context.scale(ratio, ratio);
      const { left, top, size } = area();
      context.beginPath();
      context.rect(left, top, size, size);
      context.clip();
      paintMoving(context);
      context.restore(); // the clip must not outlive this painting
    }

    /** Draw what moves: the walk, the place under the pointer, and the point with its spread. */
    function paintMoving(context) {
      if (state.path && !plane.map) {
        context.beginPath();
        state.path.forEach((z, i) => context[i ? "lineTo" : "moveTo"](...toScreen(project(plane, z))));
        strokeTwice(context, 2);
      }
      if (state.hover) drawMarker(context, state.hover, true);
      if (!state.z) return;
      const place = drawMarker(context, state.z, false);
      if (state.spread && !plane.map) drawSpread(context, place, state.spread);
    }

    let asked = false;
    function repaint() {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        paintAll();
      });
    }
    function redraw() {
      ground = null;
      repaint();
    }

    /** Decode the plane through z in tilesAcross^2 pictures, one pixel of an image apart; a row appears when it is done. */
    async function decodeTiles(z) {
      const own = (tiles = { canvas: document.createElement("canvas"), view });
      own.canvas.width = 0;
      const context = own.canvas.getContext("2d");
      const tile = document.createElement("canvas");
      for (let i = 0; i < tilesAcross * tilesAcross; i++) {
        const [row, column] = [Math.floor(i / tilesAcross), i % tilesAcross];
        const u = own.view.low[0] + ((column + 0.5) / tilesAcross) * own.view.size;
        const v = own.view.low[1] + (1 - (row + 0.5) / tilesAcross) * own.view.size;
        show(tile, await decode(moved(plane, z, [u, v])));
        if (tiles !== own) return;
        if (i === 0) {
          own.canvas.width = tilesAcross * (tile.width + 1) - 1;
          own.canvas.height = tilesAcross * (tile.height + 1) - 1;
          context.fillStyle = GUTTER;
          context.fillRect(0, 0, own.canvas.width, own.canvas.height);
        }
        context.drawImage(tile, column * (tile.width + 1), row * (tile.height + 1));
        if (column === tilesAcross - 1) redraw();
      }
      canvas.dataset.tiles = "done";
    }

    /** Return the index of the code nearest to a position on the screen, or -1 if none is within `reach` CSS pixels. */
    function pointAt([x, y], reach = NEAR) {
      let [found, least] = [-1, reach];
      if (frame) return found;
      points.forEach((point, i) => {
        const [px, py] = toScreen(point);
        const distance = Math.hypot(px - x, py - y);
        if (distance < least) [found, least] = [i, distance];
      });
      return found;
    }

    /** Show the square from `low`, no larger than the whole view and within it. */
    function look(low, size) {
      size = Math.min(whole.size, Math.max(CLOSEST * whole.size, size));
      const kept = low.map((from, axis) => Math.min(whole.low[axis] + whole.size - size, Math.max(whole.low[axis], from)));
      view = { low: kept, size };
      redraw();
      resting();
    }

    return {
      project: (z) => (plane.map ? null : project(plane, z)),
      moved: (z, coordinates) => moved(plane, z, coordinates),
      isMap: () => Boolean(plane.map),
      toPlane,
      inside,
      pointAt,
      placeOnScreen: (z) => toScreen(placeOf(z)),
      step: () => view.size / 60,
      /** Zoom by a factor, so that the place under [x, y] stays there; a factor above 1 enlarges. */
      zoom(factor, at) {
        const size = Math.min(whole.size, Math.max(CLOSEST * whole.size, view.size / factor));
        const fixed = toPlane(at ?? [area().left + area().size / 2, area().top + area().size / 2]);
        look(fixed.map((place, axis) => place - ((place - view.low[axis]) * size) / view.size), size);
      },
      pan: ([dx, dy]) => look([view.low[0] - dx / scale(), view.low[1] + dy / scale()], view.size),
      showAll: () => look(whole.low, whole.size),
      isWhole: () => view.size > 0.999 * whole.size,
      /** The view as numbers [u, v, size], and back. */
      seen: () => [...view.low, view.size],
      see: ([u, v, size]) => look([u, v], size),
      /** Show another plane, all of it; with `keep`, the same map that has grown, and the part of it that is shown. */
      choose(chosen, keep = false) {
        const kept = keep && view.size < 0.999 * whole.size ? view : null;
        plane = chosen;
        points = plane.map ?? codes.map((code) => project(plane, code));
        whole = extent(points, plane.map ? 0 : least);
        view = kept ?? whole;
        tiles = null;
        redraw();
      },
      colour(painted) {
        paint = painted;
        redraw();
      },
      highlight(group) {
        highlighted = group;
        redraw();
      },
      showFrame(shown) {
        frame = shown;
        redraw();
      },
      set(change) {
        state = { ...state, ...change };
        repaint();
      },
      showTiles(z) {
        delete canvas.dataset.tiles;
        tiles = null;
        if (z && !plane.map) decodeTiles(z);
        redraw();
      },
      refresh() {
        canvas.width = 0;
        redraw();
      },
    };
  }

  return { create, visible, project };
})();
