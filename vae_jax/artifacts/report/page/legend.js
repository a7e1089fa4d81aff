/* The legend under the plane: a button for each class, which highlights it; a scale for colours by value. */
"use strict";

const Legend = (() => {
  const number = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(2)).replace("-", "−");

  /** here: view. Returns show (painted), which takes the result of Colours.paint. */
  function create(here) {
    const { byId, element } = Page;
    let chosen = -1;

    function highlight(group) {
      here.view.highlight(group);
    }

    function makeButton({ group, name, colour }) {
      const item = element("li", byId("legend"));
      const button = element("button", item, { type: "button" });
      button.setAttribute("aria-pressed", "false");
      button.dataset.group = group;
      element("span", button).style.background = colour;
      button.append(name);
      button.addEventListener("click", () => {
        chosen = chosen === group ? -1 : group;
        for (const other of byId("legend").querySelectorAll("button")) {
          other.setAttribute("aria-pressed", String(+other.dataset.group === chosen));
        }
        highlight(chosen);
      });
      button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && highlight(group));
      button.addEventListener("pointerleave", () => highlight(chosen));
    }

    function makeScale({ low, high, unit, stops }) {
      const item = element("li", byId("legend"), { className: "scale" });
      item.append(number(low));
      element("span", item).style.background = `linear-gradient(to right, ${stops.join(", ")})`;
      item.append(`${number(high)} ${unit}`);
    }

    function show({ legend, scale }) {
      byId("legend").replaceChildren();
      chosen = -1;
      highlight(-1);
      legend.forEach(makeButton);
      if (scale) makeScale(scale);
    }
    return { show };
  }

  return { create };
})();
