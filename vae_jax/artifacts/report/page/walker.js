/* The tool "Walk": from one test image or class to another, dragged or played. */
"use strict";

const Walker = (() => {
  const STRIP = 10;
  const PATH = 60;
  const SECONDS = 4; // from end to end

  /**
   * here: space, engine, view, draw (canvas, pixels), thumbnail (canvas, index), go (z, origin), visible () -> true
   * if this tool is shown. Returns state {ends, way, t}, update(also), stop().
   */
  function create(here) {
    const { byId, element, clamp } = Page;
    const { space, engine } = here;
    const state = { ends: space.firstEnds(), way: "straight", t: 0 };
    const controls = [
      { select: byId("from"), image: byId("from-image"), canvas: byId("end-a") },
      { select: byId("to"), image: byId("to-image"), canvas: byId("end-b") },
    ];
    const radios = [...document.getElementsByName("way")];
    const at = (t) => Walk.at(state.way, space.endPoint(state.ends[0]), space.endPoint(state.ends[1]), t);
    const decodeOn = async (canvas, z) => here.draw(canvas, await engine.decode(z));

    const steps = Array.from({ length: STRIP }, (_, i) => {
      const button = element("button", byId("strip"), { type: "button" });
      button.setAttribute("aria-label", `step ${i + 1} of ${STRIP}`);
      element("canvas", button);
      button.addEventListener("click", () => {
        stop();
        step(i / (STRIP - 1));
      });
      return button;
    });

    /** Go to the point at t in [0, 1]. */
    function step(t) {
      state.t = t;
      byId("along").value = t;
      steps.forEach((button, i) => button.setAttribute("aria-current", String(Math.abs(i / (STRIP - 1) - t) < 0.5 / STRIP)));
      here.go(at(t), "walk");
    }

    function showEnds() {
      controls.forEach(({ select, image, canvas }, side) => {
        const end = state.ends[side];
        const isImage = end[0] === "i";
        select.value = isImage ? "i" : end;
        image.hidden = !isImage;
        if (!isImage) return decodeOn(canvas, space.endPoint(end));
        image.value = +end.slice(1) + 1;
        here.thumbnail(canvas, +end.slice(1));
      });
    }

    /** Show the current walk; with `also`, go to its point too. */
    function update(also) {
      showEnds();
      for (const radio of radios) radio.checked = radio.value === state.way;
      byId("along").value = state.t;
      const shown = here.visible();
      here.view.set({ path: shown ? Array.from({ length: PATH + 1 }, (_, i) => at(i / PATH)) : null });
      if (!shown) return;
      steps.forEach((button, i) => decodeOn(button.firstChild, at(i / (STRIP - 1))));
      if (also) step(state.t);
    }

    let playing = 0;
    function stop() {
      if (!playing) return;
      cancelAnimationFrame(playing);
      playing = 0;
      byId("play").setAttribute("aria-pressed", "false");
      byId("play").textContent = "Play";
    }
    function play() {
      byId("play").setAttribute("aria-pressed", "true");
      byId("play").textContent = "Pause";
      let before = performance.now();
      let direction = 1;
      const frame = (now) => {
        const t = state.t + (direction * (now - before)) / (1000 * SECONDS);
        before = now;
        if (t > 1 || t < 0) direction = -direction;
        step(clamp(t, 0, 1));
        playing = requestAnimationFrame(frame);
      };
      playing = requestAnimationFrame(frame);
    }

    controls.forEach(({ select, image }, side) => {
      for (const { name, label } of space.means) element("option", select, { value: `c${label}`, textContent: name });
      element("option", select, { value: "i", textContent: "test image" });
      image.max = space.codes.length;
      const change = () => {
        const index = clamp((Math.trunc(+image.value) || 1) - 1, 0, space.codes.length - 1);
        state.ends[side] = select.value === "i" ? `i${index}` : select.value;
        update(true);
      };
      select.addEventListener("change", change);
      image.addEventListener("change", change);
    });
    for (const radio of radios) {
      radio.addEventListener("change", () => {
        state.way = radio.value;
        update(true);
      });
    }
    byId("along").addEventListener("input", () => {
      stop();
      step(+byId("along").value);
    });
    byId("play").addEventListener("click", () => (playing ? stop() : play()));

    return { state, update, stop };
  }

  return { create };
})();
