/* The latent space of the page: codes of test images, means of classes, and their names. */
"use strict";

const Space = (() => {
  const NEAREST = 5;

  /** Return the codes as one array per image. */
  function unpackCodes(packed) {
    const [count, size] = packed.shape;
    const numbers = VaeNetwork.unpack(packed);
    return Array.from({ length: count }, (_, i) => Array.from(numbers.subarray(i * size, (i + 1) * size)));
  }

  /** Return the mean code of every class that is present: [{name, label, z}]. */
  function classMeans(codes, labels, names) {
    return names
      .map((name, label) => ({ name: `mean of ${name}`, label, rows: codes.filter((_, i) => labels[i] === label) }))
      .filter(({ rows }) => rows.length)
      .map(({ name, label, rows }) => ({
        name,
        label,
        z: rows[0].map((_, k) => rows.reduce((sum, row) => sum + row[k], 0) / rows.length),
      }));
  }

  /** Return the most frequent label among `indices` and its count, {label, count}. */
  function commonest(labels, indices) {
    const counts = new Map();
    for (const i of indices) counts.set(labels[i], (counts.get(labels[i]) ?? 0) + 1);
    const [label, count] = [...counts].reduce((best, one) => (one[1] > best[1] ? one : best));
    return { label, count };
  }

  /** Make the space from the page's content. An end of a walk is "c3", the mean of class 3, or "i7", image 7 of the page. */
  function make({ points, start, network, classes }) {
    const codes = unpackCodes(points.codes);
    const means = classMeans(codes, points.labels, points.classNames);
    const reach = codes.reduce((most, code) => code.reduce((a, value) => Math.max(a, Math.abs(value)), most), 0);
    const same = (a, b) => a.every((value, k) => Math.abs(value - b[k]) <= 1e-6 * reach);

    function titleOf(i) {
      const number = points.rows[i].toLocaleString("en");
      return `test image ${number}${points.labels.length ? ` (class ${points.classNames[points.labels[i]]})` : ""}`;
    }

    /** Return the index of the image whose code is z, or -1; the preferred one if several have this code. */
    const imageAt = (z, preferred) => (same(codes[preferred], z) ? preferred : codes.findIndex((code) => same(code, z)));

    const learned = network.prior?.length || network.draws; // below another layer, 0 is not the prior's centre
    const centre = !network.with_prior || start.some((value) => value !== 0) ? "mean code" : learned ? "origin (z = 0)" : "centre of the prior (z = 0)";

    /** Return the name of a point, if it has one. */
    function nameOf(z, preferred) {
      const here = imageAt(z, preferred);
      if (here >= 0) return titleOf(here);
      return same(z, start) ? `the ${centre}` : "";
    }

    function distanceOf(i, z) {
      let sum = 0;
      for (let k = 0; k < z.length; k++) sum += (z[k] - codes[i][k]) ** 2;
      return sum;
    }

    /** Return the index of the code nearest to z. */
    function nearest(z) {
      let [found, least] = [0, Infinity];
      for (let i = 0; i < codes.length; i++) {
        const distance = distanceOf(i, z);
        if (distance < least) [found, least] = [i, distance];
      }
      return found;
    }

    /** Return the indices of the images whose codes are nearest to z, nearest first, without the image itself, or -1. */
    function nearestTo(z, itself) {
      const distances = codes.map((_, i) => distanceOf(i, z));
      return [...distances.keys()].filter((i) => i !== itself).sort((a, b) => distances[a] - distances[b]).slice(0, NEAREST);
    }

    const errors = VaeNetwork.unpack(points.errors);
    const ordered = errors.filter(Number.isFinite).toSorted();

    /**
     * Return the index of the first image to show: of those nearest to the mean of a class, or of all without classes, the one
     * whose reconstruction error is nearest to the median of all images.
     */
    function findTypical() {
      if (!means.length) return nearest(codes[0].map((_, k) => codes.reduce((sum, code) => sum + code[k], 0) / codes.length));
      const off = (i) => Math.abs(errors[i] - ordered[ordered.length >> 1]);
      const central = means.map(({ z, label }) => {
        const own = [...codes.keys()].filter((i) => points.labels[i] === label);
        return own.reduce((a, b) => (distanceOf(b, z) < distanceOf(a, z) ? b : a));
      });
      return central.reduce((a, b) => (off(b) < off(a) ? b : a));
    }

    /**
     * Return words such as "looks like 3: 5 of 5 neighbours", if one class has most of them; empty without classes, and for a
     * conditional model, whose z does not hold the class.
     */
    function likeness(indices) {
      if (!points.labels.length || classes.length) return "";
      const { label, count } = commonest(points.labels, indices);
      const names = [...new Set(indices.map((i) => points.classNames[points.labels[i]]))];
      if (2 * count <= indices.length) return `between classes: ${names.join(", ")}`;
      return `looks like ${points.classNames[label]}: ${count} of ${indices.length} neighbours`;
    }

    /** Return the share of test images with a smaller reconstruction error. */
    function shareBelow(error) {
      const above = ordered.findIndex((one) => one >= error);
      return (above < 0 ? ordered.length : above) / Math.max(1, ordered.length);
    }

    /** Return two classes far apart in the list, such as 3 and 7 of ten, else the first and the last image. */
    function firstEnds() {
      if (means.length > 7) return [means[3], means[7]].map(({ label }) => `c${label}`);
      if (means.length > 1) return [means[0], means.at(-1)].map(({ label }) => `c${label}`);
      return ["i0", `i${codes.length - 1}`];
    }

    function endPoint(end) {
      const index = +end.slice(1);
      return end[0] === "c" ? means.find(({ label }) => label === index).z : codes[index];
    }

    /** Return true if a text names an end that exists. */
    function isEnd(text) {
      if (!/^[ci]\d+$/.test(text)) return false;
      const index = +text.slice(1);
      return text[0] === "c" ? means.some(({ label }) => label === index) : index < codes.length;
    }

    const typical = findTypical();
    const worst = Math.max(0, errors.indexOf(ordered.at(-1)));
    const given = classes.length ? points.labels[typical] : 0; // the class of the first view, for a conditional model
    return {
      codes, means, start, centre, given, typical, worst, errors, titleOf, imageAt, nameOf, nearest, nearestTo, likeness, shareBelow,
      firstEnds, endPoint, isEnd, isStart: (z) => same(z, start),
    };
  }

  return { make };
})();
