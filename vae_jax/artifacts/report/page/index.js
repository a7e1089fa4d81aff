/*
 * The index of a folder of runs: rows are shown if they hold all words of the search and have a chosen state. A word such as
 * latent_dim=2 is a whole entry of the row, so that it does not find latent_dim=20.
 */
"use strict";

(() => {
  const rows = [...document.querySelectorAll("table.index tbody tr")];
  const texts = new Map(rows.map((row) => [row, row.dataset.text.toLowerCase()]));
  const entries = new Map(rows.map((row) => [row, new Set(texts.get(row).split(/\s+/))]));
  const search = document.getElementById("search");
  const buttons = [...document.querySelectorAll(".states button")];

  function holds(row, word) {
    return /=./.test(word) ? entries.get(row).has(word) : texts.get(row).includes(word);
  }

  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = new Set(buttons.filter((one) => one.getAttribute("aria-pressed") === "true").map((one) => one.dataset.state));
    let count = 0;
    for (const row of rows) {
      row.hidden = !states.has(row.dataset.state) || !words.every((word) => holds(row, word));
      count += row.hidden ? 0 : 1;
    }
    document.getElementById("found").textContent = count === rows.length ? `All ${count} shown` : `${count} of ${rows.length} shown`;
  }

  search.addEventListener("input", show);
  buttons.forEach((button) => {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      show();
    });
  });
  show();
})();
