/* The tool "Dimensions": a slider for each latent dimension, largest KL first; inactive ones are folded away. */
"use strict";

const Sliders = (() => {
  /**
   * here: space, point () -> z, go (z, origin), chosen () -> index of the test image, drawPrior () -> promise of z; dimensions
   * and reach are those of the page's content. Returns show(), which moves the sliders to the point.
   */
  function create(here, dimensions, reach) {
    const { byId, element, number } = Page;
    const folded = dimensions.filter((one) => !one.active);
    const rows = new Map();
    let touched = dimensions[0].index;

    for (const one of dimensions) {
      const row = element("label", byId(one.active ? "sliders" : "inactive"), { className: "slider" });
      const name = `z${one.index + 1}`;
      element("span", row, { textContent: name });
      const input = element("input", row, { type: "range", min: -reach, max: reach, step: reach / 400 });
      const carries = one.kl === null ? "" : `${number(one.kl)} nats`;
      input.setAttribute("aria-label", carries ? `${name}, kl ${carries}` : name);
      const output = element("output", row);
      element("small", row, { textContent: carries, title: "kl of this dimension" });
      input.addEventListener("input", () => {
        touched = one.index;
        const point = [...here.point()];
        point[one.index] = +input.value;
        here.go(point, "sliders");
        output.textContent = number(point[one.index]);
      });
      rows.set(one.index, { input, output });
    }
    byId("inactive-box").hidden = !folded.length;
    byId("inactive-title").textContent = `${folded.length} of ${dimensions.length} dimensions ${
      folded.length > 1 ? "are inactive: they carry" : "is inactive: it carries"
    } almost no information`;

    byId("sample")?.addEventListener("click", async () => here.go(await here.drawPrior(), "sample"));
    byId("reset").addEventListener("click", () => here.go(here.space.start, "reset"));
    byId("others").title = "All dimensions but the one moved last take the values of the test image chosen above";
    byId("others").addEventListener("click", () => {
      const point = [...here.space.codes[here.chosen()]];
      point[touched] = here.point()[touched];
      here.go(point, "others");
    });

    function show() {
      const z = here.point();
      for (const [k, { input, output }] of rows) {
        input.value = z[k];
        output.textContent = number(z[k]);
      }
    }
    return { show };
  }

  return { create };
})();
