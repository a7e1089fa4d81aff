/* The explorer: one point z in latent space, moved on the plane, by sliders, along a walk, or by a drawing. */
"use strict";

/** Small functions that every tool needs. */
const Page = {
  byId: (id) => document.getElementById(id),
  clamp: (value, low, high) => Math.min(high, Math.max(low, value)),
  number: (value) => value.toFixed(2).replace("-", "−"),
  element: (name, parent, properties = {}) => parent.appendChild(Object.assign(document.createElement(name), properties)),
  dark: matchMedia("(prefers-color-scheme: dark)"),

  /** Delay a function until it has not been called for so many milliseconds. */
  delayed(act, milliseconds) {
    let timer = 0;
    return () => {
      clearTimeout(timer);
      timer = setTimeout(act, milliseconds);
    };
  },
};

const Explorer = (() => {
  const TOOLS = ["dimensions", "walk", "draw"];
  const MOST_NAMES = 30; // the most classes in the legend
  const { byId, clamp, element, number, delayed } = Page;

  async function start(content, networkSource) {
    const { points, planes, classes } = content; // classes: the names of those that a conditional model is given, else []
    const { shape } = content.network;
    const space = Space.make(content);
    const { codes } = space;
    const engine = Engine.start(content.network, networkSource);
    const thumbnail = await Pictures.loadSheet(points.sheet);
    const draw = (canvas, pixels) => Pictures.show(canvas, pixels, shape);
    const view = Plane.create({
      canvas: byId("plane"),
      codes,
      labels: points.labels,
      colours: points.colours,
      least: content.network.with_prior ? 1 : 0, // at least one standard deviation of the prior: the codes may be all alike
      tilesAcross: content.tiles,
      theme: Curves.theme,
      decode: engine.decode,
      show: draw,
    });

    // The state that the address holds, with that of the walk.
    let z = [...space.start];
    let plane = 0;
    let tool = TOOLS[0];
    let picked = 0;
    let given = 0; // the class that points are decoded with
    let drawn = null; // {image, logvar} while z is the code of a drawing

    const showDecoded = Engine.latest(({ point, label }) => engine.decode(point, label), (pixels) => {
      const canvas = byId("decoded");
      draw(canvas, pixels);
      canvas.dataset.shown = String(+(canvas.dataset.shown ?? 0) + 1);
      const speed = engine.milliseconds();
      byId("speed").textContent = `Decoding one image takes ${speed < 0.1 ? "less than 0.1" : speed.toFixed(1)} ms here.`;
    });

    /** Return a text such as `PC 1 = 0.25`, kept on one line; empty for the second axis of a latent line. */
    function coordinate(label, value) {
      const name = label.replace(/ \(.*/, "").replace("principal component", "PC");
      return label && `${name} = ${number(value)}`.replaceAll(" ", "\u00a0");
    }

    /** Show a decoded point and its caption on the stage: the current point, or the one under the pointer. */
    function stage(point, title, label = given) {
      showDecoded({ point, label });
      const where = view.project(point).map((value, axis) => coordinate(planes[plane].labels[axis], value));
      if (classes.length) where.push(`given\u00a0${classes[label]}`);
      byId("where").textContent = [title, where.filter(Boolean).join(", ")].filter(Boolean).join(": ");
    }

    const stagePoint = () => stage(z, drawn ? "the code of your drawing" : space.nameOf(z));

    /** Move to a point; `origin` names the tool that moved it and already shows it. */
    function go(point, origin, drawing = null) {
      z = Array.from(point);
      drawn = drawing;
      view.set({ z, spread: drawing?.logvar ?? null, hover: null });
      stagePoint();
      showNearest();
      if (origin !== "sliders") sliders.show();
      if (origin !== "walk") walker.stop();
      if (origin !== "plane" && byId("tiles").checked) retile();
      remember();
    }

    const showTiles = () => view.showTiles(byId("tiles").checked ? z : null);
    const retile = delayed(showTiles, 250);

    function showNearest() {
      const box = byId("nearest");
      space.nearestTo(z).forEach((i, place) => {
        const button = box.children[place] ?? makeThumb(box);
        if (button.dataset.index === String(i)) return;
        button.dataset.index = String(i);
        button.title = space.titleOf(i);
        button.setAttribute("aria-label", `go to ${space.titleOf(i)}`);
        thumbnail(button.firstChild, i);
      });
    }

    function makeThumb(box) {
      const button = element("button", box, { type: "button" });
      element("canvas", button);
      button.addEventListener("click", () => pick(+button.dataset.index, true));
      return button;
    }

    /** Choose a test image, and optionally go to its code. */
    function pick(index, also) {
      picked = clamp(index, 0, codes.length - 1);
      byId("pick").value = picked + 1;
      byId("picked-text").textContent =
        `${space.titleOf(picked)}, number ${picked + 1} of ${codes.length.toLocaleString("en")} on this page`;
      thumbnail(byId("picked"), picked);
      if (also) {
        give(points.labels[picked]);
        go(codes[picked], "image");
      }
      else remember();
    }

    function makePicker() {
      byId("pick").max = codes.length;
      byId("pick").addEventListener("change", () => pick((Math.trunc(+byId("pick").value) || 1) - 1, false));
      byId("previous").addEventListener("click", () => pick((picked + codes.length - 1) % codes.length, true));
      byId("next").addEventListener("click", () => pick((picked + 1) % codes.length, true));
      byId("random").addEventListener("click", () => pick(Math.floor(Math.random() * codes.length), true));
      byId("go").addEventListener("click", () => pick(picked, true));
    }

    /** Choose the class that points are decoded with; nothing if the model is not conditional. */
    function give(label) {
      if (!classes.length || label === given) return;
      given = label;
      engine.choose(label);
      byId("class-choice").value = label;
      if (byId("tiles").checked) retile();
      walker.update(false);
    }

    function makeClasses() {
      if (!classes.length) return;
      const choice = byId("class-choice");
      classes.forEach((name, k) => element("option", choice, { value: k, textContent: name }));
      choice.addEventListener("change", async () => {
        give(+choice.value);
        stagePoint();
        remember();
        if (!drawn) return;
        const { image } = drawn; // a drawing is encoded with the class, too
        const { mean, logvar } = await engine.encode(image);
        if (drawn?.image === image) go(mean, "drawing", { image, logvar });
      });
    }

    const decodeImage = (index) => engine.decode(codes[index], points.labels[index]);
    const showTipDecoded = Engine.latest(decodeImage, (pixels) => draw(byId("tip-decoded"), pixels));

    /** Show the image of a point under the pointer, and its reconstruction. */
    function showTip(index, [x, y]) {
      const tip = byId("tip");
      tip.hidden = index < 0;
      if (index < 0) return;
      thumbnail(byId("tip-image"), index);
      showTipDecoded(index);
      byId("tip-text").textContent = space.titleOf(index);
      const room = byId("plane").clientWidth;
      tip.style.left = `${clamp(x + 14, 0, Math.max(0, room - tip.offsetWidth))}px`;
      tip.style.top = `${y > room / 2 ? y - tip.offsetHeight - 14 : y + 14}px`;
    }

    function leavePlane() {
      byId("tip").hidden = true;
      view.set({ hover: null });
      stagePoint();
    }

    function movePointer(event) {
      const where = [event.offsetX, event.offsetY];
      if (!view.inside(where)) return leavePlane();
      const under = view.pointAt(where);
      const point = under >= 0 ? codes[under] : view.moved(z, view.toPlane(where));
      if (event.buttons && under < 0) return go(point, "plane");
      view.set({ hover: point });
      if (under >= 0) stage(point, space.titleOf(under), points.labels[under]);
      else stage(point, "under the pointer");
      showTip(under, where);
    }

    function pressPointer(event) {
      const where = [event.offsetX, event.offsetY];
      if (!view.inside(where)) return;
      const under = view.pointAt(where);
      if (under >= 0) pick(under, true);
      else go(view.moved(z, view.toPlane(where)), "plane");
    }

    function pressKey(event) {
      const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
      if (event.key === "Enter") pick(space.nearestTo(z)[0], true);
      else if (event.key in directions) {
        const step = view.step() * (event.shiftKey ? 5 : 1);
        go(view.moved(z, view.project(z).map((value, axis) => value + step * directions[event.key][axis])), "plane");
      } else return;
      event.preventDefault();
    }

    function makePlane() {
      const canvas = byId("plane");
      const choice = byId("plane-choice");
      planes.forEach(({ name }, i) => element("option", choice, { value: i, textContent: name }));
      choice.disabled = planes.length < 2;
      choice.addEventListener("change", () => {
        choosePlane(+choice.value);
        remember();
      });
      byId("tiles").addEventListener("change", () => {
        showTiles();
        remember();
      });
      canvas.addEventListener("pointermove", movePointer);
      canvas.addEventListener("pointerleave", leavePlane);
      canvas.addEventListener("pointerdown", pressPointer);
      canvas.addEventListener("pointerup", () => byId("tiles").checked && retile());
      canvas.addEventListener("keydown", pressKey);
      new ResizeObserver(() => view.refresh()).observe(canvas);
    }

    function makeLegend() {
      const dots = points.classNames.map((name, k) => {
        if (!points.labels.includes(k) || points.classNames.length > MOST_NAMES) return null;
        const item = element("li", byId("legend"));
        const dot = element("span", item);
        item.append(name);
        return dot;
      });
      const paint = () => {
        dots.forEach((dot, k) => dot && (dot.style.background = Plane.visible(points.colours[k], Page.dark.matches)));
        view.refresh();
      };
      Page.dark.addEventListener("change", paint);
      paint();
    }

    function choosePlane(index) {
      plane = index;
      byId("plane-choice").value = plane;
      view.choose(planes[plane]);
      showTiles();
      stagePoint();
    }

    function makeTabs() {
      TOOLS.forEach((name, i) => {
        const tab = byId(`tab-${name}`);
        tab.addEventListener("click", () => {
          chooseTool(name);
          remember();
        });
        tab.addEventListener("keydown", (event) => {
          const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
          if (!move) return;
          const next = byId(`tab-${TOOLS[(i + move + TOOLS.length) % TOOLS.length]}`);
          next.focus();
          next.click();
        });
      });
    }

    function chooseTool(name) {
      tool = name;
      for (const one of TOOLS) {
        const tab = byId(`tab-${one}`);
        tab.setAttribute("aria-selected", String(one === name));
        tab.tabIndex = one === name ? 0 : -1;
        byId(`panel-${one}`).hidden = one !== name;
      }
      walker.stop();
      walker.update(false);
    }

    let written = null;
    const remember = delayed(() => {
      const state = { plane, tool, decoded: byId("tiles").checked, picked, given, ...walker.state, z, image: drawn?.image };
      written = Address.write(state, space);
      history.replaceState(null, "", written ? `#${written}` : location.pathname + location.search);
    }, 150);

    /** Restore the state in the address. */
    function follow() {
      const text = location.hash.slice(1);
      if (text === written) return;
      const limits = { planes: planes.length, tools: TOOLS, imageLength: shape[0] * shape[1] * shape[2], classes: classes.length };
      const state = Address.read(text, space, limits);
      byId("tiles").checked = state.decoded;
      Object.assign(walker.state, { ends: state.ends, way: state.way, t: state.t });
      give(state.given);
      pick(state.picked, false);
      choosePlane(state.plane);
      chooseTool(state.tool);
      go(state.z, "address");
      if (state.image) pad.restore(state.image);
    }

    byId("explorer-body").hidden = false;
    const here = {
      space, engine, view, shape, draw, thumbnail, go,
      drawPrior: engine.drawPrior,
      point: () => z,
      chosen: () => picked,
      visible: () => tool === "walk",
    };
    const sliders = Sliders.create(here, content.dimensions, content.reach);
    const walker = Walker.create(here);
    const pad = Pad.create(here, content.framing);
    makePlane();
    makePicker();
    makeClasses();
    makeTabs();
    follow();
    makeLegend();
    addEventListener("hashchange", follow);
  }

  return { start };
})();
