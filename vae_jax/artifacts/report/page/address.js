/* The page's state as the hash of its address, and back. Fields at their default are left out. */
"use strict";

const Address = (() => {
  const LARGEST_DRAWING = 12288; // the most numbers of an image in an address

  /** Bytes <-> base64 text that is safe in an address. */
  const toText = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const fromText = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

  /**
   * state: {plane, colour, seen, frame, tool, decoded, picked, given, ends, way, t, z, image}; seen is the part of the plane
   * that is shown, [u, v, size], or null for all of it; frame is that of the film, or -1; image is that of a drawing, or null.
   */
  function write({ plane, colour, seen, frame, tool, decoded, picked, given, ends, way, t, z, image }, space) {
    const fields = new URLSearchParams();
    const here = space.imageAt(z, picked);
    if (plane) fields.set("plane", plane);
    if (colour) fields.set("colour", colour);
    if (seen) fields.set("seen", joined(seen));
    if (frame >= 0) fields.set("film", frame);
    if (tool !== "dimensions") fields.set("tool", tool);
    if (decoded) fields.set("decoded", 1);
    if (picked !== space.typical) fields.set("image", picked + 1);
    if (given !== space.given) fields.set("class", given);
    if (ends.join() !== space.firstEnds().join()) fields.set("ends", ends.join("-"));
    if (way !== "straight") fields.set("way", way);
    if (t) fields.set("t", +t.toFixed(3));
    if (image && image.length <= LARGEST_DRAWING) {
      fields.set("drawing", toText(Uint8Array.from(image, (value) => Math.round(255 * value))));
    } else if (here >= 0) {
      if (here !== space.typical) fields.set("at", here + 1);
    } else if (space.isStart(z)) fields.set("at", "centre");
    else fields.set("z", joined(z));
    return fields.toString();
  }

  const joined = (numbers) => numbers.map((value) => +value.toFixed(4)).join("_");

  /** Return `count` numbers joined by _, or null if they are not. */
  function split(text, count) {
    const numbers = (text ?? "").split("_").map(Number);
    return text && numbers.length === count && numbers.every(Number.isFinite) ? numbers : null;
  }

  function whole(text, low, high) {
    return Math.min(high, Math.max(low, Math.trunc(+text) || 0));
  }

  function pointOf(fields, space) {
    const given = split(fields.get("z"), space.start.length);
    if (given) return given;
    if (fields.get("at") === "centre") return space.start;
    const at = whole(fields.get("at"), 0, space.codes.length);
    return space.codes[at ? at - 1 : space.typical];
  }

  function imageOf(text, length) {
    try {
      const bytes = fromText(text ?? "");
      return bytes.length === length ? Float32Array.from(bytes, (byte) => byte / 255) : null;
    } catch {
      return null; // not base64: the address was cut off
    }
  }

  /** Read the state from a hash; a missing or invalid field takes its default. */
  function read(text, space, { planes, colours, frames, tools, imageLength, classes }) {
    const fields = new URLSearchParams(text);
    const ends = (fields.get("ends") ?? "").split("-");
    return {
      plane: whole(fields.get("plane"), 0, planes - 1),
      colour: whole(fields.get("colour"), 0, colours - 1),
      seen: split(fields.get("seen"), 3),
      frame: fields.has("film") ? whole(fields.get("film"), -1, frames - 1) : -1,
      tool: tools.includes(fields.get("tool")) ? fields.get("tool") : tools[0],
      decoded: fields.get("decoded") === "1",
      picked: fields.has("image") ? whole(fields.get("image"), 1, space.codes.length) - 1 : space.typical,
      given: fields.has("class") ? whole(fields.get("class"), 0, Math.max(0, classes - 1)) : space.given,
      ends: ends.length === 2 && ends.every(space.isEnd) ? ends : space.firstEnds(),
      way: fields.get("way") === "spherical" ? "spherical" : "straight",
      t: Math.min(1, Math.max(0, +fields.get("t") || 0)),
      z: pointOf(fields, space),
      onWalk: fields.get("tool") === "walk" && +fields.get("t") > 0 && !["z", "at", "drawing"].some((name) => fields.has(name)),
      image: imageOf(fields.get("drawing"), imageLength),
    };
  }

  return { write, read };
})();
