/* Starts the page: the charts, the explorer if the page holds the network, and the codes of a model with a codebook. */
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const textOf = (name) => document.getElementById(`${name}.js`).textContent;
  Curves.show(data.curves, document.getElementById("charts"), data);
  if (data.codebook) Codebook.show(data.codebook);
  if (!data.explorer || data.explorer.reason) return;
  Explorer.start(data.explorer, { network: textOf("network"), tsne: textOf("tsne") });
})();
