/* Pixels on canvases: decoded arrays, and thumbnails cut out of one sprite sheet. */
"use strict";

const Pictures = (() => {
  /** Draw values in [0, 1], [H, W, C] in one array, on a canvas of W x H pixels. */
  function show(canvas, values, [height, width, channels]) {
    canvas.width = width;
    canvas.height = height;
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) {
        image.data[4 * i + c] = Math.round(255 * values[i * channels + (channels === 3 ? c : 0)]);
      }
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  /** Make a function (canvas, index) that draws a thumbnail of the sprite sheet {url, columns, tile: [h, w]}. */
  async function loadSheet({ url, columns, tile: [height, width] }) {
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    return (canvas, index) => {
      canvas.width = width;
      canvas.height = height;
      const x = (index % columns) * width;
      const y = Math.floor(index / columns) * height;
      canvas.getContext("2d").drawImage(picture, x, y, width, height, 0, 0, width, height);
    };
  }

  /** Return the mean squared difference of two images. */
  function difference(a, b) {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
    return sum / a.length;
  }

  /** Let the browser save a file with this name. */
  function save(name, blob) {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  return { show, loadSheet, difference, save };
})();
