/* The drawing of one sample: its picture with landmarks, or its values on a scale. Texts become text nodes, never markup. */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { toCrop, toPixels, visible, pointer, difference } = DeepGUM.geometry;
  const SVG = "http://www.w3.org/2000/svg";

  /* Marks differ in shape as well as in colour; sizes are in pixels of the screen, for pictures of any size. */
  const SHAPES = {
    given: "M-5-5 5 5M-5 5 5-5",
    predicted: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0",
    fixed: "M0-6 6 0 0 6-6 0Z",
    suggested: "M0-6 6 0 0 6-6 0Z",
    pointer: "M-9-6 0 0-9 6M0 0H-16",
  };
  const WORDS = { given: "given", predicted: "predicted", suggested: "suggested", fixed: "new" };

  /* Return an element with attributes and children; texts among the children become text nodes, never markup. */
  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === false || value === null || value === undefined) continue;
      if (key === "class") element.className = value;
      else element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function vector(name, attributes, ...children) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function number(value) {
    if (value === null || value === undefined) return "none";
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e9 || size < 1e-3)) return value.toExponential(2).replace("-", "\u2212");
    if (size < 1) return String(Number(value.toPrecision(2))).replace("-", "\u2212");
    const most = size >= 1000 ? 0 : size >= 10 ? 1 : 2;
    return value.toLocaleString("en", { maximumFractionDigits: most, useGrouping: size >= 1e4 }).replace("-", "\u2212");
  }

  const share = (fraction) => `${(100 * fraction).toFixed(3)}%`;

  function mark(kind, [u, v], title, angle) {
    const path = SHAPES[angle === undefined ? kind : "pointer"];
    const turned = angle === undefined ? {} : { transform: `rotate(${angle.toFixed(1)})` };
    const paths = ["halo", "ink"].map((name) => vector("path", { class: name, d: path, ...turned }));
    const titled = vector("title", {}, document.createTextNode(title));
    return vector("svg", { class: `mark ${kind}`, x: share(u), y: share(v), overflow: "visible" }, titled, ...paths);
  }

  /* The drawing of one card.
   *
   * `sample` is an index into data.samples; `flags` are the flags of the card.
   * settings: {url: Promise of the picture's URL or of null, others: draw landmarks that are not flagged, names: write the
   * names of the flagged ones, fixed: array (d,) of corrected values with null for none, onMove(point, [x, y], done)} */
  class Drawing {
    constructor(data, sample, flags, settings) {
      Object.assign(this, { data, sample, flags, settings });
      this.flagged = new Set(flags.flatMap((flag) => data.groups[data.flags.group[flag]].targets));
      this.crop = data.samples.crop[sample] || null;
      this.problem = data.samples.problem[sample] || "";
      this.element = make("div", { class: "drawing" });
      if (data.pictures) this._drawPicture();
      if (!data.points.length) this.element.append(...this._strips());
    }

    _drawPicture() {
      const frame = make("div", { class: "frame" });
      this.element.append(frame);
      if (this.problem || !this.crop) {
        frame.classList.add("without-picture");
        frame.append(make("p", {}, this.problem || "No picture."));
        return;
      }
      const image = make("img", { alt: "", decoding: "async", draggable: "false" });
      const box = visible(this.crop, this.data.samples.size[this.sample]);
      for (const edge of ["left", "top", "width", "height"]) image.style[edge] = share(box[edge]);
      frame.append(image);
      this.settings.url.then(
        (url) => (url ? (image.src = url) : this._fail(frame, "No picture.")),
        () => this._fail(frame, "The picture could not be loaded."),
      );
      image.addEventListener("error", () => this._fail(frame, "The picture could not be loaded."));
      if (this.data.points.length) {
        this.overlay = vector("svg", { class: "overlay", "aria-hidden": "true" });
        frame.append(this.overlay);
        this.drawPoints();
        if (this.settings.onMove) this._listen();
      }
    }

    _fail(frame, words) {
      frame.classList.add("without-picture");
      frame.querySelector("img").remove();
      frame.prepend(make("p", {}, words));
    }

    /* Draw the landmarks again, after `settings.fixed` has changed. */
    drawPoints() {
      const parts = [];
      this.data.points.forEach((point, place) => {
        const flagged = this.flagged.has(point.x) || this.flagged.has(point.y);
        if (flagged || this.settings.others) parts.push([flagged, this._point(point, place, flagged)]);
      });
      parts.sort((a, b) => a[0] - b[0]); // flagged landmarks are drawn above the others
      this.overlay.replaceChildren(...this._skeleton(), ...parts.flatMap((part) => part[1]));
    }

    /* The lines of the skeleton, below all landmarks: between predictions, and between labels with their corrections. */
    _skeleton() {
      const { samples, points, skeleton } = this.data;
      const corrected = samples.given[this.sample].map((value, place) => this.settings.fixed?.[place] ?? value);
      const kinds = [["predicted", samples.predicted[this.sample]], ["given", corrected]];
      return kinds.flatMap(([kind, values]) =>
        (skeleton ?? []).flatMap((pair) => {
          const [one, other] = pair.map((place) => this._at(values, points[place]));
          if (!one || !other) return [];
          const ends = { x1: share(one[0]), y1: share(one[1]), x2: share(other[0]), y2: share(other[1]) };
          return [vector("line", { class: `bone ${kind}`, ...ends })];
        }),
      );
    }

    _at(values, point) {
      const place = values ? [values[point.x], values[point.y]] : [null, null];
      return place.includes(null) || place.includes(undefined) ? null : toCrop(this.crop, place);
    }

    _point(point, place, flagged) {
      const { samples } = this.data;
      const predicted = this._at(samples.predicted[this.sample], point);
      const given = this._at(samples.given[this.sample], point);
      const fixed = this._at(this.settings.fixed, point);
      const parts = [];
      const end = given && pointer(given, 0.02);
      if (flagged && given && predicted) {
        const [x2, y2] = end ? end.at : given;
        const line = { x1: share(predicted[0]), y1: share(predicted[1]), x2: share(x2), y2: share(y2) };
        parts.push(...["halo", "ink"].map((name) => vector("line", { class: `link ${name}`, ...line })));
      }
      const add = (kind, at, arrow) => {
        const title = `${point.name}, ${WORDS[kind]}${arrow ? ", outside the picture" : ""}`;
        const shape = arrow ? mark(kind, arrow.at, title, arrow.angle) : mark(kind, at, title);
        shape.classList.toggle("flagged", flagged);
        shape.dataset.point = place;
        parts.push(shape);
      };
      if (predicted) add("predicted", predicted, pointer(predicted, 0.02));
      if (given) add("given", given, end);
      if (fixed) add("fixed", fixed, pointer(fixed, 0.02));
      if (flagged && this.settings.names && (predicted || given)) {
        const [u, v] = predicted || given;
        const right = u < 0.7;
        const label = vector("text", { x: right ? 10 : -10, y: 4, "text-anchor": right ? "start" : "end" });
        label.textContent = point.name;
        const inside = (value) => Math.min(0.97, Math.max(0.03, value));
        parts.push(vector("svg", { class: "name", x: share(inside(u)), y: share(inside(v)), overflow: "visible" }, label));
      }
      return parts;
    }

    /* Let the user drag a landmark: the corrected one, or the given one if it is flagged and has no correction. */
    _listen() {
      const { overlay } = this;
      const place = (event) => {
        const box = overlay.getBoundingClientRect();
        const inside = (value) => Math.min(1, Math.max(0, value));
        return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
      };
      let dragged = null;
      overlay.classList.add("movable");
      overlay.addEventListener("pointerdown", (event) => {
        const shape = event.target.closest(".mark");
        if (!shape || event.button !== 0) return;
        dragged = Number(shape.dataset.point);
        overlay.setPointerCapture(event.pointerId);
        event.preventDefault();
      });
      const moved = (event, done) => {
        if (dragged === null) return;
        const point = dragged;
        if (done) dragged = null;
        this.settings.onMove(point, toPixels(this.crop, place(event)), done);
      };
      overlay.addEventListener("pointermove", (event) => moved(event, false));
      overlay.addEventListener("pointerup", (event) => moved(event, true));
      overlay.addEventListener("pointercancel", () => (dragged = null));
    }

    /* The suggested value of a target, or null. */
    _suggested(place) {
      const { flags, groups } = this.data;
      const flag = this.flags.find((each) => groups[flags.group[each]].targets.includes(place));
      return flags.suggested[flag]?.[groups[flags.group[flag]].targets.indexOf(place)] ?? null;
    }

    /* The flagged values, each on a scale from the lowest usual label to the highest. */
    _strips() {
      const columns = this.data.targets.map((_, place) => place).filter((place) => this.flagged.has(place));
      const most = this.settings.names ? columns.length : 3;
      const parts = columns.slice(0, most).map((place) => this._strip(place, columns.length > 1));
      if (columns.length > most) parts.push(make("p", { class: "more" }, `and ${columns.length - most} more values`));
      return parts;
    }

    _strip(place, named) {
      const { samples, targets, unit } = this.data;
      const { name, low, high } = targets[place];
      const [given, predicted] = [samples.given, samples.predicted].map((values) => values[this.sample][place]);
      const fixed = this.settings.fixed?.[place] ?? null;
      const suggested = fixed === null ? this._suggested(place) : null;
      const room = 0.08;
      const position = (value) => room + ((1 - 2 * room) * (value - low)) / (high - low || 1);
      const scale = vector("svg", { class: "scale", "aria-hidden": "true" });
      scale.append(vector("line", { class: "axis", x1: share(room), x2: share(1 - room), y1: "50%", y2: "50%" }));
      for (const [kind, value] of [["predicted", predicted], ["given", given], ["suggested", suggested], ["fixed", fixed]]) {
        if (value === null) continue;
        const at = position(value);
        const beyond = at < 0.02 ? 180 : at > 0.98 ? 0 : undefined;
        const inside = beyond === undefined ? at : beyond ? 0.02 : 0.98;
        scale.append(mark(kind, [inside, 0.5], `${WORDS[kind]}: ${number(value)}`, beyond));
      }
      const words = [
        make("span", { class: "value given" }, make("b", {}, number(given)), " given"),
        make("span", { class: "value predicted" }, make("b", {}, number(predicted)), " predicted"),
      ];
      for (const [kind, value] of [["suggested", suggested], ["fixed", fixed]]) {
        if (value !== null) words.push(make("span", { class: `value ${kind}` }, make("b", {}, number(value)), ` ${WORDS[kind]}`));
      }
      return make(
        "div",
        { class: "strip" },
        named || this.settings.names ? make("p", { class: "target" }, unit ? `${name}, ${unit}` : name) : null,
        make("div", { class: "values" }, ...words),
        scale,
        make("div", { class: "ends", "aria-hidden": "true" }, make("span", {}, number(low)), make("span", {}, number(high))),
      );
    }
  }

  /* The rows of the table: name, given and predicted values, and their difference. */
  function rows(data, sample, fixed) {
    const { samples, points, targets } = data;
    const [given, predicted] = [samples.given[sample], samples.predicted[sample]];
    const pair = (values, { x, y }) =>
      !values || values[x] == null || values[y] == null ? "none" : `${number(values[x])}, ${number(values[y])}`;
    if (points.length) {
      return points.map((point) => {
        const apart = [point.x, point.y].map((place) => given[place] - predicted[place]);
        const missing = given[point.x] === null || given[point.y] === null;
        return {
          targets: [point.x, point.y], name: point.name, given: pair(given, point), predicted: pair(predicted, point),
          fixed: fixed ? pair(fixed, point) : null, apart: missing ? null : Math.hypot(...apart),
        };
      });
    }
    return targets.map((target, place) => ({
      targets: [place], name: target.name, given: number(given[place]), predicted: number(predicted[place]),
      fixed: fixed ? number(fixed[place]) : null,
      apart: given[place] === null ? null : Math.abs(difference(given[place], predicted[place], target.period)),
    }));
  }

  Object.assign(DeepGUM, { Drawing, make, vector, number, rows });
})();
