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

  const same = (a, b) => a.every((value, k) => Math.abs(value - b[k]) < 1e-6);

  /** Make the space from the page's content. An end of a walk is "c3", the mean of class 3, or "i7", image 7 of the page. */
  function make({ points, start, network }) {
    const codes = unpackCodes(points.codes);
    const means = classMeans(codes, points.labels, points.classNames);

    function titleOf(i) {
      const number = points.rows[i].toLocaleString("en");
      return `test image ${number}${points.labels.length ? ` (class ${points.classNames[points.labels[i]]})` : ""}`;
    }

    /** Return the index of the image whose code is z, or -1. */
    const imageAt = (z) => codes.findIndex((code) => same(code, z));

    /** Return the name of a point, if it has one. */
    function nameOf(z) {
      const here = imageAt(z);
      if (here >= 0) return titleOf(here);
      if (!same(z, start)) return "";
      if (network.prior?.length || network.draws) return "the origin"; // below another layer, 0 is not the prior's centre
      return network.with_prior ? "the prior's middle" : "the mean code";
    }

    /** Return the indices of the images whose codes are nearest to z, nearest first. */
    function nearestTo(z) {
      const distances = codes.map((code) => code.reduce((sum, value, k) => sum + (value - z[k]) ** 2, 0));
      return [...distances.keys()].sort((a, b) => distances[a] - distances[b]).slice(0, NEAREST);
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

    return { codes, means, start, isStart: (z) => same(z, start), titleOf, imageAt, nameOf, nearestTo, firstEnds, endPoint, isEnd };
  }

  return { make };
})();
