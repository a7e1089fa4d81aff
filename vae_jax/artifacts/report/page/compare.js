/* The page of several runs: one legend for all charts, and the planes of codes. */
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const charts = Curves.show(data.curves, document.getElementById("charts"), { together: true });

  /** Add a button that shows and hides lines of all charts. */
  function addToggle(name, hides, place) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    if (place !== undefined) {
      const swatch = button.appendChild(document.createElement("span"));
      swatch.className = "swatch";
      swatch.dataset.place = place;
    }
    button.append(name);
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      charts.toggle(hides, shown);
    });
    document.getElementById("run-legend").append(button);
    return button;
  }

  const toggles = data.groups.map(({ name, place }) => addToggle(name, place, place));
  if (data.several) addToggle("single seeds", "seed");
  if (toggles.length > 3) {
    const all = document.createElement("button");
    all.type = "button";
    all.className = "all";
    all.textContent = "All or none";
    all.addEventListener("click", () => {
      const none = toggles.every((button) => button.getAttribute("aria-pressed") === "true");
      toggles.filter((button) => (button.getAttribute("aria-pressed") === "true") === none).forEach((button) => button.click());
    });
    document.getElementById("run-legend").append(all);
  }

  /** Draw a run's codes, at most as sharp as the screen. */
  function drawCodes(canvas, plane) {
    const size = Math.round((canvas.clientWidth || 200) * Math.min(devicePixelRatio, 2));
    canvas.width = size;
    canvas.height = size;
    const context = canvas.getContext("2d");
    const margin = 0.04 * size;
    const scale = (size - 2 * margin) / 1000;
    context.globalAlpha = 0.85;
    context.strokeStyle = Curves.theme("--card");
    if (dark.matches) context.strokeStyle = "rgb(255 255 255 / 55%)"; // dark colours would vanish
    context.lineWidth = size / 500;
    plane.points.forEach(([x, y], i) => {
      context.fillStyle = plane.labels.length ? plane.colours[plane.labels[i]] : Curves.theme("--first");
      context.beginPath();
      context.arc(margin + scale * x, size - margin - scale * y, Math.max(1.5, size / 130), 0, 7);
      context.fill();
      context.stroke();
    });
  }

  function paint() {
    document.querySelectorAll(".swatch[data-place]").forEach((swatch) => {
      const { stroke, dash } = Curves.strokeOf(Number(swatch.dataset.place));
      swatch.style.borderTop = `4px ${dash.length ? "dashed" : "solid"} ${stroke}`;
    });
    const planes = data.planes.filter(Boolean);
    document.querySelectorAll("canvas.codes").forEach((canvas, i) => drawCodes(canvas, planes[i]));
  }

  document.getElementById("seeds")?.addEventListener("change", ({ target }) => {
    document.querySelectorAll("tr.seed").forEach((row) => (row.hidden = !target.checked));
  });
  paint();
  dark.addEventListener("change", paint);
  new ResizeObserver(paint).observe(document.querySelector(".cards"));
})();
