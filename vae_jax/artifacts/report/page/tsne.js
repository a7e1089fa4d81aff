/* t-SNE (van der Maaten and Hinton 2008) of the codes, computed in the page; `run` is also the text of a worker. */
"use strict";

const Tsne = (() => {
  const SHOWN_EVERY = 10; // steps between two maps that are sent to the page

  /** Return squared distances between rows, [N * N]. */
  function squaredDistances(rows) {
    const n = rows.length;
    const d = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) {
        let sum = 0;
        for (let k = 0; k < rows[i].length; k++) sum += (rows[i][k] - rows[j][k]) ** 2;
        d[i * n + j] = d[j * n + i] = sum;
      }
    }
    return d;
  }

  /** Fill `row` with p(j|i), equation 1, for the precision at which its entropy is log(perplexity): found by bisection. */
  function conditional(d, i, n, perplexity, row) {
    let nearest = Infinity;
    for (let j = 0; j < n; j++) if (j !== i) nearest = Math.min(nearest, d[i * n + j]);
    let [low, high, precision] = [0, Infinity, 1];
    for (let attempt = 0; attempt < 60; attempt++) {
      let [sum, weighted] = [0, 0];
      for (let j = 0; j < n; j++) {
        const away = d[i * n + j] - nearest;
        row[j] = j === i ? 0 : Math.exp(-precision * away);
        sum += row[j];
        weighted += row[j] * away;
      }
      for (let j = 0; j < n; j++) row[j] /= sum;
      const excess = Math.log(sum) + (precision * weighted) / sum - Math.log(perplexity);
      if (Math.abs(excess) < 1e-5) return;
      if (excess > 0) low = precision;
      else high = precision;
      precision = high === Infinity ? 2 * precision : (low + high) / 2;
    }
  }

  /** Return the joint similarities p(i, j), [N * N], which sum to 1. */
  function affinities(rows, perplexity) {
    const n = rows.length;
    const d = squaredDistances(rows);
    const row = new Float64Array(n);
    const p = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      conditional(d, i, n, Math.min(perplexity, (n - 1) / 3), row);
      for (let j = 0; j < n; j++) {
        p[i * n + j] += row[j] / (2 * n);
        p[j * n + i] += row[j] / (2 * n);
      }
    }
    return p;
  }

  /** Set the gradients gu and gv [N] of the divergence at (u, v), equation 5, its attraction multiplied by `exaggeration`. */
  function fillGradient(p, [u, v], exaggeration, [gu, gv], kernel) {
    const n = u.length;
    let sum = 0;
    for (let i = 0, at = 0; i < n; i++, at = i * n) {
      for (let j = 0; j < i; j++) {
        const x = u[i] - u[j];
        const y = v[i] - v[j];
        sum += kernel[at + j] = 1 / (1 + x * x + y * y);
      }
    }
    gu.fill(0);
    gv.fill(0);
    for (let i = 0, at = 0; i < n; i++, at = i * n) {
      let a = 0; // sums kept out of the arrays
      let b = 0;
      for (let j = 0; j < i; j++) {
        const q = kernel[at + j];
        const force = 4 * (exaggeration * p[at + j] - q / (2 * sum)) * q;
        const x = force * (u[i] - u[j]);
        const y = force * (v[i] - v[j]);
        a += x;
        b += y;
        gu[j] -= x;
        gv[j] -= y;
      }
      gu[i] += a;
      gv[i] += b;
    }
  }

  /** Return two arrays [N]: the places [[u, v], ...], scaled so that the deviation of u is 1e-4. */
  function startAt(places) {
    const mean = places.reduce((sum, [u]) => sum + u, 0) / places.length;
    const deviation = Math.sqrt(places.reduce((sum, [u]) => sum + (u - mean) ** 2, 0) / places.length) || 1;
    return [0, 1].map((axis) => Float64Array.from(places, (place) => (1e-4 * place[axis]) / deviation));
  }

  /**
   * Call show (map [[u, v], ...], done) while the map of `rows` grows from the places it starts at. An exaggeration of 12 in the
   * first quarter, the gains, the momenta and a learning rate of N / 48, at least 50, are those of scikit-learn.
   */
  function run({ rows, places, steps = 500, perplexity = 30 }, show) {
    const n = rows.length;
    const p = affinities(rows, perplexity);
    const axes = startAt(places);
    const make = (value) => axes.map(() => new Float64Array(n).fill(value));
    const [velocities, gains, gradients] = [make(0), make(1), make(0)];
    const kernel = new Float64Array(n * n);
    const rate = Math.max(50, n / 48);
    for (let step = 1; step <= steps; step++) {
      const early = step <= steps / 4;
      fillGradient(p, axes, early ? 12 : 1, gradients, kernel);
      axes.forEach((values, axis) => {
        const [velocity, gain, gradient] = [velocities[axis], gains[axis], gradients[axis]];
        for (let i = 0; i < n; i++) {
          gain[i] = Math.max(0.01, gradient[i] * velocity[i] < 0 ? gain[i] + 0.2 : 0.8 * gain[i]);
          velocity[i] = (early ? 0.5 : 0.8) * velocity[i] - rate * gain[i] * gradient[i];
          values[i] += velocity[i];
        }
      });
      if (step % SHOWN_EVERY === 0 || step === steps) show(Array.from(axes[0], (u, i) => [u, axes[1][i]]), step === steps);
    }
  }

  /** Return for every code the numbers of the chosen codes (every `every`-th) amid which it is placed: itself, or the three nearest. */
  function besides(codes, every) {
    const chosen = codes.filter((_, i) => i % every === 0);
    const distance = (a, b) => a.reduce((sum, value, k) => sum + (value - b[k]) ** 2, 0);
    return codes.map((code, i) => {
      if (i % every === 0) return [i / every];
      const distances = chosen.map((other) => distance(code, other));
      return [...distances.keys()].sort((a, b) => distances[a] - distances[b]).slice(0, 3);
    });
  }

  /** Call show (map of all codes, done) as it grows: at most `most` codes are placed by t-SNE, the others amid their nearest ones. */
  function grow({ codes, places, most }, show) {
    const every = Math.ceil(codes.length / most);
    const amid = besides(codes, every);
    const first = (_, i) => i % every === 0;
    run({ rows: codes.filter(first), places: places.filter(first) }, (map, done) => {
      show(amid.map((own) => [0, 1].map((axis) => own.reduce((sum, i) => sum + map[i][axis], 0) / own.length)), done);
    });
  }

  /** Grow in a worker; `source` is the text of this file. Returns a promise that is rejected if the worker fails. */
  function inBackground(codes, places, most, source, show) {
    const serve = "onmessage = ({ data }) => Tsne.grow(data, (map, done) => postMessage({ map, done }));";
    return new Promise((resolve, reject) => {
      const worker = new Worker(URL.createObjectURL(new Blob([source, serve], { type: "text/javascript" })));
      worker.onerror = reject;
      worker.onmessage = ({ data: { map, done } }) => {
        show(map, done);
        if (!done) return;
        worker.terminate();
        resolve();
      };
      worker.postMessage({ codes, places, most });
    });
  }

  return { run, affinities, fillGradient, grow, inBackground };
})();
