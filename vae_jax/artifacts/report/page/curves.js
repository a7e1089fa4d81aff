/* Curves against the epoch, by uPlot: pointing at a curve shows its values, dragging enlarges. */
"use strict";

const Curves = (() => {
  const HEIGHT = 240;
  // Okabe and Ito's colours after the page's own two, then dashes: lines differ without colour too.
  const FURTHER = ["#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
  const EPOCHS = [1, 2, 5].flatMap((first) => [0, 1, 2, 3, 4, 5, 6].map((power) => first * 10 ** power)).sort((a, b) => a - b);
  const DASHES = [[], [8, 5], [2, 4], [12, 4, 2, 4]];

  /** Return the value of a custom property of the page's style. */
  function theme(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function strokeOf(index) {
    const colours = [theme("--first"), theme("--second"), ...FURTHER];
    return { stroke: colours[index % colours.length], dash: DASHES[Math.floor(index / colours.length) % DASHES.length] };
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

  /** Return the chart's text for screen readers. */
  function describe(curve) {
    const lines = curve.series.map((one) => {
      const finite = one.values.filter((value) => value !== null);
      return `${one.name} from ${format(finite[0])} to ${format(finite.at(-1))}`;
    });
    return `${curve.name} against the epoch: ${lines.join("; ")}`;
  }

  /** Draw one chart in its own box; return a function that redraws it in the current colours and width. */
  function draw(curve, parent) {
    const box = parent.appendChild(document.createElement("div"));
    const place = box.appendChild(document.createElement("div"));
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", describe(curve));
    const data = align(curve.series);
    let chart = null;
    return () => {
      if (chart) chart.destroy();
      const axis = { stroke: theme("--quiet"), grid: { stroke: theme("--line"), width: 1 }, ticks: { stroke: theme("--line"), width: 1 } };
      chart = new uPlot(
        {
          title: `${curve.name} (${curve.unit})`,
          width: place.clientWidth,
          height: HEIGHT,
          scales: { x: { time: false } },
          series: [
            { label: "epoch", value: (_, value) => (value == null ? "" : `${+value.toFixed(3)}`) },
            ...curve.series.map((one, i) => ({
              label: one.name,
              ...strokeOf(one.place ?? i),
              width: 2,
              spanGaps: true,
              points: { show: data[0].length < 30 },
              value: (_, value) => format(value),
            })),
          ],
          axes: [{ ...axis, incrs: EPOCHS }, { ...axis, size: 64 }],
        },
        data,
        place,
      );
    };
  }

  /** Draw all charts; they follow the window's width and the change between light and dark. */
  function show(curves, parent) {
    const draws = curves.map((curve) => draw(curve, parent));
    const all = () => draws.forEach((one) => one());
    all();
    let width = parent.clientWidth;
    new ResizeObserver(() => {
      if (parent.clientWidth === width) return;
      width = parent.clientWidth;
      all();
    }).observe(parent);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  }

  return { show, theme };
})();
