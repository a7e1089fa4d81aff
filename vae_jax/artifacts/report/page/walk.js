/* Walks between two points of the latent space, as in vae_jax/artifacts/arrays/geometry.py. */
"use strict";

const Walk = (() => {
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const scaled = (a, factor) => a.map((value) => value * factor);
  const straight = (a, b, t) => a.map((value, i) => (1 - t) * value + t * b[i]);

  /** Return the part of b across a, both of length 1; if they are opposite, towards the coordinate axis farthest from both. */
  function across(a, b) {
    const rest = b.map((value, i) => value - dot(a, b) * a[i]);
    if (Math.hypot(...rest) >= 1e-7) return scaled(rest, 1 / Math.hypot(...rest));
    if (dot(a, b) > 0 || a.length === 1) return null;
    const k = a.reduce((least, value, i) => (Math.abs(value) < Math.abs(a[least]) ? i : least), 0);
    const axis = a.map((value, i) => (i === k ? 1 : 0) - a[k] * value);
    return scaled(axis, 1 / Math.hypot(...axis));
  }

  /** Equal steps of the angle; the distance from the origin changes evenly (slerp on a sphere, Shoemake 1985). */
  function spherical(from, to, t) {
    const lengths = [Math.hypot(...from), Math.hypot(...to)];
    if (Math.min(...lengths) === 0) return straight(from, to, t);
    const a = scaled(from, 1 / lengths[0]);
    const b = scaled(to, 1 / lengths[1]);
    const side = across(a, b);
    if (!side) return straight(from, to, t);
    const angle = t * Math.atan2(dot(b, side), dot(a, b));
    const length = (1 - t) * lengths[0] + t * lengths[1];
    return a.map((value, i) => length * (Math.cos(angle) * value + Math.sin(angle) * side[i]));
  }

  /** Return the point at t in [0, 1] on the walk from a to b, arrays of numbers. */
  function at(way, a, b, t) {
    return way === "spherical" ? spherical(a, b, t) : straight(a, b, t);
  }

  return { at };
})();
