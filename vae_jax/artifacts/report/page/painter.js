/* The codes of an image as a grid to paint with: the page decodes what is painted, and encodes what is drawn. */
"use strict";

const Painter = (() => {
  const MOST_UNDONE = 200;
  const LONGEST = 4096; // the most codes in an address

  /** content: see `content` in vae_jax/artifacts/report/painter.py. sources: the text of network.js. */
  async function start(content, sources) {
    const { byId, clamp, element, delayed } = Page;
    const { rows, columns, levels, whole, titles, listed } = content;
    const { shape, num_codes: numCodes } = content.network;
    const count = content.codes[0].length / levels; // of places
    const engine = Engine.start(content.network, sources.network);
    const thumbnail = await Pictures.loadSheet(content.images);
    const patch = content.patches && (await Pictures.loadSheet(content.patches));
    const draw = (canvas, pixels) => Pictures.show(canvas, pixels, shape);
    const colourOf = (level, code) => Codebook.colourOf(level * numCodes + code);

    // The state that the address holds, and where the codes come from: {index} of a test image, {image}, pixels, or neither.
    let codes = [...content.codes[content.typical]];
    let picked = content.typical;
    let label = content.labels[picked]; // the class that a conditional model is given; else undefined
    let level = 0;
    const chosen = listed.map(([most]) => most);
    let origin = { index: picked, codes: [...codes], label };
    const undone = [];
    const conditional = content.labels.length > 0;

    const at = (place) => place * levels + level;
    const differing = () => codes.filter((code, i) => code !== origin.codes[i]).length;
    const isOwn = (shown) => shown.label === origin.label && origin.codes.every((code, i) => code === shown.codes[i]);

    const showDecoded = Engine.latest((shown) => engine.decode(shown.codes, shown.label), (pixels, shown) => {
      const canvas = byId("decoded");
      draw(canvas, pixels);
      canvas.dataset.shown = String(+(canvas.dataset.shown ?? 0) + 1);
      const speed = engine.milliseconds();
      byId("speed").textContent = `Decoding one image takes ${speed < 0.1 ? "less than 0.1" : speed.toFixed(1)} ms here.`;
      const error = !isOwn(shown) ? null : origin.image ? Pictures.difference(origin.image, pixels) : content.errors[origin.index];
      byId("error").textContent = error === null || error === undefined ? "\u00a0" : `squared error ${error.toFixed(4)}`;
    });

    function showTitles() {
      const [changed, own] = [differing(), isOwn({ codes, label })];
      const from = origin.image ? "Your image" : origin.index >= 0 ? titles[origin.index] : "";
      byId("original-title").textContent = from ? from[0].toUpperCase() + from.slice(1) : "Codes of no image";
      byId("decoded-title").textContent = from && own ? "Its reconstruction" : "Decoded";
      const source = from ? "its" : "the drawn";
      byId("grid-title").textContent = changed ? `${changed} of ${codes.length} codes changed` : from ? "Its codes" : origin.title;
      byId("restore").disabled = own;
      byId("restore").title = `go back to ${source} codes`;
      byId("undo").disabled = !undone.length;
    }

    function showCodes() {
      const shown = codes.filter((_, i) => i % levels === level);
      grid.show(shown, shown.map((code) => colourOf(level, code)));
      const places = Array.from({ length: rows }, (_, row) => shown.slice(row * columns, (row + 1) * columns).join(" "));
      const words = levels > 1 ? `codes of level ${level + 1}` : "codes";
      byId("grid").setAttribute("aria-label", `${words}, row by row: ${places.join(", ")}`);
    }

    function show() {
      showCodes();
      showTitles();
      showDecoded({ codes: [...codes], label });
      remember();
    }

    function showPalette() {
      const first = listed.slice(0, level).reduce((sum, own) => sum + own.length, 0);
      palette.show(level, listed[level], first, chosen[level]);
      byId("chosen").textContent = `code ${chosen[level]}`;
      byId("chosen").style.setProperty("--code", colourOf(level, chosen[level]));
    }

    function choose(code) {
      chosen[level] = code;
      showPalette();
      remember();
    }

    function chooseLevel(number) {
      level = number;
      for (const radio of byId("levels").querySelectorAll("input")) radio.checked = +radio.value === level;
      showPalette();
      showCodes();
      remember();
    }

    /** Start from other codes; `from` says where they come from. */
    function begin(next, from) {
      // Each stroke of a drawing is no step of its own, unless it replaces codes that were painted.
      if (!(from.image && origin.image) || differing()) store();
      codes = Array.from(next);
      give(from.label ?? label);
      origin = { ...from, codes: [...codes], label };
      show();
    }

    function give(next) {
      label = next;
      engine.choose(label);
      if (conditional) byId("class-choice").value = label;
    }

    function store() {
      undone.push({ codes: [...codes], label, origin });
      if (undone.length > MOST_UNDONE) undone.shift();
    }

    function undo() {
      if (!undone.length) return;
      const state = () => `${codes.join()} ${label}`;
      const before = state();
      do ({ codes, label, origin } = undone.pop());
      while (undone.length && state() === before);
      give(label);
      showOriginal();
      show();
    }

    function showOriginal() {
      byId("original").style.visibility = origin.image || origin.index >= 0 ? "" : "hidden";
      if (origin.image) draw(byId("original"), origin.image);
      else if (origin.index >= 0) thumbnail(byId("original"), origin.index);
    }

    function say(place) {
      const spot = byId("spot");
      spot.hidden = place < 0 || whole;
      const [row, column] = [Math.floor(place / columns), place % columns];
      byId("where").textContent = place < 0 ? "\u00a0" : `${whole ? `variable ${place + 1}` : `row ${row + 1}, column ${column + 1}`}: code ${codes[at(place)]}`;
      Object.assign(spot.style, { left: `${(100 * column) / columns}%`, top: `${(100 * row) / rows}%`, width: `${100 / columns}%`, height: `${100 / rows}%` });
    }

    function put(place, code) {
      if (codes[at(place)] === code) return;
      codes[at(place)] = code;
      say(place);
      show();
    }

    const act = {
      begin: store,
      paint: (place) => put(place, chosen[level]),
      replace(place) {
        const old = codes[at(place)];
        codes = codes.map((code, i) => (i % levels === level && code === old ? chosen[level] : code));
        say(place);
        show();
      },
      pick: (place) => choose(codes[at(place)]),
      step(place, by) {
        const own = listed[level];
        put(place, own[(own.indexOf(codes[at(place)]) + by + own.length) % own.length]);
      },
      undo,
      point: say,
    };

    function pick(index) {
      picked = clamp(index, 0, content.codes.length - 1);
      byId("pick").value = picked + 1;
      byId("pick").title = `${titles[picked]}, number ${picked + 1} of ${titles.length} on this page`;
      begin(content.codes[picked], { index: picked, label: content.labels[picked] });
      showOriginal();
    }

    /** Return one of the draws from a learned prior, whose classes are in turn, of the chosen class. */
    function pickDraw() {
      const asked = byId("class-choice")?.value || null;
      const fitting = content.draws.filter((_, i) => asked === null || i % content.classes.length === +asked);
      return fitting[Math.floor(fitting.length * Math.random())];
    }

    function makeControls() {
      content.classes.forEach((name, k) => element("option", byId("class-choice"), { value: k, textContent: name }));
      if (conditional) {
        byId("class-choice").addEventListener("change", () => {
          store();
          give(+byId("class-choice").value);
          show();
        });
      }
      const total = titles.length;
      byId("pick").max = total;
      byId("pick").addEventListener("change", () => pick((Math.trunc(+byId("pick").value) || 1) - 1));
      byId("previous").addEventListener("click", () => pick((picked + total - 1) % total));
      byId("next").addEventListener("click", () => pick((picked + 1) % total));
      byId("random").addEventListener("click", () => pick(Math.floor(Math.random() * total)));
      byId("undo").addEventListener("click", undo);
      byId("restore").addEventListener("click", () => begin(origin.codes, origin));
      byId("draw-codes").addEventListener("click", async () => {
        const prior = content.draws ? "learned" : "uniform";
        begin(content.draws ? pickDraw() : await engine.drawPrior(), { title: `Drawn from the ${prior} prior` });
        showOriginal();
      });
      byId("save-codes").addEventListener("click", () => {
        Pictures.save("codes.txt", new Blob([`${codes.join("\n")}\n`], { type: "text/plain" }));
      });
      byId("save-image").addEventListener("click", () => byId("decoded").toBlob((blob) => Pictures.save("decoded.png", blob)));
      byId("levels").hidden = levels < 2;
      for (let r = 0; r < levels; r++) {
        const box = element("label", byId("levels"));
        const radio = element("input", box, { type: "radio", name: "level", value: r, checked: !r });
        box.append(` ${r + 1}`);
        radio.addEventListener("change", () => chooseLevel(r));
      }
    }

    let written = null;
    const remember = delayed(() => {
      const fields = new URLSearchParams();
      const changed = codes.some((code, i) => code !== content.codes[picked][i]);
      if (picked !== content.typical) fields.set("image", picked + 1);
      if (level) fields.set("level", level + 1);
      if (chosen[level] !== listed[level][0]) fields.set("code", chosen[level]);
      if (conditional && label !== content.labels[picked]) fields.set("class", label);
      if (changed && codes.length <= LONGEST) fields.set("codes", codes.join("_"));
      written = fields.toString();
      Page.remember(written);
    }, 150);

    /** Restore the state in the address; a missing or invalid field takes its default. */
    function follow() {
      const text = location.hash.slice(1);
      if (text === written || (text && byId(text))) return; // the page's own sections keep the codes
      const fields = new URLSearchParams(text);
      const isCode = (code) => Number.isInteger(code) && code >= 0 && code < numCodes;
      const read = (name) => (fields.has(name) ? Number(fields.get(name)) : NaN);
      const within = (name, most, other) => (read(name) >= 1 && read(name) <= most ? Math.trunc(read(name)) - 1 : other);
      chooseLevel(within("level", levels, 0));
      choose(isCode(read("code")) ? read("code") : listed[level][0]);
      pick(within("image", titles.length, content.typical));
      const given = fields.get("codes")?.split("_").map(Number); // without the field not [0], which one code would take
      if (given?.length === codes.length && given.every(isCode)) codes = given;
      if (conditional && read("class") >= 0 && read("class") < content.classes.length) give(Math.trunc(read("class")));
      show();
      undone.length = 0;
      showTitles();
    }

    byId("explorer-body").hidden = false;
    const [height, width] = shape;
    byId("grid").style.aspectRatio = whole ? `${columns} / ${rows}` : `${width} / ${height}`;
    const grid = CodeGrid.create(byId("grid"), { rows, columns, count }, act);
    const palette = Palette.create(byId("palette"), { patch, colourOf, choose });
    const go = (mean, _, { image }) => {
      begin(mean, { image });
      showOriginal();
    };
    const open = () => byId("panel-draw").scrollIntoView({ block: "nearest" });
    Pad.create({ shape, engine, draw, go, open, space: content, pick: () => pick(picked) }, content.framing);
    makeControls();
    follow();
    say(-1);
    addEventListener("hashchange", follow);
    Page.dark.addEventListener("change", showCodes);
  }

  return { start };
})();
