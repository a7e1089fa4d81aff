/* The film under the plane: the codes of some test images while the model was trained, frame by frame. */
"use strict";

const Film = (() => {
  const SECONDS = 6; // for all frames
  const SLOWEST = 300; // the most milliseconds of a frame

  /**
   * here: view, points, onFirstPlane () which shows the plane that the film was made on, changed (turned), turned being true if
   * the film begins or ends. film: null, or {steps [F], epochs [F] or null, points: packed [F, M, 2], labels [M]}; step: that of
   * the trained model. Returns show (frame, or -1 for the trained model), stop (), recolour (), frame () -> the frame that is
   * shown, or -1, and count.
   */
  function create(here, film, step) {
    const { byId } = Page;
    byId("film").hidden = !film;
    if (!film) return { show: () => {}, stop: () => {}, recolour: () => {}, frame: () => -1, count: 0 };
    const numbers = VaeNetwork.unpack(film.points);
    const count = film.steps.length;
    const size = numbers.length / count / 2;
    const scrubber = byId("frame-number");
    let shown = -1;
    scrubber.max = count - 1;

    const pointsOf = (frame) =>
      Array.from({ length: size }, (_, i) => [numbers[2 * (frame * size + i)], numbers[2 * (frame * size + i) + 1]]);

    function title(frame) {
      const epoch = film.epochs ? ` (epoch ${+film.epochs[frame].toPrecision(3)})` : "";
      return `step ${film.steps[frame].toLocaleString("en")}${epoch}`;
    }

    function show(frame) {
      const turned = frame < 0 !== shown < 0;
      shown = frame;
      if (frame >= 0) here.onFirstPlane();
      const lit = (label) => Plane.visible(here.points.colours[label], Page.dark.matches);
      here.view.showFrame(frame < 0 ? null : { points: pointsOf(frame), colours: film.labels.map(lit), groups: film.labels });
      scrubber.value = frame < 0 ? count - 1 : frame;
      const text = frame < 0 ? `trained: step ${step.toLocaleString("en")}` : title(frame);
      byId("frame-title").textContent = text;
      scrubber.setAttribute("aria-valuetext", text);
      here.changed(turned);
    }

    let playing = 0;
    function stop() {
      clearInterval(playing);
      playing = 0;
      byId("film-play").textContent = "Play the training";
      byId("film-play").setAttribute("aria-pressed", "false");
    }
    function play() {
      byId("film-play").textContent = "Pause";
      byId("film-play").setAttribute("aria-pressed", "true");
      let frame = shown < 0 || shown === count - 1 ? -1 : shown;
      playing = setInterval(() => {
        if (++frame < count - 1) return show(frame);
        stop();
        show(-1); // the last frame is the trained model, with all its points
      }, Math.min(SLOWEST, (1000 * SECONDS) / count));
    }
    byId("film-play").addEventListener("click", () => (playing ? stop() : play()));
    scrubber.addEventListener("input", () => {
      stop();
      show(+scrubber.value === count - 1 ? -1 : +scrubber.value);
    });
    return { show, stop, recolour: () => shown >= 0 && show(shown), frame: () => shown, count };
  }

  return { create };
})();
