/* Starts the page: the charts, and the explorer if the page holds the network. */
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  Curves.show(data.curves, document.getElementById("charts"), data);
  if (!data.explorer || data.explorer.reason) return;
  Explorer.start(data.explorer, document.getElementById("network.js").textContent);
})();
