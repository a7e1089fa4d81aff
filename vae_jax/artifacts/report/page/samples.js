/* The tool "Samples": images decoded from draws of the run's own prior; of a conditional model with the chosen class, or all. */
"use strict";

const Samples = (() => {
  const COUNT = 24;
  const OF_EACH = 6; // the samples of each class, if all classes are shown
  const MOST_CLASSES = 12;

  /** here: engine, draw (canvas, pixels), go (z, origin, drawing), give (label), classes, given () -> the chosen class, visible (). */
  function create(here) {
    const { byId, element } = Page;
    const { engine } = here;
    const box = byId("samples");
    if (!box) return { update: () => {} }; // a model without a prior
    const each = byId("each-class");
    let draws = [];
    let turn = 0;

    const rows = () => (each?.checked ? here.classes.slice(0, MOST_CLASSES).map((_, label) => label) : [null]);

    async function fill(button, z, label, own) {
      const pixels = await engine.decode(z, label ?? here.given());
      if (own === turn) here.draw(button.firstChild, pixels);
    }

    function makeButton(z, label, number) {
      const button = element("button", box, { type: "button" });
      element("canvas", button);
      const words = label === null ? `sample ${number}` : `sample ${number} of class ${here.classes[label]}`;
      button.title = `go to ${words}`;
      button.setAttribute("aria-label", button.title);
      button.addEventListener("click", () => {
        if (label !== null) here.give(label);
        here.go(z, "samples");
      });
      return button;
    }

    /** Draw anew if there are no draws yet, or `again`; decode them with the current class. */
    async function update(again) {
      if (!here.visible()) return;
      const own = ++turn;
      if (again || !draws.length) draws = await Promise.all(Array.from({ length: COUNT }, engine.drawPrior));
      if (own !== turn) return;
      box.replaceChildren();
      box.classList.toggle("by-class", rows().length > 1);
      for (const label of rows()) {
        if (label !== null) element("p", box, { textContent: here.classes[label], className: "row-name" });
        const shown = label === null ? draws : draws.slice(0, OF_EACH); // the same draws for each class
        shown.forEach((z, i) => fill(makeButton(z, label, i + 1), z, label, own));
      }
    }

    byId("sample-again").addEventListener("click", () => update(true));
    each?.addEventListener("change", () => update(false));
    return { update };
  }

  return { create };
})();
