/* The tool "Samples": images decoded from draws of the run's own prior; of a conditional model with the chosen class, or all. */
"use strict";

const Samples = (() => {
  const COUNT = 24;
  const OF_EACH = 6; // the samples of each class, if all classes are shown

  /** here: engine, draw (canvas, pixels), go (z, origin, drawing), give (label), classes, given () -> the chosen class, visible (). */
  function create(here) {
    const { byId, element } = Page;
    const { engine } = here;
    const box = byId("samples");
    if (!box) return { update: () => {} }; // a model without a prior
    const each = byId("each-class");
    let draws = [];
    let made = [];
    let turn = 0;

    const isByClass = () => Boolean(each?.checked);

    /** Make a button for each sample: {canvas, z, label}; label is that of a row, or null for the chosen class. */
    function makeButtons() {
      box.replaceChildren();
      box.classList.toggle("by-class", isByClass());
      const labels = isByClass() ? here.classes.map((_, label) => label) : [null];
      return labels.flatMap((label) => {
        if (label !== null) element("p", box, { textContent: here.classes[label], className: "row-name" });
        const shown = label === null ? draws : draws.slice(0, OF_EACH); // the same draws for each class
        return shown.map((z, i) => makeButton(z, label, i + 1));
      });
    }

    function makeButton(z, label, number) {
      const button = element("button", box, { type: "button" });
      const words = label === null ? `sample ${number}` : `sample ${number} of class ${here.classes[label]}`;
      button.title = `go to ${words}`;
      button.setAttribute("aria-label", button.title);
      button.addEventListener("click", () => {
        if (label !== null) here.give(label);
        here.go(z, "samples");
      });
      return { canvas: element("canvas", button), z, label };
    }

    /** Decode the samples, those without a class of their own with the chosen one; a newer call stops an older one. */
    async function paint() {
      const own = ++turn;
      for (const { canvas, z, label } of made) {
        const pixels = await engine.decode(z, label ?? here.given());
        if (own !== turn) return;
        here.draw(canvas, pixels);
      }
    }

    /** Show this tool: draw at first, or `again`. */
    async function update(again) {
      if (!here.visible()) return;
      const own = ++turn;
      const first = again || !draws.length;
      const drawn = first ? await Promise.all(Array.from({ length: COUNT }, engine.drawPrior)) : draws;
      if (own !== turn) return;
      draws = drawn;
      if (first || made.some(({ label }) => (label !== null) !== isByClass())) made = makeButtons();
      else if (isByClass()) return; // the rows do not depend on the chosen class
      await paint();
    }

    byId("sample-again").addEventListener("click", () => update(true));
    each?.addEventListener("change", () => update(false));
    return { update };
  }

  return { create };
})();
