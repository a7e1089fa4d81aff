/* The codes to choose from, each with its picture or its colour: a group of radio buttons of which the chosen one is reached. */
"use strict";

const Palette = (() => {
  /**
   * here: patch (canvas, index) or null, colourOf (level, code), choose (code). Returns show (level, codes, first, chosen): `first`
   * is the index of the first code's picture.
   */
  function create(box, here) {
    const { element } = Page;
    let buttons = new Map(); // by code

    function mark(chosen) {
      for (const [code, button] of buttons) {
        button.setAttribute("aria-checked", String(code === chosen));
        button.tabIndex = code === chosen ? 0 : -1;
      }
      if (!buttons.has(chosen) && buttons.size) [...buttons.values()][0].tabIndex = 0;
    }

    function makeButton(level, code, picture) {
      const button = element("button", box, { type: "button", title: `code ${code}` });
      button.setAttribute("role", "radio");
      button.setAttribute("aria-label", `code ${code}`);
      button.style.setProperty("--code", here.colourOf(level, code));
      if (here.patch) here.patch(element("canvas", button), picture);
      element("span", button, { textContent: code });
      button.addEventListener("click", () => here.choose(code));
      return button;
    }

    /** Return how many buttons lie side by side, for the keys that move up and down. */
    function across() {
      const all = [...buttons.values()];
      const below = all.findIndex((button) => button.offsetTop > all[0].offsetTop);
      return below < 0 ? all.length : below;
    }

    box.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -across(), ArrowDown: across }[event.key];
      if (!move) return;
      event.preventDefault();
      const codes = [...buttons.keys()];
      const focused = codes.findIndex((code) => buttons.get(code) === document.activeElement);
      const next = codes[(focused + move() + codes.length) % codes.length];
      here.choose(next);
      buttons.get(next).focus();
    });

    let shown = -1;
    function show(level, codes, first, chosen) {
      if (level !== shown) {
        box.replaceChildren();
        buttons = new Map(codes.map((code, i) => [code, makeButton(level, code, first + i)]));
        shown = level;
      }
      mark(chosen);
    }
    return { show };
  }

  return { create };
})();
