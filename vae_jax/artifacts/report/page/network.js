/**
 * Encodes, decodes and draws from the prior of a model that vae_jax.artifacts.report.embedded_model embedded.
 *
 * A classic script that defines one global, VaeNetwork; it touches no page, so it also runs in a worker and in node.
 * Images are [H, W, C] and flattening keeps that order, as in JAX, so every array is flat and a reshape does nothing.
 * Each layer is compiled once into a function from its input to its own buffer: an evaluation allocates only the result.
 */
globalThis.VaeNetwork = (() => {
  "use strict";

  /** Return the number of elements of a shape. */
  function count(shape) {
    return shape.reduce((product, size) => product * size, 1);
  }

  /** Return all 65,536 float16 numbers by their bits, Float32Array: older browsers have no float16. */
  function halfTable() {
    const table = new Float32Array(65536);
    for (let bits = 0; bits < 65536; bits++) {
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      let size;
      if (exponent === 0) size = fraction * 2 ** -24;
      else if (exponent === 31) size = fraction ? NaN : Infinity;
      else size = (1 + fraction / 1024) * 2 ** (exponent - 15);
      table[bits] = bits & 32768 ? -size : size;
    }
    return table;
  }

  /** Return the bytes of a base64 string. */
  function decodeBase64(text) {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  }

  /** Convert little-endian bytes of "float16" or "float32" numbers to Float32Array, for any byte order of the machine. */
  function decodeNumbers(bytes, dtype) {
    if (dtype === "float16") {
      const table = halfTable();
      const numbers = new Float32Array(bytes.length >> 1);
      for (let i = 0; i < numbers.length; i++) numbers[i] = table[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
      return numbers;
    }
    if (dtype !== "float32") throw new Error(`unknown dtype of weights: ${dtype}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const numbers = new Float32Array(bytes.length >> 2);
    for (let i = 0; i < numbers.length; i++) numbers[i] = view.getFloat32(4 * i, true);
    return numbers;
  }

  /** Return a layer's arrays by name, as views of the weights. */
  function viewArrays(layer, weights) {
    const views = {};
    for (const [name, { offset, shape }] of Object.entries(layer.arrays)) {
      const end = offset + count(shape);
      if (end > weights.length) throw new Error(`the weights end before the ${name} of a ${layer.kind}`);
      views[name] = weights.subarray(offset, end);
    }
    return views;
  }

  /** Allocate buffers for the non-zero numbers of an input and for the start of each one's kernel row. */
  function makeTerms(most) {
    return { length: 0, values: new Float64Array(most), rows: new Int32Array(most) };
  }

  /** Fill the terms with x[from .. from + size); kernel rows are `width` long. After a ReLU half of x is zero. */
  function gather(terms, x, from, size, width) {
    const { values, rows } = terms;
    let length = 0;
    for (let i = 0; i < size; i++) {
      const value = x[from + i];
      if (value !== 0) {
        values[length] = value;
        rows[length] = i * width;
        length++;
      }
    }
    terms.length = length;
  }

  /**
   * y[start + o] += sum of values[n] * kernel[rows[n] + o], o < width: almost all time is spent here. It adds eight terms each
   * time it reads and writes y; with one term it takes three times as long.
   */
  function accumulate(terms, kernel, y, start, width) {
    const { length, values, rows } = terms;
    let n = 0;
    for (; n + 8 <= length; n += 8) {
      const a = values[n], b = values[n + 1], c = values[n + 2], d = values[n + 3];
      const e = values[n + 4], f = values[n + 5], g = values[n + 6], h = values[n + 7];
      const i = rows[n], j = rows[n + 1], k = rows[n + 2], l = rows[n + 3];
      const p = rows[n + 4], q = rows[n + 5], r = rows[n + 6], s = rows[n + 7];
      for (let o = 0; o < width; o++) {
        const first = a * kernel[i + o] + b * kernel[j + o] + c * kernel[k + o] + d * kernel[l + o];
        y[start + o] += first + (e * kernel[p + o] + f * kernel[q + o] + g * kernel[r + o] + h * kernel[s + o]);
      }
    }
    for (; n < length; n++) {
      const a = values[n], i = rows[n];
      for (let o = 0; o < width; o++) y[start + o] += a * kernel[i + o];
    }
  }

  /** x @ kernel + bias. */
  function makeDense(layer, input, { kernel, bias }) {
    const inputs = count(input);
    const outputs = layer.output[0];
    const y = new Float32Array(outputs);
    const terms = makeTerms(inputs);
    return (x) => {
      y.set(bias);
      gather(terms, x, 0, inputs, outputs);
      accumulate(terms, kernel, y, 0, outputs);
      return y;
    };
  }

  /**
   * Return, for every input position along one axis, the [tap, output] pairs that it contributes to, flat. Input positions are
   * `spread` apart, after `before` zeros; outputs are `stride` apart.
   */
  function listParts(inputs, outputs, taps, stride, spread, before) {
    return Array.from({ length: inputs }, (_, place) => {
      const pairs = [];
      for (let tap = 0; tap < taps; tap++) {
        const output = (before + place * spread - tap) / stride;
        if (Number.isInteger(output) && output >= 0 && output < outputs) pairs.push(tap, output);
      }
      return Int32Array.from(pairs);
    });
  }

  /** Return views of `parts` equal parts of an array. */
  function splitEvenly(array, parts) {
    const size = array.length / parts;
    return Array.from({ length: parts }, (_, part) => array.subarray(part * size, (part + 1) * size));
  }

  /** Set every output's initial value: zero, one bias per channel, or one per channel and pixel. */
  function startOf(size, bias) {
    const start = new Float32Array(size);
    if (bias) for (let i = 0; i < size; i++) start[i] = bias[i % bias.length];
    return start;
  }

  /**
   * Correlate x, its pixels `spread` apart, with the kernel [KH, KW, F, O] at every `stride`-th position. Each pixel is read
   * once and added to all outputs that it contributes to; the zeros between and around pixels are never visited.
   */
  function makeCorrelation(layer, input, { kernel, bias }, strides, spread) {
    const [rows, columns, channels] = input;
    const [height, width, outputs] = layer.output;
    const [tapRows, tapColumns] = layer.arrays.kernel.shape;
    const [[above], [left]] = layer.numbers.padding;
    const ofRow = listParts(rows, height, tapRows, strides[0], spread[0], above);
    const ofColumn = listParts(columns, width, tapColumns, strides[1], spread[1], left);
    const taps = splitEvenly(kernel, tapRows * tapColumns);
    const start = startOf(count(layer.output), bias);
    const y = new Float32Array(start.length);
    const terms = makeTerms(channels);

    function addPixel(rowParts, columnParts) {
      for (let r = 0; r < rowParts.length; r += 2) {
        for (let c = 0; c < columnParts.length; c += 2) {
          const tap = taps[rowParts[r] * tapColumns + columnParts[c]];
          accumulate(terms, tap, y, (rowParts[r + 1] * width + columnParts[c + 1]) * outputs, outputs);
        }
      }
    }

    return (x) => {
      y.set(start);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          gather(terms, x, (row * columns + column) * channels, channels, outputs);
          addPixel(ofRow[row], ofColumn[column]);
        }
      }
      return y;
    };
  }

  /** Equals jax.lax.conv_general_dilated, NHWC and HWIO. */
  function makeConv(layer, input, arrays) {
    return makeCorrelation(layer, input, arrays, layer.numbers.strides, [1, 1]);
  }

  /** Equals jax.lax.conv_transpose: the strides spread the input, and the kernel is not flipped. */
  function makeConvTranspose(layer, input, arrays) {
    return makeCorrelation(layer, input, arrays, [1, 1], layer.numbers.strides);
  }

  /** Return mean and 1 / standard deviation over all pixels of the channels from .. to; x [H, W, channels]. */
  function momentsOf(x, channels, from, to, epsilon) {
    const size = (x.length / channels) * (to - from);
    let sum = 0;
    for (let p = 0; p < x.length; p += channels) for (let c = from; c < to; c++) sum += x[p + c];
    const mean = sum / size;
    let squares = 0;
    for (let p = 0; p < x.length; p += channels) for (let c = from; c < to; c++) squares += (x[p + c] - mean) ** 2;
    return [mean, 1 / Math.sqrt(squares / size + epsilon)];
  }

  /** Normalise each group of channels to mean 0 and variance 1 over all pixels, then scale and shift each channel. */
  function makeGroupNorm(layer, input, { scale, bias }) {
    const { groups, epsilon } = layer.numbers;
    const channels = layer.output[2];
    const size = channels / groups;
    const y = new Float32Array(count(layer.output));
    return (x) => {
      for (let from = 0; from < channels; from += size) {
        const [mean, inverse] = momentsOf(x, channels, from, from + size, epsilon);
        for (let c = from; c < from + size; c++) {
          const slope = inverse * scale[c];
          for (let p = c; p < x.length; p += channels) y[p] = (x[p] - mean) * slope + bias[c];
        }
      }
      return y;
    };
  }

  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  /** log(1 + exp(x)), which overflows nowhere. */
  const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  const clip = (x, low, high) => Math.min(Math.max(x, low), high);

  /** Number to number, by the names in vae_jax.models.networks.ACTIVATIONS. */
  const ACTIVATIONS = {
    relu: (x) => (x > 0 ? x : 0),
    leaky_relu: (x) => (x >= 0 ? x : 0.01 * x),
    tanh: Math.tanh,
    elu: (x) => (x > 0 ? x : Math.expm1(x)),
    // The tanh approximation, the default of jax.nn.gelu.
    gelu: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
    silu: (x) => x * sigmoid(x),
    softplus,
  };

  /** Apply the activation to every number. */
  function makeActivation(layer) {
    const activate = entry(ACTIVATIONS, layer.numbers.name, "activation");
    const y = new Float32Array(count(layer.output));
    return (x) => {
      for (let i = 0; i < y.length; i++) y[i] = activate(x[i]);
      return y;
    };
  }

  /** The first half of the numbers times the sigmoid of the second. */
  function makeGate(layer) {
    const size = count(layer.output);
    const y = new Float32Array(size);
    return (x) => {
      for (let i = 0; i < size; i++) y[i] = x[i] * sigmoid(x[size + i]);
      return y;
    };
  }

  /** x itself, also put on the stack; no copy is needed, because each layer writes to its own buffer only. */
  function makeKeep(layer, input, arrays, stack) {
    return (x) => {
      stack.push(x);
      return x;
    };
  }

  /** x plus the last array on the stack, which is taken off it. */
  function makeAdd(layer, input, arrays, stack) {
    const y = new Float32Array(count(layer.output));
    return (x) => {
      const kept = stack.pop();
      for (let i = 0; i < y.length; i++) y[i] = x[i] + kept[i];
      return y;
    };
  }

  /** Repeat each pixel [F] in rows and columns. */
  function makeUpsample(layer, input) {
    const [rows, columns] = layer.numbers.factors;
    const [height, width, channels] = layer.output;
    const y = new Float32Array(count(layer.output));
    return (x) => {
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          const from = (Math.floor(row / rows) * input[1] + Math.floor(column / columns)) * channels;
          y.set(x.subarray(from, from + channels), (row * width + column) * channels);
        }
      }
      return y;
    };
  }

  /** Each vector divided by its length, which counts as at least SHORTEST. */
  function makeUnit(layer) {
    const SHORTEST = 2 ** -23; // as in vae_jax/models/networks/layers.py
    const y = new Float32Array(count(layer.output));
    const width = layer.output.at(-1);
    return (x) => {
      for (let from = 0; from < y.length; from += width) {
        const length = Math.max(Math.hypot(...x.subarray(from, from + width)), SHORTEST);
        for (let i = from; i < from + width; i++) y[i] = x[i] / length;
      }
      return y;
    };
  }

  /** Each vector with the class behind it: 1 for the label, 0 for the others. */
  function makeLabel(layer, input, arrays, stack, chosen) {
    const { classes } = layer.numbers;
    const y = new Float32Array(count(layer.output));
    const width = layer.output.at(-1);
    const size = width - classes;
    return (x) => {
      const label = chosen();
      if (!(label >= 0 && label < classes)) throw new Error(`no such class: ${label}; there are ${classes}`);
      y.fill(0);
      for (let from = 0, to = 0; to < y.length; from += size, to += width) {
        y.set(x.subarray(from, from + size), to);
        y[to + size + label] = 1;
      }
      return y;
    };
  }

  /** The first half of each vector, all of them in a row, and behind them the second halves. */
  function makeHalves(layer, input) {
    const width = input.at(-1);
    const y = new Float32Array(count(layer.output));
    return (x) => {
      for (let i = 0; i < y.length; i++) {
        const [vector, d] = [Math.floor(i / width), i % width];
        y[d < width / 2 ? (vector * width) / 2 + d : (y.length + (vector - 1) * width) / 2 + d] = x[i];
      }
      return y;
    };
  }

  /** Return the row of codebook [size, width] that is nearest to the vector, the first of equal ones. */
  function nearestRow(codebook, vector, size, width) {
    let [nearest, least] = [0, Infinity];
    for (let row = 0; row < size; row++) {
      let distance = 0;
      for (let d = 0; d < width; d++) distance += (vector[d] - codebook[row * width + d]) ** 2;
      if (distance < least) [nearest, least] = [row, distance];
    }
    return nearest;
  }

  /** Vectors -> the code of each codebook in turn, for what the ones before it left. */
  function makeNearest(layer, input, { codebooks }) {
    const [levels, size, width] = layer.arrays.codebooks.shape;
    const books = splitEvenly(codebooks, levels);
    const codes = new Float32Array(count(layer.output));
    return (x) => {
      for (let place = 0; place < codes.length / levels; place++) {
        const left = Float64Array.from(x.subarray(place * width, (place + 1) * width));
        books.forEach((codebook, r) => {
          const code = nearestRow(codebook, left, size, width);
          codes[place * levels + r] = code;
          for (let d = 0; d < width; d++) left[d] -= codebook[code * width + d];
        });
      }
      return codes;
    };
  }

  /** Return what the code of one level is multiplied by, for each level: the first changes fastest. */
  function placeValues(levels) {
    return levels.map((_, d) => count(levels.slice(0, d)));
  }

  /** Vectors -> codes, whose digits are step(number, levels of this number). */
  function makeSteps(step) {
    return (layer) => {
      const { levels } = layer.numbers;
      const values = placeValues(levels);
      const codes = new Float32Array(count(layer.output));
      const codeAt = (x, from) => values.reduce((sum, value, d) => sum + value * step(x[from + d], levels[d]), 0);
      return (x) => codes.map((_, place) => codeAt(x, place * levels.length));
    };
  }

  /** Return the number of the point nearest to L / (L - 1) tanh(x), of L points from -1 to 1. */
  function nearestPoint(x, size) {
    const held = (Math.tanh(x) * size) / (size - 1);
    return clip(Math.floor(((held + 1) * (size - 1)) / 2 + 0.5), 0, size - 1);
  }

  /** Vectors -> the place of the largest number of each, the first of equal ones. */
  function makeArgmax(layer, input) {
    const width = input.at(-1);
    const codes = new Float32Array(count(layer.output));
    return (x) =>
      codes.map((_, place) => {
        const vector = x.subarray(place * width, (place + 1) * width);
        return vector.indexOf(Math.max(...vector));
      });
  }

  /** Codes -> the sum of one row of each codebook. */
  function makeLookup(layer, input, { codebooks }) {
    const [levels, size, width] = layer.arrays.codebooks.shape;
    const y = new Float32Array(count(layer.output));
    return (codes) => {
      y.fill(0);
      codes.forEach((code, i) => {
        if (!(code >= 0 && code < size)) throw new Error(`no such code: ${code}; there are ${size}`);
        const row = ((i % levels) * size + code) * width;
        for (let d = 0; d < width; d++) y[Math.floor(i / levels) * width + d] += codebooks[row + d];
      });
      return y;
    };
  }

  /** Codes -> the points from -1 to 1 that their digits are. */
  function makePoints(layer) {
    const { levels } = layer.numbers;
    const values = placeValues(levels);
    const digit = (code, d) => Math.floor(code / values[d]) % levels[d];
    const y = new Float32Array(count(layer.output));
    return (codes) => y.map((_, i) => (2 * digit(codes[Math.floor(i / levels.length)], i % levels.length)) / (levels[i % levels.length] - 1) - 1);
  }

  /** Return the mean of a continuous Bernoulli, by its logit; a series around 0, where the closed form cancels. */
  function continuousBernoulliMean(logit) {
    const size = Math.abs(logit);
    if (size < 0.1) return 0.5 + logit * (1 / 12 - (logit * logit) / 720);
    const fromEdge = 1 / size - 1 / Math.expm1(size);
    return logit < 0 ? fromEdge : 1 - fromEdge;
  }

  /** Return the mean of a logistic clipped to [0, 1]: the integral of P(X > t), its terms reflected so that they do not cancel. */
  function clippedLogisticMean(mean, logScale) {
    const scale = Math.exp(clip(logScale, -8, 4));
    const tails = scale * (softplus(-Math.abs(mean) / scale) - softplus(-Math.abs(mean - 1) / scale));
    return clip(clip(mean, 0, 1) + tails, 0, 1);
  }

  /** Return the mean of levels l / (count - 1) by their logits, which start at x[from]. */
  function meanLevel(x, from, levels) {
    let largest = -Infinity;
    for (let l = 0; l < levels; l++) largest = Math.max(largest, x[from + l]);
    let [sum, weighted] = [0, 0];
    for (let l = 0; l < levels; l++) {
      const weight = Math.exp(x[from + l] - largest);
      sum += weight;
      weighted += weight * l;
    }
    return weighted / (sum * (levels - 1));
  }

  /**
   * (outputs, start of a pixel's, channel, number of channels, numbers of the layer) to the pixel mean of the channel, by the
   * names in vae_jax.models.likelihoods.LIKELIHOODS.
   */
  const PIXEL_MEANS = {
    bernoulli: (x, p, c) => sigmoid(x[p + c]),
    continuous_bernoulli: (x, p, c) => continuousBernoulliMean(x[p + c]),
    gaussian: (x, p, c) => clip(x[p + c], 0, 1),
    discretized_logistic: (x, p, c, channels) => clippedLogisticMean(x[p + c], x[p + channels + c]),
    levels: (x, p, c, channels, { levels }) => meanLevel(x, p + c * levels, levels),
  };

  /** [H, W, F] -> [H, W, C]; if F is 2 C, each pixel has its C first numbers and then its C second ones. */
  function makePixelMean(layer, input) {
    const pixelMean = entry(PIXEL_MEANS, layer.numbers.likelihood, "likelihood");
    const channels = layer.output[2];
    const given = input[2];
    const y = new Float32Array(count(layer.output));
    return (x) => {
      for (let p = 0, out = 0; p < x.length; p += given) {
        for (let c = 0; c < channels; c++) y[out++] = pixelMean(x, p, c, channels, layer.numbers);
      }
      return y;
    };
  }

  /**
   * (layer, input shape, arrays, stack of the network, () => label) -> (x => y), both flat; y is the layer's own buffer, or x.
   * Keys: the kinds of networks.Layer.
   */
  const MAKERS = {
    dense: makeDense,
    conv: makeConv,
    conv_transpose: makeConvTranspose,
    group_norm: makeGroupNorm,
    activation: makeActivation,
    gate: makeGate,
    keep: makeKeep,
    add: makeAdd,
    upsample: makeUpsample,
    unit: makeUnit,
    label: makeLabel,
    halves: makeHalves,
    nearest: makeNearest,
    rounded: makeSteps(nearestPoint),
    signs: makeSteps((x) => (x > 0 ? 1 : 0)),
    argmax: makeArgmax,
    lookup: makeLookup,
    points: makePoints,
    reshape: () => (x) => x,
    pixel_mean: makePixelMean,
  };

  /** Return table[name], or throw an Error that names the unknown entry. */
  function entry(table, name, what) {
    if (Object.hasOwn(table, name)) return table[name];
    throw new Error(`unknown ${what}: ${name}; known: ${Object.keys(table).join(", ")}`);
  }

  /** Chain layers: flat Float32Array -> Float32Array, the last layer's own buffer. */
  function chain(layers, input, weights, chosen) {
    const size = count(input);
    const [steps, stack] = [[], []];
    for (const layer of layers) {
      steps.push(entry(MAKERS, layer.kind, "kind of layer")(layer, input, viewArrays(layer, weights), stack, chosen));
      input = layer.output;
    }
    return (x) => {
      if (x.length !== size) throw new Error(`${x.length} numbers given; ${size} expected`);
      return steps.reduce((given, step) => step(given), x);
    };
  }

  /** Load the network that `embedded_model.embed` described. */
  function load(description) {
    const weights = decodeNumbers(decodeBase64(description.weights), description.dtype);
    const { shape, latent_dim: latentDim, with_prior: withPrior, with_logvar: withLogvar } = description;
    const numCodes = description.num_codes ?? 0; // of a model with discrete codes, which are its mean and its z
    let label = -1; // the class that the call in progress is given, of a conditional model
    const chained = (layers, input) => chain(layers, input, weights, () => label);
    const encoder = description.encoder.length ? chained(description.encoder, shape) : null;
    const decoder = chained(description.decoder, [latentDim]);
    const upperDim = description.prior.length ? description.prior[0].arrays.kernel.shape[0] : 0;
    const prior = chained(description.prior, [upperDim]);

    /**
     * Pixels [H, W, C] in [0, 1], of a conditional model a class -> {mean [Z], logvar [Z]}: the noise-free z, and null if the
     * posterior is no diagonal Gaussian.
     */
    function encode(pixels, given) {
      if (!encoder) throw new Error("a network without an encoder");
      label = given;
      const features = encoder(pixels);
      return {
        mean: features.slice(0, latentDim),
        logvar: withLogvar ? features.slice(latentDim, 2 * latentDim) : null,
      };
    }

    /** z [Z], of a conditional model a class -> pixel means [H, W, C] in [0, 1]. */
    function decode(z, given) {
      label = given;
      return decoder(z).slice();
    }

    const draws = description.draws ? unpack(description.draws) : null;

    /**
     * Draw z [Z] from the prior; `normal` () => a standard normal number. Null if the model has no prior. A learned prior is
     * here as many of its draws, one of which is picked. The prior of codes that has none is uniform.
     */
    function drawPrior(normal) {
      if (!withPrior) return null;
      if (draws) {
        const row = Math.floor((Math.random() * draws.length) / latentDim);
        return draws.slice(row * latentDim, (row + 1) * latentDim);
      }
      if (numCodes) return Float32Array.from({ length: latentDim }, () => Math.floor(numCodes * Math.random()));
      const draw = (length) => Float32Array.from({ length }, () => normal());
      if (!upperDim) return draw(latentDim);
      const features = prior(draw(upperDim));
      return draw(latentDim).map((noise, k) => features[k] + Math.exp(features[latentDim + k] / 2) * noise);
    }

    return { shape, latentDim, withPrior, encode, decode, drawPrior };
  }

  /** Return the numbers that `embedded_model.packed` packed, Float32Array. */
  function unpack({ dtype, numbers }) {
    return decodeNumbers(decodeBase64(numbers), dtype);
  }

  return { load, unpack };
})();
