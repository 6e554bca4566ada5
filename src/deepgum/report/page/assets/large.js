/* The large view: the picture of a card, the reasons for its flags, and all labels of its sample. */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { Drawing, button, features, make, many, number, percent, rows } = DeepGUM;

  class LargeView {
    constructor(gallery) {
      this.gallery = gallery;
      this.element = make("dialog", { class: "large", "aria-label": "Large view" });
            this.element.addEventListener("close", () => gallery.select(this._seen, true));
      this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
    }

    draw() {
      const { gallery } = this;
      const { card, data } = gallery;
      const { onMove } = gallery.options;
      this._seen = gallery.position;
      const settings = gallery.settings(card, true);
      if (onMove) settings.onMove = (point, at, done) => onMove(card, point, at, done, this.drawing);
      this.drawing = new Drawing(data, card.sample, card.flags, settings);
      const id = data.samples.id[card.sample];
      const found = make("ul", { class: "found" }, ...card.flags.map((flag) => this._found(flag)));
      this._tabled = this._table(card, settings.fixed);
      const parts = [make("h2", {}, id), found, this._tabled, features.inLarge(data, card.sample)];
      const facts = make("div", { class: "facts" }, ...parts);
      const article = make("article", { class: "sample" }, this.drawing.element, facts);
      gallery.decorate(article, card, true);
      this.element.replaceChildren(this._head(), article);
    }

    retable() {
      const table = this._table(this.gallery.card, this.drawing.settings.fixed);
      this._tabled.replaceWith(table);
      this._tabled = table;
    }

    _head() {
      const { gallery } = this;
      const { state, cards } = gallery.model;
      const place = state.page * state.size + gallery.position;
      return make(
        "header",
        {},
        button("\u2039", () => gallery.move(-1), { "aria-label": "Previous card", disabled: place === 0 }),
        make("span", { class: "where" }, `${many(place + 1)} of ${many(cards.length)}`),
        button("\u203a", () => gallery.move(1), { "aria-label": "Next card", disabled: place >= cards.length - 1 }),
        button("Close", () => gallery.close(), { class: "close" }),
      );
    }

    _found(flag) {
      const { flags, groups, reasons } = this.gallery.data;
      const reason = flags.reason[flag];
      const title = groups[flags.group[flag]].name + (reason === null ? "" : `: ${reasons[reason].words}`);
      const measures = make("p", { class: "soft" }, this._measures(flag).join(" \u00b7 "));
      return make("li", {}, make("b", {}, title), make("p", {}, flags.why[flag]), measures);
    }

    /* The measures of a flag: probability, distance, suggestion. */
    _measures(flag) {
      const { flags, unit } = this.gallery.data;
      const posterior = flags.posterior[flag];
      const exact = posterior >= 1e-4 || posterior === 0 ? "" : ` (${number(posterior)})`;
      const measures = [`probability of being right ${percent(posterior)}${exact}`];
      if (flags.distance[flag] !== null) {
        measures.push(`${number(flags.distance[flag])} standard deviations from the prediction`);
      }
      const suggested = flags.suggested[flag];
      if (suggested) {
        const deviation = flags.uncertainty[flag] || [];
        const values = suggested.map((value, place) =>
          deviation[place] == null ? number(value) : `${number(value)} \u00b1 ${number(deviation[place])}`,
        );
        measures.push(`suggested ${values.join(", ")}${unit ? ` ${unit}` : ""}`);
      }
      return measures;
    }

    _table(card, fixed) {
      const { data } = this.gallery;
      const flagged = new Set(card.flags.flatMap((flag) => data.groups[data.flags.group[flag]].targets));
      const apart = data.unit ? `difference, ${data.unit}` : "difference";
      const heads = ["", "given", "predicted", ...(fixed ? ["new"] : []), apart];
      const known = rows(data, card.sample, fixed).map((row) => ({
        ...row, flagged: row.targets.some((place) => flagged.has(place)),
      }));
      const body = known.sort((a, b) => b.flagged - a.flagged).map((row) => {
        const cells = [row.given, row.predicted, ...(fixed ? [row.fixed] : []), number(row.apart)];
        const head = make("th", { scope: "row" }, row.name);
        return make("tr", { class: row.flagged ? "flagged" : "" }, head, ...cells.map((cell) => make("td", {}, cell)));
      });
      const head = make("tr", {}, ...heads.map((words) => make("th", { scope: "col" }, words)));
      return make("div", { class: "scrolled" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
    }
  }

  DeepGUM.LargeView = LargeView;
})();
