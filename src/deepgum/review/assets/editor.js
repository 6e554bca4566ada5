/* An open correction: the values of the labels of one card, changed by pointer, by arrow keys or by typing.
 *
 *   const editor = new DeepGUM.Editor(data, {current(flag), changed(), moved()});
 *
 * While `editor.card` is set, `editor.values` has the corrected labels: array (d,), null for labels that are not edited. A
 * landmark is dragged with the mouse, or placed by a click. A finger moves the landmark from anywhere on the picture,
 * because a finger on the landmark would cover it.
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { make } = DeepGUM;
  const { toPixels, toCrop } = DeepGUM.geometry;
  const NEAR = 22; // distance in pixels of the screen at which the pointer grabs a landmark
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  const sameCard = (one, other) => Boolean(one && other) && one.flags.join() === other.flags.join();

  class Editor {
    constructor(data, hooks) {
      Object.assign(this, { data, hooks, card: null, values: null, selected: 0, moved: false });
      window.addEventListener("beforeunload", (event) => this.card && this.moved && event.preventDefault());
    }

    is(card) {
      return sameCard(this.card, card);
    }

    /* Begin with the decided values, or else the suggested, given or predicted ones. */
    start(card) {
      this._fill(card);
      this.hooks.changed();
    }

    _fill(card) {
      const { data } = this;
      const [given, predicted] = [data.samples.given, data.samples.predicted].map((all) => all[card.sample]);
      this.values = new Array(data.targets.length).fill(null);
      for (const flag of card.flags) {
        const held = this.hooks.current(flag);
        const suggested = data.flags.suggested[flag];
        this._targets(flag).forEach((target, place) => {
          const choices = [held && held.new && held.new[place], suggested && suggested[place], given[target], predicted[target]];
          this.values[target] = choices.find((value) => value !== null && value !== undefined) ?? null;
        });
      }
      this.points = data.points.map((_, place) => place).filter((place) => this._edited(place).length);
      Object.assign(this, { card, moved: false, selected: this.points[0] });
    }

    stop() {
      if (!this.card) return;
      this.clear();
      this.hooks.changed();
    }

    clear() {
      Object.assign(this, { card: null, values: null, moved: false });
    }

    /* End the correction and return its decisions; if a value is not a number, return null and do not end. */
    take() {
      const fixes = this.card.flags.map((flag) => [
        flag, { action: "fix", new: this._targets(flag).map((target) => this.values[target]) },
      ]);
      const wrong = [...this.values.keys()].find((target) => Number.isNaN(this.values[target] ?? 0));
      if (wrong !== undefined) {
        this._field(wrong)?.focus();
        return null;
      }
      this.clear();
      return fixes;
    }

    /* Corrected values of the card, for the drawing; both values of a landmark, even if only one is edited. */
    fixed() {
      const given = this.data.samples.given[this.card.sample];
      const fixed = [...this.values];
      for (const place of this.points) {
        const { x, y } = this.data.points[place];
        for (const target of [x, y]) fixed[target] ??= given[target];
      }
      return fixed.map((value) => (Number.isFinite(value) ? value : null));
    }

    /* Fill `element`, in the large view, with fields, and listen to the picture. */
    show(element, drawing) {
      const { data } = this;
      this.drawing = drawing;
      this.fields = new Map();
      const unit = data.unit ? `, ${data.unit}` : "";
      for (const target of this.values.keys()) {
        if (!this.card.flags.some((flag) => this._targets(flag).includes(target))) continue;
        const field = make("input", {
          type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false", id: `value-${target}`,
        });
        field.value = this._text(target);
        field.addEventListener("input", () => this._typed(target, field));
        field.addEventListener("focus", () => {
          const point = this.points.find((place) => this._edited(place).includes(target));
          if (point !== undefined) this._select(point);
        });
        this.fields.set(target, field);
        element.append(
          make("div", { class: "field" }, make("label", { for: field.id }, data.targets[target].name + unit), field),
        );
      }
      this._select(this.selected);
    }

    /* Set the focus: on the picture, where arrow keys move a landmark, or in the first field. */
    focus() {
      if (this.points.length && this.drawing.overlay) {
        this.drawing.element.tabIndex = 0;
        this.drawing.element.focus();
      } else {
        const field = this.fields.values().next().value;
        field?.focus();
        field?.select();
      }
    }

    /* Return the action of a key, also while a field has the focus; null if there is none. */
    key(event) {
      const field = event.target.closest("input");
      if (event.altKey) return null; // reserved for the browser
      if (event.key in STEPS) {
        const size = event.shiftKey ? 10 : 1;
        const [right, down] = STEPS[event.key];
        if (!field) return this.points.length ? () => this._step(right * size, down * size) : null;
        const target = [...this.fields].find(([, each]) => each === field)?.[0];
        return target !== undefined && down ? () => this._nudge(target, -down * size) : null;
      }
      if (!field && (event.key === "." || event.key === ",") && this.points.length > 1) {
        const next = this.points.indexOf(this.selected) + (event.key === "." ? 1 : -1);
        return () => this._select(this.points.at(next % this.points.length));
      }
      return null;
    }

    /* ---- the pointer ---- */

    /* Listen to the picture of a large view. */
    listen(drawing, card) {
      const { overlay, crop } = drawing;
      if (!overlay) return;
      overlay.classList.add("pickable");
      let offset = null; // from the pointer to the landmark, while it is moved
      let begun = false;
      const at = (event) => {
        const box = overlay.getBoundingClientRect();
        return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      };
      overlay.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        const [u, v] = at(event);
        const near = this._near(drawing, card, [u, v]);
        begun = !this.is(card);
        if (begun) {
          if (!near) return;
          this._fill(card);
          Object.assign(this, { drawing, fields: new Map() });
        }
        event.preventDefault();
        overlay.setPointerCapture(event.pointerId);
        overlay.classList.add("moving");
        if (near) this._select(near.point);
        const touch = event.pointerType === "touch";
        const from = near ? near.at : touch ? this._shown(drawing, card, this.selected) : null;
        offset = from && from.every((value) => value >= 0 && value <= 1) ? [from[0] - u, from[1] - v] : [0, 0];
        if (!near && !touch) this._move(toPixels(crop, [u, v]));
      });
      overlay.addEventListener("pointermove", (event) => {
        if (!offset) return;
        const [u, v] = at(event);
        this._move(toPixels(crop, [u + offset[0], v + offset[1]]));
      });
      const end = () => {
        if (!offset) return;
        offset = null;
        overlay.classList.remove("moving");
        if (begun) this.hooks.changed(); // at the end, because it replaces the picture with these listeners
      };
      overlay.addEventListener("pointerup", end);
      overlay.addEventListener("pointercancel", end);
    }

    /* The position of a landmark in the drawing, in fractions of the crop: the corrected one, or the given one. */
    _shown(drawing, card, point) {
      const { x, y } = this.data.points[point];
      const fixed = this.is(card) ? this.fixed() : drawing.settings.fixed;
      const given = this.data.samples.given[card.sample];
      const values = [x, y].map((target) => fixed?.[target] ?? given[target]);
      return values.includes(null) ? null : toCrop(drawing.crop, values);
    }

    /* The flagged landmark near the pointer, {point, at}, or null. */
    _near(drawing, card, [u, v]) {
      const flagged = new Set(card.flags.flatMap((flag) => this._targets(flag)));
      const inside = (value) => Math.min(0.98, Math.max(0.02, value)); // a landmark beyond the border has an arrow
      let [best, least] = [null, NEAR / drawing.overlay.getBoundingClientRect().width];
      this.data.points.forEach(({ x, y }, point) => {
        if (!flagged.has(x) && !flagged.has(y)) return;
        const at = this._shown(drawing, card, point);
        const distance = at ? Math.hypot(inside(at[0]) - u, inside(at[1]) - v) : Infinity;
        if (distance < least) [best, least] = [{ point, at }, distance];
      });
      return best;
    }

    /* ---- values ---- */

    _targets(flag) {
      return this.data.groups[this.data.flags.group[flag]].targets;
    }

    /* The coordinates of a landmark that are edited. */
    _edited(point) {
      const { x, y } = this.data.points[point];
      return [x, y].filter((target) => this.values[target] !== null);
    }

    _field(target) {
      return this.fields && this.fields.get(target);
    }

    _text(target) {
      const value = this.values[target];
      return Number.isFinite(value) ? String(Number(value.toFixed(this._digits()))) : "";
    }

    /* Number of decimals: two for pixels of the file, otherwise the page's own. */
    _digits() {
      return this.data.points.length ? 2 : 6;
    }

    _move([x, y]) {
      const point = this.data.points[this.selected];
      for (const [target, value] of [[point.x, x], [point.y, y]]) {
        if (this.values[target] !== null) this.values[target] = Number(value.toFixed(this._digits()));
      }
      this._redraw();
    }

    _step(right, down) {
      const { x, y } = this.data.points[this.selected];
      const fixed = this.fixed();
      this._move([fixed[x] + right, fixed[y] + down]);
    }

    _nudge(target, by) {
      this.values[target] = Number(((this.values[target] || 0) + by).toFixed(this._digits()));
      this._redraw();
    }

    _typed(target, field) {
      const text = field.value.trim().replace(",", ".").replace("\u2212", "-");
      const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : NaN;
      this.values[target] = Number.isFinite(value) ? value : NaN;
      field.setAttribute("aria-invalid", String(Number.isNaN(this.values[target])));
      this._redraw(field);
    }

    _redraw(typing) {
      this.moved = true;
      for (const [target, field] of this.fields) {
        if (field !== typing) field.value = this._text(target);
      }
      this.drawing.settings.fixed = this.fixed();
      if (this.drawing.overlay) this.drawing.drawPoints();
      this.hooks.moved();
      this._mark();
    }

    _select(point) {
      this.selected = point;
      this._mark();
    }

    _mark() {
      for (const mark of this.drawing?.overlay?.querySelectorAll(".mark.fixed") ?? []) {
        mark.classList.toggle("selected", Number(mark.dataset.point) === this.selected);
      }
      const several = this.points.length > 1;
      for (const [target, field] of this.fields ?? []) {
        const chosen = several && this._edited(this.selected).includes(target);
        field.parentElement?.classList.toggle("selected", chosen);
      }
    }
  }

  Object.assign(DeepGUM, { Editor, sameCard });
})();
