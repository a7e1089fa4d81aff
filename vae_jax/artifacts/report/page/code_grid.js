/* A grid of codes on a canvas: a mouse, a pen, a finger or the keyboard gives its places codes. */
"use strict";

const CodeGrid = (() => {
  const LEGIBLE = 20; // the least CSS pixels of a place's side in which its code is written

  /**
   * size: {rows, columns, count}, the first `count` places have codes. act: begin () before a stroke; paint (place), replace
   * (place) all codes like that of the place, pick (place) its code, step (place, by) through the codes, undo (), point (place),
   * which is -1 if none is pointed at. Returns show (codes, colours), of each place.
   */
  function create(canvas, { rows, columns, count }, act) {
    const MOVES = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    let [cursor, hovered] = [0, -1];
    let [codes, colours] = [[], []];
    let painting = false;

    function outline(context, place, side, colour, width) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      const [x, y] = [(place % columns) * side[0], Math.floor(place / columns) * side[1]];
      context.strokeRect(x + width / 2, y + width / 2, side[0] - width, side[1] - width);
    }

    function draw() {
      const ratio = devicePixelRatio || 1;
      const [width, height] = [canvas.clientWidth, canvas.clientHeight];
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
      const context = canvas.getContext("2d");
      context.scale(ratio, ratio);
      const side = [width / columns, height / rows];
      context.font = `${Math.round(Math.min(...side) * 0.34)}px system-ui, sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.strokeStyle = "rgb(0 0 0 / 45%)";
      context.lineWidth = 3;
      context.lineJoin = "round";
      codes.forEach((code, place) => {
        const [x, y] = [(place % columns) * side[0], Math.floor(place / columns) * side[1]];
        context.fillStyle = colours[place];
        context.fillRect(x, y, side[0] + 0.5, side[1] + 0.5);
        if (Math.min(...side) < LEGIBLE) return;
        context.strokeText(code, x + side[0] / 2, y + side[1] / 2);
        context.fillStyle = "#ffffff";
        context.fillText(code, x + side[0] / 2, y + side[1] / 2);
      });
      const marked = hovered >= 0 ? hovered : canvas.matches(":focus-visible") ? cursor : -1;
      if (marked < 0) return;
      outline(context, marked, side, "#000000", 4);
      outline(context, marked, side, "#ffffff", 2);
    }

    function placeOf(event) {
      const bounds = canvas.getBoundingClientRect();
      const column = Math.floor(((event.clientX - bounds.left) / bounds.width) * columns);
      const row = Math.floor(((event.clientY - bounds.top) / bounds.height) * rows);
      const place = row * columns + column;
      return column >= 0 && column < columns && row >= 0 && row < rows && place < count ? place : -1;
    }

    function mark(place) {
      if (place === hovered) return;
      hovered = place;
      act.point(place >= 0 ? place : document.activeElement === canvas ? cursor : -1);
      draw();
    }

    canvas.addEventListener("pointerdown", (event) => {
      const place = placeOf(event);
      if (place < 0 || event.button > 0) return;
      cursor = place;
      if (event.altKey) return act.pick(place);
      act.begin();
      if (event.shiftKey) return act.replace(place);
      if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
      painting = true;
      act.paint(place);
    });
    canvas.addEventListener("pointermove", (event) => {
      const place = placeOf(event);
      if (painting && place >= 0 && place !== cursor) act.paint((cursor = place));
      mark(place);
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (painting = false));
    canvas.addEventListener("pointerleave", () => mark(-1));
    for (const name of ["focus", "blur"]) {
      canvas.addEventListener(name, () => {
        act.point(name === "focus" && canvas.matches(":focus-visible") ? cursor : hovered);
        draw();
      });
    }

    /** Move the cursor; a step that would leave the row or the grid is none. */
    function move(by) {
      const next = cursor + by;
      const sameRow = Math.floor(next / columns) === Math.floor(cursor / columns);
      if (next < 0 || next >= count || (Math.abs(by) === 1 && columns > 1 && !sameRow)) return;
      cursor = next;
      act.point(cursor);
      draw();
    }

    function change(act_) {
      act.begin();
      act_(cursor);
    }

    canvas.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "z") act.undo();
      else if (event.ctrlKey || event.metaKey || event.altKey) return;
      else if (event.key in MOVES) move(MOVES[event.key]);
      else if (event.key === "Enter" || event.key === " ") change(event.shiftKey ? act.replace : act.paint);
      else if (event.key === "+" || event.key === "=") change((place) => act.step(place, 1));
      else if (event.key === "-") change((place) => act.step(place, -1));
      else if (event.key === "c") act.pick(cursor);
      else return;
      event.preventDefault();
    });
    new ResizeObserver(draw).observe(canvas);

    function show(shownCodes, shownColours) {
      [codes, colours] = [shownCodes, shownColours];
      draw();
    }
    return { show };
  }

  return { create };
})();
