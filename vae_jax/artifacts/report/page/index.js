/* The index of a folder of runs: rows are shown if they hold all words of the search and have a chosen state. */
"use strict";

(() => {
  const rows = [...document.querySelectorAll("table.index tbody tr")];
  const texts = new Map(rows.map((row) => [row, row.dataset.text.toLowerCase()]));
  const search = document.getElementById("search");
  const buttons = [...document.querySelectorAll(".states button")];

  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = new Set(buttons.filter((one) => one.getAttribute("aria-pressed") === "true").map((one) => one.dataset.state));
    let count = 0;
    for (const row of rows) {
      row.hidden = !states.has(row.dataset.state) || !words.every((word) => texts.get(row).includes(word));
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
