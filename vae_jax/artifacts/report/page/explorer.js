/* The explorer: one point z in latent space, moved on the plane, by sliders, along a walk, by a sample, or by a drawing. */
"use strict";

const Explorer = (() => {
  const MOST_MAPPED = 1000; // the most images that t-SNE places; the others lie beside their nearest ones

  async function start(content, sources) {
    const { byId, clamp, element, delayed } = Page;
    const { points, classes } = content; // classes: the names of those that a conditional model is given, else []
    const { shape } = content.network;
    const space = Space.make(content);
    const { codes } = space;
    const planes = [...content.planes];
    if (codes.length > 10 && codes[0].length > 2) planes.push({ name: "t-SNE of the codes", kind: "map" });
    const tools = ["dimensions", "walk", "samples", "draw"].filter((name) => byId(`tab-${name}`));
    const engine = Engine.start(content.network, sources.network);
    const thumbnail = await Pictures.loadSheet(points.sheet);
    const draw = (canvas, pixels) => Pictures.show(canvas, pixels, shape);
    const view = Plane.create({
      canvas: byId("plane"),
      codes,
      least: content.network.with_prior ? 1 : 0, // at least one standard deviation of the prior: the codes may be all alike
      rings: content.network.with_prior && !content.network.prior?.length && !content.network.draws,
      tilesAcross: content.tiles,
      theme: Curves.theme,
      decode: engine.decode,
      show: draw,
      nearest: space.nearest,
      resting: () => (byId("tiles").checked && retile(), remember()),
    });

    // The state that the address holds, with that of the walk and the film.
    let z = [...codes[space.typical]];
    let plane = 0;
    let colour = 0;
    let tool = tools[0];
    let picked = space.typical;
    let given = space.given; // the class that points are decoded with
    let drawn = null; // {image, logvar} while z is the code of a drawing

    const titleOfPoint = () => (drawn ? "the code of your image" : space.nameOf(z, picked));
    const stagePoint = (moving = false) => stage.show(z, { title: titleOfPoint(), label: given, image: drawn?.image, moving });

    /** Move to a point; `origin` names the tool that moved it and already shows it. */
    function go(point, origin, drawing = null) {
      z = Array.from(point);
      drawn = drawing;
      view.set({ z, spread: drawing?.logvar ?? null, hover: null });
      stagePoint(origin === "walk");
      sliders.show();
      if (origin !== "walk") walker.stop();
      if (origin !== "plane" && byId("tiles").checked) retile();
      byId("belongs").textContent = `The tools hold the chosen point${titleOfPoint() ? `: ${titleOfPoint()}` : ""}`;
      placeInset();
      remember();
    }

    /** Keep the decoded image in the corner of the plane away from the point. */
    function placeInset() {
      const [x, y] = view.placeOnScreen(z);
      const side = byId("plane").clientWidth;
      byId("inset").classList.toggle("left", x > 0.6 * side && y < 0.45 * side);
    }

    const showTiles = () => view.showTiles(byId("tiles").checked ? z : null);
    const retile = delayed(showTiles, 250);

    /** Choose a test image, and optionally go to its code. */
    function pick(index, also) {
      picked = clamp(index, 0, codes.length - 1);
      byId("pick").value = picked + 1;
      byId("pick").title = `${space.titleOf(picked)}, number ${picked + 1} of ${codes.length.toLocaleString("en")} on this page`;
      thumbnail(byId("picked"), picked);
      if (also) {
        give(points.labels[picked]);
        go(codes[picked], "image");
      } else remember();
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
      if (!classes.length) return;
      engine.choose(label);
      byId("class-choice").value = label;
      if (label === given) return;
      given = label;
      if (byId("tiles").checked) retile();
      walker.update(false);
      samples.update(false);
      sliders.paintEnds();
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

    /** Return {under, point}: the index of the image at a place on the screen, or -1, and the point of latent space there. */
    function lookUp(where) {
      const under = view.pointAt(where, view.isMap() ? Infinity : undefined);
      return { under, point: under >= 0 ? codes[under] : view.isMap() ? z : view.moved(z, view.toPlane(where)) };
    }

    const act = {
      point: () => z,
      hover(where) {
        const { under, point } = lookUp(where);
        view.set({ hover: point });
        const title = under >= 0 ? space.titleOf(under) : "under the pointer";
        stage.show(point, { title, label: under >= 0 ? points.labels[under] : given, hovering: true });
        showTip(under, where);
      },
      leave: leavePlane,
      choose(where) {
        const { under, point } = lookUp(where);
        if (under >= 0) pick(under, true);
        else go(point, "plane");
      },
      drag: (where) => (view.isMap() ? act.choose(where) : go(view.moved(z, view.toPlane(where)), "plane")),
      rest: () => byId("tiles").checked && retile(),
      key(event) {
        const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
        if (event.key === "Enter") pick(space.nearest(z), true);
        else if (event.key in directions && !view.isMap()) {
          const step = view.step() * (event.shiftKey ? 5 : 1);
          go(view.moved(z, view.project(z).map((value, axis) => value + step * directions[event.key][axis])), "plane");
        } else return false;
        return true;
      },
    };

    function makePlane() {
      const choice = byId("plane-choice");
      planes.forEach(({ name }, i) => element("option", choice, { value: i, textContent: name }));
      choice.disabled = planes.length < 2;
      choice.addEventListener("change", () => {
        choosePlane(+choice.value);
        remember();
      });
      content.colourings.forEach(({ name }, i) => element("option", byId("colour-choice"), { value: i, textContent: name }));
      byId("colour-choice").addEventListener("change", () => {
        chooseColour(+byId("colour-choice").value);
        remember();
      });
      byId("tiles").addEventListener("change", () => {
        showTiles();
        remember();
      });
      Pointer.create(byId("plane"), view, act);
      new ResizeObserver(() => view.refresh()).observe(byId("plane"));
      Page.dark.addEventListener("change", () => {
        chooseColour(colour);
        film.recolour();
      });
    }

    function chooseColour(index) {
      colour = index;
      byId("colour-choice").value = colour;
      view.colour(Colours.paint(content.colourings[colour], points, Page.dark.matches));
      showLegend();
    }

    /** Show the legend of the points; of the film, whose codes always have the colours of their classes. */
    function showLegend() {
      const { labels } = points;
      const shown = film.frame() >= 0 && labels.length ? { kind: "class" } : content.colourings[colour];
      legend.show(Colours.paint(shown, points, Page.dark.matches));
    }

    /** Let t-SNE place the images in the background; the plane shows the map while it grows. */
    function growMap(own) {
      own.map = codes.map((code) => Plane.project(content.planes[0], code));
      const grown = Tsne.inBackground(codes, own.map, MOST_MAPPED, sources.tsne, (map, done) => {
        own.map = map;
        byId("plane").dataset.map = done ? "done" : "growing";
        if (planes[plane] !== own) return;
        view.choose(own, true);
        if (done && own.seen) view.see(own.seen);
        if (done) own.seen = null;
      });
      grown.catch((error) => (byId("where").textContent = `t-SNE failed: ${error.message}`));
    }

    function choosePlane(index) {
      plane = index;
      byId("plane-choice").value = plane;
      if (planes[plane].kind === "map" && !planes[plane].map) growMap(planes[plane]);
      view.choose(planes[plane]);
      byId("tiles").disabled = view.isMap();
      if (plane) film.stop();
      if (plane && film.frame() >= 0) film.show(-1);
      showTiles();
      stagePoint();
    }

    function makeTabs() {
      tools.forEach((name, i) => {
        const tab = byId(`tab-${name}`);
        tab.addEventListener("click", () => {
          chooseTool(name);
          remember();
        });
        tab.addEventListener("keydown", (event) => {
          const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
          if (!move) return;
          const next = byId(`tab-${tools[(i + move + tools.length) % tools.length]}`);
          next.focus();
          next.click();
        });
      });
    }

    function chooseTool(name) {
      tool = name;
      for (const one of tools) {
        const tab = byId(`tab-${one}`);
        tab.setAttribute("aria-selected", String(one === name));
        tab.tabIndex = one === name ? 0 : -1;
        byId(`panel-${one}`).hidden = one !== name;
      }
      walker.stop();
      walker.update(false);
      samples.update(false);
      sliders.paintEnds();
    }

    /** Write links that show what the page can do. */
    function makeLinks() {
      const ends = space.means.length > 1 ? space.firstEnds().map((end) => space.means.find(({ label }) => `c${label}` === end).name) : null;
      const worst = space.worst + 1;
      const last = content.planes.length - 1;
      const links = [
        [`tool=walk&t=0.5${space.means.length > 1 ? "" : "&way=straight"}`, ends ? `walk from the ${ends[0]} to the ${ends[1]}` : "walk between two images"],
        ["decoded=1", "decode the whole plane"],
        content.planes[last].name.includes("discriminants") && [`plane=${last}`, "the plane that separates the classes"],
        byId("tab-samples") && ["tool=samples", "new images from the prior"],
        film.count && ["film=0", "the first step of training"],
        [`image=${worst}&at=${worst}${classes.length ? `&class=${points.labels[space.worst]}` : ""}`, "the worst reconstruction"],
        pad && content.framing && ["tool=draw", "draw by hand"],
      ].filter(Boolean);
      for (const [hash, text] of links) element("a", byId("try"), { href: `#${hash}`, textContent: text });
    }

    let written = null;
    const remember = delayed(() => {
      const state = {
        plane, colour, tool, picked, given, ...walker.state, z,
        seen: planes[plane].seen ?? (view.isWhole() ? null : view.seen()),
        frame: film.frame(),
        decoded: byId("tiles").checked,
        image: drawn?.image,
      };
      written = Address.write(state, space);
      Page.remember(written);
    }, 150);

    /** Restore the state in the address. */
    function follow() {
      const text = location.hash.slice(1);
      if (text === written || (text && byId(text))) return; // the page's own sections keep the view
      film.stop();
      const limits = {
        planes: planes.length, colours: content.colourings.length, frames: film.count, tools, classes: classes.length,
        imageLength: shape[0] * shape[1] * shape[2],
      };
      const state = Address.read(text, space, limits);
      byId("tiles").checked = state.decoded;
      Object.assign(walker.state, { ends: state.ends, way: state.way, t: state.t });
      give(state.given);
      pick(state.picked, false);
      chooseColour(state.colour);
      choosePlane(state.plane);
      film.show(state.plane ? -1 : state.frame);
      if (view.isMap() && byId("plane").dataset.map !== "done") planes[plane].seen = state.seen; // until it has grown
      else if (state.seen) view.see(state.seen);
      chooseTool(state.tool);
      if (state.onWalk) walker.update(true);
      else go(state.z, "address");
      if (state.image) pad?.restore(state.image);
    }

    byId("explorer-body").hidden = false;
    const here = {
      space, engine, view, shape, points, classes, draw, thumbnail, go, give, pick,
      drawPrior: engine.drawPrior,
      point: () => z,
      plane: () => planes[plane],
      chosen: () => picked,
      given: () => given,
    };
    const visible = (name) => () => tool === name;
    const stage = Stage.create(here);
    const legend = Legend.create(here);
    const sliders = Sliders.create({ ...here, visible: visible("dimensions") }, content.dimensions, content.reach, content.kl_parts);
    const walker = Walker.create({ ...here, visible: visible("walk") });
    const samples = Samples.create({ ...here, visible: visible("samples") });
    const pad = byId("tab-draw") && Pad.create({ ...here, open: () => chooseTool("draw") }, content.framing);
    const film = Film.create({ ...here, onFirstPlane: () => plane && choosePlane(0), changed: (turned) => (turned && showLegend(), remember()) }, content.film, content.step);
    makePlane();
    makePicker();
    makeClasses();
    makeTabs();
    makeLinks();
    follow();
    addEventListener("hashchange", follow);
  }

  return { start };
})();
