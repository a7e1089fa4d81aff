/* Curves against the epoch, by uPlot: all charts share their cursor, zoom, log axis and smoothing. */
"use strict";

const Curves = (() => {
  const HEIGHT = 240;
  // Okabe and Ito's colours, then dashes: lines differ without colour too.
  const COLOURS = ["--first", "--second", "--third", "--fourth", "--fifth", "--sixth"];
  const EPOCHS = [1, 2, 5].flatMap((first) => [0, 1, 2, 3, 4, 5, 6].map((power) => first * 10 ** power)).sort((a, b) => a - b);
  const DASHES = [[], [8, 5], [2, 4], [12, 4, 2, 4]];
  const WIDTHS = { seed: 1, mean: 3 };
  const FEW = 30; // epochs, up to which each is marked by a dot
  const MOST_NAMED = 8; // lines, in the box at the pointer

  /** Return the value of a custom property of the page's style. */
  function theme(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function strokeOf(index) {
    const dash = DASHES[Math.floor(index / COLOURS.length) % DASHES.length];
    return { stroke: theme(COLOURS[index % COLOURS.length]), dash };
  }

  /** Convert series, each with its own epochs, to uPlot's columns on the union of all epochs; missing values are undefined. */
  function align(series) {
    const epochs = [...new Set(series.flatMap((one) => one.epochs))].sort((a, b) => a - b);
    const columns = series.map((one) => {
      const known = new Map(one.epochs.map((epoch, i) => [epoch, one.values[i]]));
      return epochs.map((epoch) => known.get(epoch));
    });
    return [epochs, ...columns];
  }

  function format(value) {
    if (value == null) return "";
    return Math.abs(value) >= 1 ? value.toFixed(2) : value.toPrecision(3);
  }

  function epochText(epoch) {
    return `${+epoch.toFixed(3)}`;
  }

  /** Return the chart's text for screen readers. */
  function describe(curve) {
    const lines = curve.series.map((one) => {
      const finite = one.values.filter((value) => value !== null);
      return `${one.name} from ${format(finite[0])} to ${format(finite.at(-1))}`;
    });
    return `${curve.name} against the epoch: ${lines.join("; ")}`;
  }

  /** Return the mean of each value and its neighbours, weighted by a Gaussian of `width` epochs; gaps stay gaps. */
  function smoothed(epochs, values, width) {
    const known = epochs.map((_, i) => i).filter((i) => values[i] != null);
    const out = values.slice();
    let first = 0;
    for (const i of known) {
      while (epochs[i] - epochs[known[first]] > 3 * width) first++;
      let sum = 0;
      let total = 0;
      for (let j = first; j < known.length && epochs[known[j]] - epochs[i] <= 3 * width; j++) {
        const weight = Math.exp(-0.5 * ((epochs[known[j]] - epochs[i]) / width) ** 2);
        sum += weight * values[known[j]];
        total += weight;
      }
      out[i] = sum / total;
    }
    return out;
  }

  /** Return 1 or -1 if all values have this sign and are not 0, so that they have a logarithm; else 0. */
  function signOf(columns) {
    const values = columns.flat().filter((value) => value != null);
    if (!values.length) return 0;
    return values.every((value) => value > 0) ? 1 : values.every((value) => value < 0) ? -1 : 0;
  }

  /** Return round numbers between two positive ones, for a logarithmic axis. */
  function roundBetween(low, high) {
    const found = [];
    if (high / low > 8) {
      const firsts = high / low > 1e4 ? [1] : [1, 2, 5];
      for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
        found.push(...firsts.map((first) => +`${first}e${power}`));
      }
    } else {
      const rough = (high - low) / 4 || low;
      const unit = 10 ** Math.floor(Math.log10(rough));
      const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough);
      for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(+(i * step).toPrecision(12));
    }
    return found.filter((value) => value >= low && value <= high);
  }

  /** Return [function value -> height, options of the y axis] for a logarithmic axis of values that have one sign. */
  function logarithmic(sign) {
    const up = (value) => sign * Math.log10(sign * value);
    const back = (height) => sign * 10 ** (sign * height);
    const splits = (_, __, low, high) => {
      const ends = [Math.abs(back(low)), Math.abs(back(high))].sort((a, b) => a - b);
      return roundBetween(...ends).map((value) => up(sign * value)).sort((a, b) => a - b);
    };
    const values = (_, heights) => heights.map((height) => `${+back(height).toPrecision(6)}`);
    return [up, { splits, values }];
  }

  /** Show a thin line with a label at the best epoch, while it is in the chart. */
  function markBest(chart, best, rises) {
    let mark = chart.over.querySelector(".best");
    if (!mark) {
      mark = chart.over.appendChild(document.createElement("div"));
      mark.className = "best";
      mark.appendChild(document.createElement("span")).textContent = `best epoch ${epochText(best)}`;
    }
    const { min, max } = chart.scales.x;
    mark.hidden = best < min || best > max;
    mark.style.left = `${chart.valToPos(best, "x")}px`;
    mark.classList.toggle("left", best > (min + max) / 2);
    mark.classList.toggle("low", rises);
  }

  /** Return the index nearest to i at which a column has a value; null before its first value and after its last one. */
  function nearest(epochs, column, i) {
    const [before, after] = [-1, 1].map((step) => {
      let j = i;
      while (j >= 0 && j < column.length && column[j] == null) j += step;
      return j;
    });
    if (before < 0 || after >= column.length) return null;
    return epochs[after] - epochs[i] < epochs[i] - epochs[before] ? after : before;
  }

  /** Show the lines' values in a box beside the pointer, the highest first. */
  function showValues(chart, lines, data) {
    let box = chart.over.querySelector(".at-pointer");
    const { idx, left } = chart.cursor;
    if (idx == null || left < 0 || !chart.over.matches(":hover")) return box?.remove();
    if (!box) {
      box = chart.over.appendChild(document.createElement("div"));
      box.className = "at-pointer";
    }
    const shown = lines
      .map((line, i) => ({ line, value: data[i + 1][nearest(data[0], data[i + 1], idx)], on: chart.series[i + 1].show }))
      .filter(({ line, value, on }) => on && value != null && line.role !== "seed")
      .sort((a, b) => b.value - a.value);
    const rows = shown.slice(0, MOST_NAMED).map(({ line, value }) => {
      const row = document.createElement("p");
      const swatch = row.appendChild(document.createElement("i"));
      swatch.style.background = strokeOf(line.place).stroke;
      row.append(`${format(value)}  ${line.name}`);
      return row;
    });
    const head = document.createElement("p");
    head.textContent = `epoch ${epochText(data[0][idx])}`;
    box.replaceChildren(head, ...rows, ...(shown.length > rows.length ? [`and ${shown.length - rows.length} more`] : []));
    box.classList.toggle("left", left > chart.over.clientWidth / 2);
    return undefined;
  }

  /** Return uPlot's series for the lines: what was measured is faint behind a smoothed line, and without a row in the legend. */
  function seriesOf(lines, data, state, smooth) {
    const own = lines.map((one, i) => ({
      label: one.name,
      ...strokeOf(one.place ?? i),
      show: !state.hidden.has(one.group) && !state.hidden.has(one.role),
      width: WIDTHS[one.role] ?? 2,
      alpha: one.role === "seed" ? 0.5 : 1,
      spanGaps: true,
      points: { show: !smooth && !one.role && data[0].length < FEW },
      // Without a pointer the legend shows each line's last value; never a smoothed one.
      value: (chart, _, __, at) => format(chart.cursor.idx == null ? data[i + 1].findLast((value) => value != null) : data[i + 1][at]),
    }));
    const behind = own.map((one, i) => ({ ...one, class: "behind", width: 1, alpha: 0.35, show: one.show && lines[i].role !== "seed" }));
    return smooth ? [...own, ...behind] : own;
  }

  /** Return a chart's options and columns for the current state. */
  function planOf(curve, data, state, width) {
    const smooth = (state.smooth / 100) * (data[0].at(-1) - data[0][0]);
    const sign = state.log ? signOf(data.slice(1)) : 0;
    const [up, ticks] = sign ? logarithmic(sign) : [(value) => value, {}];
    const raw = data.slice(1).map((column) => column.map((value) => (value == null ? value : up(value))));
    const lines = smooth ? [...raw.map((column) => smoothed(data[0], column, smooth)), ...raw] : raw;
    const axis = { stroke: theme("--quiet"), grid: { stroke: theme("--line"), width: 1 }, ticks: { stroke: theme("--line"), width: 1 } };
    const first = data[1].find((value) => value != null);
    const rises = data[1].findLast((value) => value != null) > first;
    const count = data.length - 1;
    const options = {
      title: `${curve.name} (${curve.unit}${state.log && !sign ? "; linear, because values are 0 or have both signs" : ""})`,
      width,
      height: HEIGHT,
      scales: { x: { time: false } },
      legend: { show: !state.together },
      cursor: {
        y: false,
        sync: { key: "curves", scales: ["x", null] },
        dataIdx: (_, i, at) => (i ? nearest(data[0], data[((i - 1) % count) + 1], at) : at),
      },
      series: [
        { label: "epoch", value: (_, value) => (value == null ? `${epochText(data[0].at(-1))}, the last` : epochText(value)) },
        ...seriesOf(curve.series, data, state, smooth),
      ],
      axes: [{ ...axis, incrs: EPOCHS, size: 34 }, { ...axis, size: 64, ...ticks }],
      hooks: {
        draw: [(chart) => state.best != null && markBest(chart, state.best, rises)],
        setCursor: [(chart) => state.together && showValues(chart, curve.series, data)],
        setSeries: [
          (chart, i, { show }) => {
            if (smooth && i && i <= count && show !== undefined) chart.setSeries(i + count, { show });
          },
        ],
      },
    };
    return [options, [data[0], ...lines]];
  }

  /** Draw one chart in its own box; return a function that redraws it in the current state, colours and width. */
  function draw(curve, parent, state) {
    const box = parent.appendChild(document.createElement("div"));
    const place = box.appendChild(document.createElement("div"));
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", describe(curve));
    const data = align(curve.series);
    let chart = null;
    let zoom = null;
    return () => {
      // uPlot knows its scales a moment after it was made.
      if (chart?.scales.x.min != null) zoom = { min: chart.scales.x.min, max: chart.scales.x.max };
      chart?.destroy();
      chart = new uPlot(...planOf(curve, data, state, place.clientWidth), place);
      if (zoom && (zoom.min > data[0][0] || zoom.max < data[0].at(-1))) chart.setScale("x", zoom);
    };
  }

  /** Add the controls of all charts before them: a log axis and smoothing. */
  function addControls(parent, state, all, span) {
    const tools = document.createElement("div");
    tools.className = "chart-tools";
    tools.setAttribute("role", "group");
    tools.setAttribute("aria-label", "All charts");
    tools.innerHTML =
      '<label><input type="checkbox" id="curves-log"> Log axis</label>' +
      '<span><label>Smoothing <input type="range" id="curves-smoothing" min="0" max="10" step="1" value="0"></label>' +
      '<output for="curves-smoothing"></output></span>';
    parent.before(tools);
    const [log, slider] = tools.querySelectorAll("input");
    const text = () => {
      const words = state.smooth ? `over ± ${+((state.smooth / 100) * span).toPrecision(2)} epochs` : "off";
      tools.querySelector("output").textContent = words;
      slider.setAttribute("aria-valuetext", words);
    };
    log.addEventListener("change", () => {
      state.log = log.checked;
      all();
    });
    slider.addEventListener("input", () => {
      state.smooth = Number(slider.value);
      text();
      all();
    });
    text();
  }

  /**
   * Draw all charts; they follow the window's width and the change between light and dark.
   *
   * `best_epoch` is marked in every chart, if there is one. With `together` the page has one legend for all charts: a line's
   * `group` or `role` can be hidden by `toggle` of the returned object, and the values are in a box at the pointer.
   */
  function show(curves, parent, { best_epoch: best = null, together = false } = {}) {
    const state = { best, together, log: false, smooth: 0, hidden: new Set() };
    const draws = curves.map((curve) => draw(curve, parent, state));
    const all = () => draws.forEach((one) => one());
    const epochs = curves.flatMap((curve) => curve.series.flatMap((one) => [one.epochs[0], one.epochs.at(-1)]));
    if (curves.length) addControls(parent, state, all, Math.max(...epochs) - Math.min(...epochs));
    else parent.textContent = "No metric is logged yet.";
    all();
    let width = parent.clientWidth;
    new ResizeObserver(() => {
      if (parent.clientWidth === width) return;
      width = parent.clientWidth;
      all();
    }).observe(parent);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
    const toggle = (group, shown) => {
      state.hidden[shown ? "delete" : "add"](group);
      all();
    };
    return { toggle };
  }

  return { show, theme, strokeOf, smoothed, logarithmic };
})();
