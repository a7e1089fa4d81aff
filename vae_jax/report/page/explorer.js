/* The explorer: one point z in latent space, moved by the plane, by sliders, along a walk, or by a drawing. */
"use strict";

const Explorer = (() => {
  const NEAREST = 5;
  const STRIP = 10;
  const PATH = 60;
  const SECONDS = 4; // of a walk that is played
  const LARGEST_DRAWING = 12288; // numbers of an image that the address still holds

  const $ = (id) => document.getElementById(id);
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const number = (value, digits = 2) => value.toFixed(digits).replace("-", "−");
  const same = (a, b) => a.every((value, k) => Math.abs(value - b[k]) < 1e-6);

  function element(name, parent, properties = {}) {
    return parent.appendChild(Object.assign(document.createElement(name), properties));
  }

  /** Codes as one array an image. */
  function unpackCodes(packed) {
    const [count, size] = packed.shape;
    const numbers = VaeNetwork.unpack(packed);
    return Array.from({ length: count }, (_, i) => Array.from(numbers.subarray(i * size, (i + 1) * size)));
  }

  /** Means of the codes of every class that there is: [{name, z}]. */
  function classMeans(codes, labels, names) {
    return names
      .map((name, k) => ({ name: `mean of ${name}`, label: k, rows: codes.filter((_, i) => labels[i] === k) }))
      .filter(({ rows }) => rows.length)
      .map(({ name, label, rows }) => ({
        name,
        label,
        z: rows[0].map((_, k) => rows.reduce((sum, row) => sum + row[k], 0) / rows.length),
      }));
  }

  /** Indices of the codes nearest to z, from the nearest on. */
  function nearestTo(codes, z) {
    const distances = codes.map((code) => code.reduce((sum, value, k) => sum + (value - z[k]) ** 2, 0));
    return [...distances.keys()].sort((a, b) => distances[a] - distances[b]).slice(0, NEAREST);
  }

  /** Bytes <-> text that may stand in an address. */
  const toText = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const fromText = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

  async function start(content, networkSource) {
    const { points, planes, dimensions, reach } = content;
    const { shape, latent_dim: size, with_prior: withPrior } = content.network;
    const codes = unpackCodes(points.codes);
    const means = classMeans(codes, points.labels, points.classNames);
    const engine = Engine.start(content.network, networkSource);
    const thumbnail = await Pictures.loadSheet(points.sheet);

    // What the address holds.
    let z = [...content.start];
    let plane = 0;
    let tool = "dimensions";
    let picked = 0;
    const walk = { ends: firstEnds(), way: "straight", t: 0 };
    let drawn = null; // {image, logvar} while z is the code of a drawing

    const nameOf = (i) => (points.labels.length ? points.classNames[points.labels[i]] : "");
    const titleOf = (i) => `test image ${points.rows[i].toLocaleString("en")}${points.labels.length ? ` (class ${nameOf(i)})` : ""}`;

    const view = Plane.create({
      canvas: $("plane"),
      codes,
      labels: points.labels,
      colours: points.colours,
      least: withPrior ? 3 : 0,
      theme: Curves.theme,
      decode: engine.decode,
      show: (canvas, pixels) => Pictures.show(canvas, pixels, shape),
    });

    /** Two classes far apart in the list, as 3 and 7 of ten, else the first and the last image. */
    function firstEnds() {
      if (means.length > 7) return [means[3], means[7]].map(({ label }) => `c${label}`);
      if (means.length > 1) return [means[0], means.at(-1)].map(({ label }) => `c${label}`);
      return ["i0", `i${codes.length - 1}`];
    }

    const showDecoded = Engine.latest(engine.decode, (pixels) => {
      Pictures.show($("decoded"), pixels, shape);
      $("decoded").dataset.shown = String(+($("decoded").dataset.shown ?? 0) + 1);
      const speed = engine.milliseconds();
      $("speed").textContent = `Decoding one image takes ${speed < 0.1 ? "less than 0.1" : speed.toFixed(1)} ms here.`;
    });

    /** What is decoded on the stage, and what is said of it: the point itself, or one under the pointer. */
    function stage(point, title) {
      showDecoded(point);
      const [u, v] = view.project(point);
      const { labels } = planes[plane];
      const short = (label, value) => (label ? `${label.replace(/ \(.*/, "").replace("principal component", "PC")} = ${number(value)}` : "");
      $("where").textContent = [title, [short(labels[0], u), short(labels[1], v)].filter(Boolean).join(", ")].filter(Boolean).join(": ");
    }

    function describePoint() {
      if (drawn) return "the code of your drawing";
      const here = codes.findIndex((code) => same(code, z));
      if (here >= 0) return titleOf(here);
      return same(z, content.start) ? (withPrior ? "the prior's middle" : "the mean code") : "";
    }

    /** Move to a point; `origin` names the tool that did it and need not be told. */
    function go(point, origin = "", drawing = null) {
      z = Array.from(point);
      drawn = drawing;
      view.set({ z, spread: drawing?.logvar ?? null, hover: null });
      stage(z, describePoint());
      showNearest();
      if (origin !== "sliders") sliders.show();
      if (origin !== "walk") stop();
      if (origin !== "tiles" && $("tiles").checked && origin !== "plane") retile();
      remember();
    }

    const retile = delayed(() => view.showTiles($("tiles").checked ? z : null), 250);

    function showNearest() {
      const found = nearestTo(codes, z);
      const box = $("nearest");
      while (box.children.length < found.length) {
        const button = element("button", box, { type: "button" });
        element("canvas", button);
        button.addEventListener("click", () => pick(+button.dataset.index, true));
      }
      found.forEach((i, place) => {
        const button = box.children[place];
        if (button.dataset.index === String(i)) return;
        button.dataset.index = String(i);
        button.title = titleOf(i);
        button.setAttribute("aria-label", `go to ${titleOf(i)}`);
        thumbnail(button.firstChild, i);
      });
    }

    /** Choose a test image; go there too if asked. */
    function pick(index, also) {
      picked = clamp(index, 0, codes.length - 1);
      $("pick").value = picked + 1;
      $("picked-text").textContent = `${titleOf(picked)}, number ${picked + 1} of ${codes.length.toLocaleString("en")} on this page`;
      thumbnail($("picked"), picked);
      if (also) go(codes[picked], "image");
      else remember();
    }

    const sliders = makeSliders();
    makePlane();
    const walking = makeWalk();
    const stop = walking.stop;
    const drawing = makeDrawing();
    makePicker();
    makeTabs();

    function makePlane() {
      const canvas = $("plane");
      const choice = $("plane-choice");
      planes.forEach(({ name }, i) => element("option", choice, { value: i, textContent: name }));
      choice.disabled = planes.length < 2;
      choice.addEventListener("change", () => {
        plane = +choice.value;
        choosePlane();
        remember();
      });
      $("tiles").addEventListener("change", () => {
        view.showTiles($("tiles").checked ? z : null);
        remember();
      });
      points.classNames.forEach((name, k) => {
        if (!points.labels.includes(k) || points.classNames.length > 30) return;
        const item = element("li", $("legend"));
        element("span", item).dataset.colour = points.colours[k];
        item.append(name);
      });

      const place = (event) => {
        const bounds = canvas.getBoundingClientRect();
        return [event.clientX - bounds.left, event.clientY - bounds.top];
      };
      canvas.addEventListener("pointermove", (event) => {
        const where = place(event);
        if (!view.inside(where)) return leave();
        const under = view.pointAt(where);
        const point = under >= 0 ? codes[under] : view.moved(z, view.toPlane(where));
        if (event.buttons && under < 0) return go(point, "plane");
        view.set({ hover: point });
        stage(point, under >= 0 ? titleOf(under) : "under the pointer");
        showTip(under, where);
      });
      const leave = () => {
        $("tip").hidden = true;
        view.set({ hover: null });
        stage(z, describePoint());
      };
      canvas.addEventListener("pointerleave", leave);
      canvas.addEventListener("pointerdown", (event) => {
        const where = place(event);
        if (!view.inside(where)) return;
        const under = view.pointAt(where);
        if (under >= 0) pick(under, true);
        else go(view.moved(z, view.toPlane(where)), "plane");
      });
      canvas.addEventListener("pointerup", () => $("tiles").checked && retile());
      canvas.addEventListener("keydown", (event) => {
        const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
        const step = view.step() * (event.shiftKey ? 5 : 1);
        if (event.key === "Enter") pick(nearestTo(codes, z)[0], true);
        else if (event.key in directions) {
          const [u, v] = view.project(z);
          go(view.moved(z, [u + step * directions[event.key][0], v + step * directions[event.key][1]]), "plane");
        } else return;
        event.preventDefault();
      });
      new ResizeObserver(() => view.refresh()).observe(canvas);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    }

    function repaint() {
      const dark = matchMedia("(prefers-color-scheme: dark)").matches;
      for (const dot of $("legend").querySelectorAll("span")) dot.style.background = Plane.visible(dot.dataset.colour, dark);
      view.refresh();
    }

    function choosePlane() {
      $("plane-choice").value = plane;
      view.choose(planes[plane]);
      view.showTiles($("tiles").checked ? z : null);
      stage(z, describePoint());
    }

    const showTipDecoded = Engine.latest(engine.decode, (pixels) => Pictures.show($("tip-decoded"), pixels, shape));

    /** The image of a point under the pointer, and what the model makes of it. */
    function showTip(index, [x, y]) {
      const tip = $("tip");
      tip.hidden = index < 0;
      if (index < 0) return;
      thumbnail($("tip-image"), index);
      showTipDecoded(codes[index]);
      $("tip-text").textContent = titleOf(index);
      const room = $("plane").clientWidth;
      tip.style.left = `${clamp(x + 14, 0, Math.max(0, room - tip.offsetWidth))}px`;
      tip.style.top = `${y > room / 2 ? y - tip.offsetHeight - 14 : y + 14}px`;
    }

    function makeSliders() {
      const folded = dimensions.filter((one) => !one.active);
      const rows = new Map();
      let touched = dimensions[0].index;
      for (const one of dimensions) {
        const row = element("label", folded.includes(one) ? $("inactive") : $("sliders"), { className: "slider" });
        const name = `z${one.index + 1}`;
        element("span", row, { textContent: name });
        const input = element("input", row, { type: "range", min: -reach, max: reach, step: reach / 400 });
        const carries = one.kl === null ? "" : `${number(one.kl)} nats`;
        input.setAttribute("aria-label", carries ? `${name}, kl ${carries}` : name);
        const output = element("output", row);
        element("small", row, { textContent: carries, title: "kl of this dimension" });
        input.addEventListener("input", () => {
          touched = one.index;
          const point = [...z];
          point[one.index] = +input.value;
          go(point, "sliders");
          output.textContent = number(z[one.index]);
        });
        rows.set(one.index, { input, output });
      }
      $("inactive-box").hidden = !folded.length;
      $("inactive-title").textContent = `${folded.length} inactive dimension${folded.length > 1 ? "s" : ""}`;
      $("sample")?.addEventListener("click", async () => go(await engine.drawPrior(), "sample"));
      $("reset").addEventListener("click", () => go(content.start, "reset"));
      $("others").addEventListener("click", () => {
        const point = [...codes[picked]];
        point[touched] = z[touched];
        go(point, "others");
      });
      $("others").title = "All dimensions but the one moved last take the values of the test image chosen above";
      return {
        show() {
          for (const [k, { input, output }] of rows) {
            input.value = z[k];
            output.textContent = number(z[k]);
          }
        },
      };
    }

    function endPoint(end) {
      const index = +end.slice(1);
      return end[0] === "c" ? means.find(({ label }) => label === index).z : codes[index];
    }

    /** Whether a text of the address names an end that there is. */
    function knownEnd(end) {
      if (!/^[ci]\d+$/.test(end ?? "")) return false;
      const index = +end.slice(1);
      return end[0] === "c" ? means.some(({ label }) => label === index) : index < codes.length;
    }

    function makeWalk() {
      const controls = [
        { select: $("from"), image: $("from-image"), canvas: $("end-a") },
        { select: $("to"), image: $("to-image"), canvas: $("end-b") },
      ];
      controls.forEach(({ select, image }, side) => {
        for (const { name, label } of means) element("option", select, { value: `c${label}`, textContent: name });
        element("option", select, { value: "i", textContent: "test image" });
        image.max = codes.length;
        const change = () => {
          const index = clamp((+image.value || 1) - 1, 0, codes.length - 1);
          walk.ends[side] = select.value === "i" ? `i${index}` : select.value;
          update(true);
        };
        select.addEventListener("change", change);
        image.addEventListener("change", change);
      });
      for (const radio of document.getElementsByName("way")) {
        radio.addEventListener("change", () => {
          walk.way = radio.value;
          update(true);
        });
      }
      $("along").addEventListener("input", () => {
        stop();
        step(+$("along").value);
      });
      const steps = Array.from({ length: STRIP }, (_, i) => {
        const button = element("button", $("strip"), { type: "button" });
        button.setAttribute("aria-label", `step ${i + 1} of ${STRIP}`);
        element("canvas", button);
        button.addEventListener("click", () => {
          stop();
          step(i / (STRIP - 1));
        });
        return button;
      });

      const at = (t) => Walk.at(walk.way, endPoint(walk.ends[0]), endPoint(walk.ends[1]), t);

      function step(t) {
        walk.t = t;
        $("along").value = t;
        steps.forEach((button, i) => button.setAttribute("aria-current", String(Math.abs(i / (STRIP - 1) - t) < 0.5 / STRIP)));
        go(at(t), "walk");
      }

      /** Show the walk as it is now; `also` goes to its point. */
      function update(also) {
        controls.forEach(({ select, image, canvas }, side) => {
          const end = walk.ends[side];
          select.value = end[0] === "i" ? "i" : end;
          image.hidden = end[0] !== "i";
          if (end[0] === "i") {
            image.value = +end.slice(1) + 1;
            thumbnail(canvas, +end.slice(1));
          } else engine.decode(endPoint(end)).then((pixels) => Pictures.show(canvas, pixels, shape));
        });
        for (const radio of document.getElementsByName("way")) radio.checked = radio.value === walk.way;
        $("along").value = walk.t;
        const shown = tool === "walk";
        view.set({ path: shown ? Array.from({ length: PATH + 1 }, (_, i) => at(i / PATH)) : null });
        if (!shown) return;
        steps.forEach((button, i) => {
          engine.decode(at(i / (STRIP - 1))).then((pixels) => Pictures.show(button.firstChild, pixels, shape));
        });
        if (also) step(walk.t);
      }

      let playing = 0;
      function halt() {
        cancelAnimationFrame(playing);
        playing = 0;
        $("play").setAttribute("aria-pressed", "false");
        $("play").textContent = "Play";
      }
      function play() {
        $("play").setAttribute("aria-pressed", "true");
        $("play").textContent = "Pause";
        let before = performance.now();
        let forward = 1;
        const frame = (now) => {
          let t = walk.t + (forward * (now - before)) / (1000 * SECONDS);
          before = now;
          if (t > 1 || t < 0) forward = -forward;
          t = clamp(t, 0, 1);
          step(t);
          playing = requestAnimationFrame(frame);
        };
        playing = requestAnimationFrame(frame);
      }
      $("play").addEventListener("click", () => (playing ? halt() : play()));
      return { update, stop: () => playing && halt() };
    }

    function makeDrawing() {
      const pad = $("pad");
      const context = pad.getContext("2d", { willReadFrequently: true });
      const background = content.framing?.background ?? new Array(shape[2]).fill(0.5);
      const light = background.reduce((a, b) => a + b, 0) / background.length > 0.5;
      const css = `rgb(${[0, 1, 2].map((c) => Math.round(255 * background[shape[2] === 3 ? c : 0])).join(" ")})`;
      pad.width = 280;
      pad.height = Math.round((280 * shape[0]) / shape[1]);
      $("brush").value = clamp(2.4 / shape[1], 0.07, 0.16);
      $("ink").value = light ? "#000000" : "#ffffff";
      $("ink-label").hidden = shape[2] !== 3;
      $("frame-label").hidden = !content.framing;

      function clear() {
        context.fillStyle = css;
        context.fillRect(0, 0, pad.width, pad.height);
      }

      /** The pad's pixels in [0, 1], with the data's channels. */
      function source() {
        const { data } = context.getImageData(0, 0, pad.width, pad.height);
        const channels = shape[2];
        const pixels = new Float32Array(pad.width * pad.height * channels);
        for (let i = 0; i < pad.width * pad.height; i++) {
          for (let c = 0; c < channels; c++) pixels[i * channels + c] = data[4 * i + (channels === 3 ? c : 0)] / 255;
        }
        return { pixels, width: pad.width, height: pad.height, channels };
      }

      const encode = Engine.latest(engine.encode, ({ mean, logvar }, image) => go(mean, "drawing", { image, logvar }));

      function use(image) {
        Pictures.show($("seen"), image, shape);
        encode(image);
      }

      function read() {
        const place = content.framing && $("frame").checked ? Drawing.framed : Drawing.whole;
        use(place(source(), shape, content.framing && $("frame").checked ? content.framing : background));
      }

      let last = null;
      const spot = (event) => {
        const bounds = pad.getBoundingClientRect();
        const scale = pad.width / bounds.width;
        return [(event.clientX - bounds.left) * scale, (event.clientY - bounds.top) * scale];
      };
      function line(from, to) {
        context.strokeStyle = shape[2] === 3 ? $("ink").value : light ? "#000000" : "#ffffff";
        context.lineWidth = $("brush").value * pad.width;
        context.lineCap = context.lineJoin = "round";
        context.beginPath();
        context.moveTo(...from);
        context.lineTo(to[0] + 0.01, to[1]); // a line of no length would leave no dot
        context.stroke();
      }
      pad.addEventListener("pointerdown", (event) => {
        last = spot(event);
        if (event.isTrusted) pad.setPointerCapture(event.pointerId);
        line(last, last);
        read();
      });
      pad.addEventListener("pointermove", (event) => {
        if (!last) return;
        const here = spot(event);
        line(last, here);
        last = here;
        read();
      });
      for (const name of ["pointerup", "pointercancel"]) pad.addEventListener(name, () => (last = null));
      $("clear").addEventListener("click", () => {
        clear();
        Pictures.show($("seen"), Drawing.whole(source(), shape, background), shape);
        go(content.start, "reset");
      });
      $("frame").addEventListener("change", read);
      clear();
      Pictures.show($("seen"), Drawing.whole(source(), shape, background), shape);

      return {
        /** An image of the data's size put on the pad and encoded as it is. */
        restore(image) {
          const small = document.createElement("canvas");
          Pictures.show(small, image, shape);
          context.imageSmoothingEnabled = false;
          context.drawImage(small, 0, 0, pad.width, pad.height);
          use(image);
        },
      };
    }

    function makePicker() {
      $("pick").max = codes.length;
      $("pick").addEventListener("change", () => pick((+$("pick").value || 1) - 1, false));
      $("previous").addEventListener("click", () => pick((picked + codes.length - 1) % codes.length, true));
      $("next").addEventListener("click", () => pick((picked + 1) % codes.length, true));
      $("random").addEventListener("click", () => pick(Math.floor(Math.random() * codes.length), true));
      $("go").addEventListener("click", () => pick(picked, true));
    }

    function makeTabs() {
      const tabs = [...document.querySelectorAll("[role=tab]")];
      tabs.forEach((tab, i) => {
        tab.addEventListener("click", () => {
          choose(tab.id.slice(4));
          remember();
        });
        tab.addEventListener("keydown", (event) => {
          const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
          if (!move) return;
          const next = tabs[(i + move + tabs.length) % tabs.length];
          next.focus();
          next.click();
        });
      });
    }

    function choose(name) {
      tool = name;
      for (const tab of document.querySelectorAll("[role=tab]")) {
        const chosen = tab.id === `tab-${name}`;
        tab.setAttribute("aria-selected", String(chosen));
        tab.tabIndex = chosen ? 0 : -1;
        $(tab.getAttribute("aria-controls")).hidden = !chosen;
      }
      stop();
      walking.update(false);
    }

    /** Call the function once things are quiet for so many milliseconds. */
    function delayed(act, milliseconds) {
      let timer = 0;
      return () => {
        clearTimeout(timer);
        timer = setTimeout(act, milliseconds);
      };
    }

    /** The state as the address's hash; what is at its default is left out. */
    function toHash() {
      const fields = new URLSearchParams();
      const here = codes.findIndex((code) => same(code, z));
      if (plane) fields.set("plane", plane);
      if (tool !== "dimensions") fields.set("tool", tool);
      if ($("tiles").checked) fields.set("decoded", 1);
      if (picked) fields.set("image", picked + 1);
      if (walk.ends.join() !== firstEnds().join()) fields.set("ends", walk.ends.join("-"));
      if (walk.way !== "straight") fields.set("way", walk.way);
      if (walk.t) fields.set("t", +walk.t.toFixed(3));
      if (drawn && drawn.image.length <= LARGEST_DRAWING) {
        fields.set("drawing", toText(Uint8Array.from(drawn.image, (value) => Math.round(255 * value))));
      } else if (here >= 0) fields.set("at", here + 1);
      else if (!same(z, content.start)) fields.set("z", z.map((value) => +value.toFixed(4)).join("_"));
      return fields.toString();
    }

    let written = "";
    const remember = delayed(() => {
      written = toHash();
      history.replaceState(null, "", written ? `#${written}` : location.pathname + location.search);
    }, 150);

    /** Go to the state that the address holds; what it does not say, or says wrongly, takes its default. */
    function fromHash() {
      const text = location.hash.slice(1);
      if (text === written) return;
      const fields = new URLSearchParams(text);
      plane = clamp(Math.trunc(+fields.get("plane") || 0), 0, planes.length - 1);
      $("tiles").checked = fields.get("decoded") === "1";
      pick((Math.trunc(+fields.get("image")) || 1) - 1, false);
      const ends = (fields.get("ends") ?? "").split("-");
      walk.ends = ends.length === 2 && ends.every(knownEnd) ? ends : firstEnds();
      walk.way = fields.get("way") === "spherical" ? "spherical" : "straight";
      walk.t = clamp(+fields.get("t") || 0, 0, 1);
      choosePlane();
      choose($(`tab-${fields.get("tool")}`) ? fields.get("tool") : "dimensions");
      go(pointOf(fields), "hash");
      const image = imageOf(fields.get("drawing"));
      if (image) drawing.restore(image);
    }

    function pointOf(fields) {
      const given = (fields.get("z") ?? "").split("_").map(Number);
      if (fields.has("z") && given.length === size && given.every(Number.isFinite)) return given;
      const at = Math.trunc(+fields.get("at"));
      return at >= 1 && at <= codes.length ? codes[at - 1] : content.start;
    }

    function imageOf(text) {
      try {
        const bytes = fromText(text ?? "");
        return bytes.length === shape[0] * shape[1] * shape[2] ? Float32Array.from(bytes, (byte) => byte / 255) : null;
      } catch {
        return null; // not base64: somebody shortened the address
      }
    }

    $("explorer-body").hidden = false;
    written = null;
    fromHash();
    repaint();
    addEventListener("hashchange", fromHash);
  }

  return { start };
})();
