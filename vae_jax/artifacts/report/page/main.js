/* The page comes to life: charts, and the explorer where the network is in the page. */
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  Curves.show(data.curves, document.getElementById("charts"));
  if (!data.explorer || data.explorer.reason) return;
  Explorer.start(data.explorer, document.getElementById("network.js").textContent);
})();
