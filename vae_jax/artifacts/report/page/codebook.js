/* The codes of a model with a codebook: how often each is used, and which codes stand for some test images. */
"use strict";

const Codebook = (() => {
  const GOLDEN = 137.508; // degrees between the hues of successive codes, so that neighbours differ

  const colourOf = (code) => `hsl(${(code * GOLDEN) % 360} 62% ${42 + ((code * 7) % 3) * 12}%)`;

  /** Draw a bar for each code, most used first. */
  function drawUsage(canvas, counts) {
    const ordered = counts.map((count, code) => ({ count, code })).sort((a, b) => b.count - a.count);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const ratio = devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * ratio, height * ratio];
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const step = width / ordered.length;
    const most = Math.max(1, ordered[0].count);
    ordered.forEach(({ count, code }, i) => {
      context.fillStyle = colourOf(code);
      const high = count ? Math.max(1, ((height - 2) * count) / most) : 0;
      context.fillRect(i * step, height - high, Math.max(0.5, step - (step > 3 ? 1 : 0)), high);
    });
    context.fillStyle = Curves.theme("--line");
    context.fillRect(0, height - 1, width, 1);
  }

  /** Draw a map [h][w] of code numbers, one square each, with the number if there is room; the first one's colour is `first`. */
  function drawMap(canvas, map, first) {
    const [rows, columns] = [map.length, map[0].length];
    const side = Math.max(1, Math.floor(128 / Math.max(rows, columns)));
    [canvas.width, canvas.height] = [columns * side, rows * side];
    const context = canvas.getContext("2d");
    context.font = `${Math.round(side * 0.42)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    map.forEach((codes, row) =>
      codes.forEach((code, column) => {
        context.fillStyle = colourOf(first + code);
        context.fillRect(column * side, row * side, side, side);
        context.fillStyle = "#ffffff";
        if (side >= 24) context.fillText(code, (column + 0.5) * side, (row + 0.5) * side);
      }),
    );
  }

  /** content: {size, levels, used, perplexity, counts, places, images, reconstructions, maps}, as in vae_jax/artifacts/report. */
  async function show(content) {
    const { byId, element } = Page;
    drawUsage(byId("usage"), content.counts);
    const [image, reconstruction] = await Promise.all([content.images, content.reconstructions].map(Pictures.loadSheet));
    content.maps.forEach((map, i) => {
      const figure = element("figure", byId("code-maps"), { className: "codes" });
      const levels = map.map((_, level) => (map.length > 1 ? `its codes of level ${level + 1}` : "its codes"));
      const names = ["test image", ...levels, "its reconstruction"];
      figure.style.gridTemplateColumns = `repeat(${names.length}, 1fr)`;
      const canvases = names.map((name) => {
        const canvas = element("canvas", figure, { title: name });
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `${name} ${i + 1}`);
        return canvas;
      });
      image(canvases[0], i);
      map.forEach((codes, level) => {
        const canvas = canvases[level + 1];
        drawMap(canvas, codes, (level * content.size) / content.levels);
        const text = codes.map((row) => row.join(" ")).join(", ");
        canvas.setAttribute("aria-label", `${levels[level].replace("its ", "")} of test image ${i + 1}: ${text}`);
      });
      reconstruction(canvases[names.length - 1], i);
    });
    const redraw = () => drawUsage(byId("usage"), content.counts);
    new ResizeObserver(redraw).observe(byId("usage"));
    Page.dark.addEventListener("change", redraw);
  }

  return { show, colourOf };
})();
