/* Coordinates: pixels of the image file, and fractions of the visible crop.
 *
 * A crop is [left, top, side] in pixels of the file. Its own coordinates are fractions of its side: (0, 0) is its upper
 * left corner and (1, 1) its lower right one. Coordinates are continuous: (0.5, 0.5) of a file is the centre of its
 * first pixel.
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});

  /* From a point [x, y] in pixels of the file to fractions of the crop. */
  function toCrop([left, top, side], [x, y]) {
    return [(x - left) / side, (y - top) / side];
  }

  /* From a point [u, v] in fractions of the crop to pixels of the file. */
  function toPixels([left, top, side], [u, v]) {
    return [left + u * side, top + v * side];
  }

  /* The part of the crop that the image fills, as {left, top, width, height} in fractions of the crop. */
  function visible(crop, [width, height]) {
    const [left, top, side] = crop;
    const [u, v] = toCrop(crop, [Math.max(0, left), Math.max(0, top)]);
    const [right, bottom] = toCrop(crop, [Math.min(width, left + side), Math.min(height, top + side)]);
    return { left: u, top: v, width: right - u, height: bottom - v };
  }

  /* The arrow to a point outside the crop: on the border, on the line from the centre of the crop to the point.
   * Returns {at: [u, v], angle in degrees}, or null if the point is inside. */
  function pointer([u, v], inset) {
    const [x, y] = [u - 0.5, v - 0.5];
    const farthest = Math.max(Math.abs(x), Math.abs(y));
    if (farthest <= 0.5) return null;
    const reach = (0.5 - inset) / farthest;
    return { at: [0.5 + reach * x, 0.5 + reach * y], angle: (Math.atan2(y, x) * 180) / Math.PI };
  }

  /* Given minus predicted; the shorter way round for a periodic value. */
  function difference(given, predicted, period) {
    const plain = given - predicted;
    return period ? plain - period * Math.round(plain / period) : plain;
  }

  DeepGUM.geometry = { toCrop, toPixels, visible, pointer, difference };
})();
