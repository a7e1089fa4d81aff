/* The tool "Dimensions": a slider for each latent dimension, largest KL first; inactive ones are folded away. */
"use strict";

const Sliders = (() => {
  /**
   * here: space, engine, draw (canvas, pixels), point () -> z, go (z, origin), chosen () -> index of the test image, drawPrior ()
   * -> promise of z, visible () -> true if this tool is shown; dimensions, reach and parts ({name, nats} of a KL that is not by
   * dimension, or null) are those of the page's content. Returns show(), which moves the sliders to the point.
   */
  function create(here, dimensions, reach, parts) {
    const { byId, element, number, delayed } = Page;
    const folded = dimensions.filter((one) => !one.active);
    const most = Math.max(...dimensions.map(({ kl }) => kl ?? 0), 1e-9);
    const rows = new Map();
    let touched = dimensions[0].index;

    function move(index, value) {
      touched = index;
      const point = [...here.point()];
      point[index] = value;
      here.go(point, "sliders");
      showOne(index);
    }

    function bar(parent, name, nats, largest) {
      const cell = element("span", parent, { className: "kl", title: `${name} carries ${number(nats)} nats (its kl)` });
      cell.style.setProperty("--share", Math.max(0, nats) / largest);
      element("span", cell, { textContent: name });
      element("small", cell, { textContent: number(nats) });
    }

    function makeRow({ index, kl, active }) {
      const row = element("div", byId(active ? "sliders" : "inactive"), { className: "slider" });
      const name = `z${index + 1}`;
      if (kl === null) element("span", row, { textContent: name, className: "kl" });
      else bar(row, name, kl, most);
      const low = element("canvas", row, { className: "end", title: `${name} = ${number(-reach)}` });
      const input = element("input", row, { type: "range", min: -reach, max: reach, step: reach / 400 });
      const high = element("canvas", row, { className: "end", title: `${name} = ${number(reach)}` });
      const typed = element("input", row, { type: "number", step: "any" });
      input.setAttribute("aria-label", kl === null ? name : `${name}, kl ${number(kl)} nats`);
      input.title = "double-click: back to the middle";
      typed.setAttribute("aria-label", `value of ${name}`);
      input.addEventListener("input", () => move(index, +input.value));
      input.addEventListener("dblclick", () => move(index, here.space.start[index]));
      typed.addEventListener("change", () => Number.isFinite(typed.valueAsNumber) && move(index, typed.valueAsNumber));
      rows.set(index, { input, typed, low, high, active });
    }
    dimensions.forEach(makeRow);
    byId("inactive-box").hidden = !folded.length;
    byId("inactive-title").textContent = `${folded.length} of ${dimensions.length} dimensions ${
      folded.length > 1 ? "are inactive: they carry" : "is inactive: it carries"
    } almost no information`;
    byId("inactive-box").addEventListener("toggle", () => paintEnds());
    if (parts) {
      byId("parts").hidden = false;
      const largest = Math.max(...parts.map(({ nats }) => nats), 1e-9);
      for (const { name, nats } of parts) bar(byId("parts-list"), name, nats, largest);
    }

    byId("sample")?.addEventListener("click", async () => here.go(await here.drawPrior(), "sample"));
    byId("reset").textContent = here.space.centre[0].toUpperCase() + here.space.centre.slice(1);
    byId("reset").addEventListener("click", () => here.go(here.space.start, "reset"));
    byId("others").title = "All dimensions but the one moved last take the values of the test image chosen above";
    byId("others").addEventListener("click", () => {
      const point = [...here.space.codes[here.chosen()]];
      point[touched] = here.point()[touched];
      here.go(point, "others");
    });

    /** Decode the two ends of each visible slider, the other dimensions at the point; a newer call stops an older one. */
    let turn = 0;
    async function paintAllEnds() {
      const own = ++turn;
      if (!here.visible()) return;
      for (const [k, { low, high, active }] of rows) {
        if (!active && !byId("inactive-box").open) continue;
        for (const [canvas, value] of [[low, -reach], [high, reach]]) {
          const point = [...here.point()];
          point[k] = value;
          const pixels = await here.engine.decode(point);
          if (own !== turn) return;
          here.draw(canvas, pixels);
        }
      }
    }
    const paintEnds = delayed(paintAllEnds, 250);

    function showOne(k) {
      const { input, typed } = rows.get(k);
      const value = here.point()[k];
      input.value = value;
      if (document.activeElement !== typed || !typed.matches(":focus-visible")) typed.value = +value.toFixed(3);
    }

    function show() {
      for (const k of rows.keys()) showOne(k);
      paintEnds();
    }
    return { show, paintEnds };
  }

  return { create };
})();
