/* The colours of the points: by class, by a value such as the reconstruction error, or by group such as a mixture component. */
"use strict";

const Colours = (() => {
  const MOST_NAMES = 30; // the most groups in the legend, and the most whose names are written on the plane
  const UNKNOWN = "#888888"; // of a value that is not a number
  const RAMP = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"]; // five stops of viridis (van der Walt and Smith 2015)

  const parts = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));

  /** Return the colour at a share in [0, 1] of the ramp, as #rrggbb. */
  function ramp(share) {
    const place = Math.min(1, Math.max(0, share)) * (RAMP.length - 1);
    const from = Math.min(RAMP.length - 2, Math.floor(place));
    const [a, b] = [parts(RAMP[from]), parts(RAMP[from + 1])];
    const mixed = a.map((part, i) => Math.round(part + (place - from) * (b[i] - part)));
    return `#${mixed.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
  }

  /** Return the groups of a colouring: the group of each point, their names and their colours; null for one by value. */
  function groupsOf({ kind, groups, names, colours }, points) {
    if (kind === "class") return { of: points.labels, names: points.classNames, colours: points.colours };
    return kind === "group" ? { of: groups, names, colours } : null;
  }

  /**
   * Return what the plane and the legend need for one colouring: colours (one for each point), groups (one number for each
   * point, or null), names (of the groups, to be written on the plane; empty for too many), legend ([{group, name, colour}]),
   * and scale ({low, high, unit}) for a colouring by value.
   */
  function paint(colouring, points, dark) {
    const lit = (colour) => Plane.visible(colour, dark);
    const own = groupsOf(colouring, points);
    if (!own) {
      const values = VaeNetwork.unpack(colouring.values);
      const { low, high, unit } = colouring;
      const share = (value) => (high > low ? (value - low) / (high - low) : 0.5);
      return {
        colours: Array.from(values, (value) => (Number.isFinite(value) ? lit(ramp(share(value))) : UNKNOWN)),
        groups: null,
        names: [],
        legend: [],
        scale: { low, high, unit, stops: RAMP.map(lit) },
      };
    }
    const present = own.names.map((name, group) => ({ group, name, colour: lit(own.colours[group]) }));
    const legend = present.filter(({ group }) => own.of.includes(group));
    const few = legend.length <= MOST_NAMES;
    return {
      colours: own.of.map((group) => lit(own.colours[group % own.colours.length])),
      groups: own.of,
      names: few && colouring.kind === "class" ? own.names : [],
      legend: few ? legend : [],
      scale: null,
    };
  }

  return { paint, ramp };
})();
