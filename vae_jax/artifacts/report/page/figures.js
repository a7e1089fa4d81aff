/* Figures: enlarged at a click, and inverted in the dark except for their panels of images. */
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const images = [...document.querySelectorAll(".figures img")];
  if (!images.length) return;

  /** Return the panels of a figure, fractions [left, top, width, height], as one path; zero-width bridges join them. */
  function clipOf(boxes) {
    const corner = (x, y) => `${+(100 * x).toFixed(3)}% ${+(100 * y).toFixed(3)}%`;
    const points = boxes.flatMap(([left, top, width, height]) => [
      corner(0, 0),
      corner(left, top),
      corner(left + width, top),
      corner(left + width, top + height),
      corner(left, top + height),
      corner(left, top),
    ]);
    return `polygon(nonzero, ${points.join(", ")}, 0% 0%)`;
  }

  /** Return a figure as layers: the image, which is inverted in the dark, and the same one above it, cut to its panels. */
  function layersOf(image, boxes) {
    const layers = document.createElement("span");
    layers.className = "layers";
    image.replaceWith(layers);
    layers.append(image);
    if (boxes.length) {
      const panels = document.createElement("span");
      panels.className = "panels";
      panels.style.backgroundImage = `url("${image.src}")`;
      panels.style.clipPath = clipOf(boxes);
      layers.append(panels);
    }
    return layers;
  }

  const dialog = document.body.appendChild(document.createElement("dialog"));
  dialog.className = "lightbox";
  dialog.setAttribute("aria-labelledby", "lightbox-caption");
  dialog.innerHTML =
    '<div class="lightbox-bar"><p id="lightbox-caption" aria-live="polite"></p><button type="button" data-to="-1" aria-label="The figure before">‹</button>' +
    '<button type="button" data-to="1" aria-label="The next figure">›</button>' +
    '<button type="button" data-size aria-pressed="false">Full size</button><button type="button" data-close>Close</button></div>' +
    '<div class="lightbox-stage" tabindex="0" role="region" aria-label="The enlarged figure"></div>';
  const stage = dialog.querySelector(".lightbox-stage");
  const size = dialog.querySelector("[data-size]");
  let shown = 0;

  function full(on) {
    dialog.classList.toggle("full", on);
    size.setAttribute("aria-pressed", String(on));
  }

  function show(index) {
    shown = (index + images.length) % images.length;
    const image = images[shown];
    const copy = image.parentElement.cloneNode(true);
    copy.querySelectorAll("img").forEach((one) => one.removeAttribute("loading"));
    copy.style.setProperty("--width", image.naturalWidth);
    copy.style.setProperty("--height", image.naturalHeight);
    stage.replaceChildren(copy);
    full(false);
    const place = images.length > 1 ? ` (${shown + 1} of ${images.length})` : "";
    dialog.querySelector("p").textContent = `${image.alt}${place}`;
  }

  images.forEach((image, i) => {
    const layers = layersOf(image, data.boxes?.[i] ?? []);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    button.setAttribute("aria-label", `Enlarge: ${image.alt}`);
    layers.replaceWith(button);
    button.append(layers);
    button.addEventListener("click", () => {
      show(i);
      dialog.showModal();
    });
  });
  dialog.querySelectorAll("[data-to]").forEach((button) => {
    button.hidden = images.length < 2;
    button.addEventListener("click", () => show(shown + Number(button.dataset.to)));
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  size.addEventListener("click", () => full(!dialog.classList.contains("full")));
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog || target === stage) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    // In full size the arrows scroll the figure, as long as it has the focus.
    const to = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!to || (dialog.classList.contains("full") && event.target === stage)) return;
    event.preventDefault();
    show(shown + to);
  });
})();
