/* Where things are: pixels of the image file, and fractions of the crop that is shown of it.
 *
 * A crop is [left, top, side] in pixels of the file. Its own coordinates are fractions of its side: (0, 0) is its upper
 * left corner and (1, 1) its lower right one. Coordinates are continuous: (0.5, 0.5) of a file is the centre of its
 * first pixel.
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});

  /* Fractions of the crop of a point [x, y] in pixels of the file. */
  function toCrop([left, top, side], [x, y]) {
    return [(x - left) / side, (y - top) / side];
  }

  /* Pixels of the file of a point [u, v] in fractions of the crop. */
  function toPixels([left, top, side], [u, v]) {
    return [left + u * side, top + v * side];
  }

  /* What of the crop the image fills, as {left, top, width, height} in fractions of the crop. */
  function visible(crop, [width, height]) {
    const [left, top, side] = crop;
    const [u, v] = toCrop(crop, [Math.max(0, left), Math.max(0, top)]);
    const [right, bottom] = toCrop(crop, [Math.min(width, left + side), Math.min(height, top + side)]);
    return { left: u, top: v, width: right - u, height: bottom - v };
  }

  /* Where an arrow to a point outside of the crop is to be: on the border, on the way to it from the crop's centre.
   * Returns {at: [u, v], angle in degrees}, or null if the point is inside. */
  function pointer([u, v], inset) {
    const [x, y] = [u - 0.5, v - 0.5];
    const farthest = Math.max(Math.abs(x), Math.abs(y));
    if (farthest <= 0.5) return null;
    const reach = (0.5 - inset) / farthest;
    return { at: [0.5 + reach * x, 0.5 + reach * y], angle: (Math.atan2(y, x) * 180) / Math.PI };
  }

  /* Given less predicted; the short way round where a value comes again after a period. */
  function difference(given, predicted, period) {
    const plain = given - predicted;
    return period ? plain - period * Math.round(plain / period) : plain;
  }

  DeepGUM.geometry = { toCrop, toPixels, visible, pointer, difference };
})();
