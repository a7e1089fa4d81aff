/* The network in a worker, so that the page stays responsive while it decodes; on the page itself if no worker can start. */
"use strict";

const Engine = (() => {
  const REMEMBERED = 50;

  /** Draw a standard normal number (Box and Muller 1958). */
  function normal() {
    return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  }

  /** The calls of an engine, made on a network. Its source text, with that of `normal`, is also the worker's. */
  function perform(network, call, argument, label) {
    const begun = performance.now();
    const result = call === "drawPrior" ? network.drawPrior(normal) : network[call](argument, label);
    return { result, ms: performance.now() - begun };
  }

  /** The worker's message loop: the first message is the network's description, all others are calls. */
  function serve() {
    let network = null;
    onmessage = ({ data }) => {
      if (network) postMessage({ id: data.id, ...perform(network, data.call, data.argument, data.label) });
      else network = VaeNetwork.load(data);
    };
  }

  /** Start a worker; networkSource is the text of network.js. Returns (call, argument, label) -> Promise of {result, ms}. */
  function connect(description, networkSource) {
    const source = [networkSource, normal, perform, `(${serve})();`].join("\n");
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    const waiting = new Map();
    let last = 0;
    worker.onmessage = ({ data }) => {
      waiting.get(data.id)(data);
      waiting.delete(data.id);
    };
    worker.postMessage(description);
    return (call, argument, label) =>
      new Promise((resolve) => {
        waiting.set(++last, resolve);
        worker.postMessage({ id: last, call, argument, label });
      });
  }

  function local(description) {
    const network = VaeNetwork.load(description);
    return async (call, argument, label) => perform(network, call, argument, label);
  }

  /**
   * Start an engine: encode(pixels), if the network can, decode(z) and drawPrior() as promises; milliseconds(), the median time of recent decodings.
   * A conditional model encodes and decodes with the class that choose(label) set, or with that of the call.
   */
  function start(description, networkSource) {
    let ask;
    try {
      ask = connect(description, networkSource);
    } catch {
      ask = local(description);
    }
    const times = [];
    let chosen = 0;
    async function decode(z, label = chosen) {
      const { result, ms } = await ask("decode", Float32Array.from(z), label);
      times.push(ms);
      if (times.length > REMEMBERED) times.shift();
      return result;
    }
    return {
      decode,
      choose: (label) => (chosen = label),
      encode: async (pixels) => (await ask("encode", pixels, chosen)).result,
      drawPrior: async () => (await ask("drawPrior")).result,
      milliseconds: () => times.toSorted((a, b) => a - b)[times.length >> 1],
    };
  }

  /** Make a function (argument) -> promise that keeps only the newest waiting call: a later call replaces it. */
  function latest(call, use) {
    let busy = false;
    let next = null;
    return async function ask(argument) {
      next = { argument };
      if (busy) return;
      busy = true;
      while (next) {
        const current = next.argument;
        next = null;
        const result = await call(current);
        if (!next) use(result, current);
      }
      busy = false;
    };
  }

  return { start, latest };
})();
