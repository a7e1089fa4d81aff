/* Starts the page: the charts, the codes of a model with a codebook, and the explorer or the grid of codes if the page holds the network. */
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const textOf = (name) => document.getElementById(`${name}.js`).textContent;
  Curves.show(data.curves, document.getElementById("charts"), data);
  if (data.codebook) Codebook.show(data.codebook);
  if (data.painter && !data.painter.reason) return void Painter.start(data.painter, { network: textOf("network") });
  if (!data.explorer || data.explorer.reason) return;
  Explorer.start(data.explorer, { network: textOf("network"), tsne: textOf("tsne") });
})();
