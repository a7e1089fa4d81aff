/* Mouse, pen, fingers and keys on the plane: pointing, choosing, dragging the point, panning and zooming. */
"use strict";

const Pointer = (() => {
  const SLOP = { touch: 10, other: 5 }; // the CSS pixels that a press may move and still be a click
  const GRIP = 14; // the CSS pixels around the current point where a press takes hold of it
  const WHEEL = 0.0016; // the logarithm of the zoom for a unit of the wheel
  const ZOOM = 1.5; // of a button or a key

  /**
   * act: hover (where), leave (), choose (where), drag (where), key (event) -> true if it was used, point () -> the current z.
   * A mouse or a pen that starts on the current point drags it, and pans elsewhere; one finger drags the point, two zoom.
   */
  function create(canvas, view, act) {
    const down = new Map(); // the pointers that are pressed: id -> [x, y]
    let mode = ""; // "press", "pan", "drag" or "pinch"
    let start = null;
    let still = true; // until a press has moved by more than SLOP

    const placeOf = (event) => {
      const bounds = canvas.getBoundingClientRect();
      return [event.clientX - bounds.left, event.clientY - bounds.top];
    };
    const apart = ([a, b], [c, d]) => Math.hypot(a - c, b - d);
    const middle = ([a, b], [c, d]) => [(a + c) / 2, (b + d) / 2];

    function press(event) {
      const where = placeOf(event);
      if (!view.inside(where)) return;
      if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
      down.set(event.pointerId, where);
      start = where;
      still = true;
      if (down.size === 2) mode = "pinch";
      else if (event.pointerType === "touch") mode = "drag";
      else mode = apart(where, view.placeOnScreen(act.point())) < GRIP && !view.isMap() ? "drag" : "press";
    }

    function pinch(event, where) {
      const before = [...down.values()];
      down.set(event.pointerId, where);
      const after = [...down.values()];
      const [from, to] = [middle(...before), middle(...after)];
      view.pan([to[0] - from[0], to[1] - from[1]]);
      view.zoom(apart(...after) / Math.max(1, apart(...before)), to);
    }

    function move(event) {
      const where = placeOf(event);
      const before = down.get(event.pointerId);
      if (!before) return view.inside(where) ? act.hover(where) : act.leave();
      if (mode === "pinch" && down.size === 2) return pinch(event, where);
      down.set(event.pointerId, where);
      if (apart(where, start) > (SLOP[event.pointerType] ?? SLOP.other)) still = false;
      if (mode === "press" && !still) mode = "pan";
      if (mode === "pan") view.pan([where[0] - before[0], where[1] - before[1]]);
      else if (mode === "drag" && !still && view.inside(where)) act.drag(where);
    }

    function release(event) {
      if (!down.delete(event.pointerId)) return;
      if (still && mode !== "pinch" && event.type === "pointerup") act.choose(placeOf(event));
      if (!down.size) mode = "";
      act.rest();
    }

    function turn(event) {
      if (!view.inside(placeOf(event)) || (event.deltaY > 0 && view.isWhole())) return; // the page scrolls on
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      view.zoom(Math.exp(-WHEEL * lines * event.deltaY * (event.ctrlKey ? 6 : 1)), placeOf(event));
    }

    function type(event) {
      const keys = { "+": () => view.zoom(ZOOM), "=": () => view.zoom(ZOOM), "-": () => view.zoom(1 / ZOOM), 0: view.showAll };
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (Object.hasOwn(keys, event.key)) keys[event.key]();
      else if (!act.key(event)) return;
      event.preventDefault();
    }

    canvas.addEventListener("pointerdown", press);
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => down.size || act.leave());
    canvas.addEventListener("wheel", turn, { passive: false });
    canvas.addEventListener("keydown", type);
    Page.byId("zoom-in").addEventListener("click", () => view.zoom(ZOOM));
    Page.byId("zoom-out").addEventListener("click", () => view.zoom(1 / ZOOM));
    Page.byId("zoom-all").addEventListener("click", view.showAll);
  }

  return { create };
})();
