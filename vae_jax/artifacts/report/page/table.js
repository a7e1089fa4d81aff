/* Tables that are sorted by a press on a heading: groups of rows (tbody) by their first row, and the rows within each. */
"use strict";

const Table = (() => {
  function valueOf(row, column) {
    return row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  }

  /** Compare two texts as numbers if both are, else as words. */
  function compare(a, b) {
    const numbers = [a, b].map(Number);
    const both = numbers.every((number) => !Number.isNaN(number));
    return both ? numbers[0] - numbers[1] : a.localeCompare(b, "en", { numeric: true });
  }

  function sort(table, column, direction) {
    const kind = (row) => (valueOf(row, column) === "" ? "" : row.cells[column].dataset.kind ?? "");
    const empty = (row) => Number(valueOf(row, column) === "");
    // Numbers of different kinds are not compared: each kind stays together. Empty cells come last in both directions.
    const order = (a, b) =>
      empty(a) - empty(b) || kind(a).localeCompare(kind(b)) || direction * compare(valueOf(a, column), valueOf(b, column));
    const bodies = [...table.tBodies].sort((a, b) => order(a.rows[0], b.rows[0]));
    for (const body of bodies) {
      const rows = [...body.rows];
      const first = body.classList.contains("several") ? rows.splice(0, 1) : [];
      body.append(...first, ...rows.sort(order));
    }
    table.append(...bodies);
  }

  /** Turn the headings of a table into buttons. */
  function start(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (head.classList.contains("plain")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
        sort(table, column, direction);
      });
    });
  }

  document.querySelectorAll("table.sortable").forEach(start);
  document.querySelectorAll(".js").forEach((tools) => (tools.hidden = false));
})();
