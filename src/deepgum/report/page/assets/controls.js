/* The controls above and below the cards: search, order, filters, counts, pages. */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { SIZES, SORTS, make } = DeepGUM;
  const WAIT = 120; // milliseconds without a key before a search is made

  const many = (count) => count.toLocaleString("en");
  const plural = (count, word) => `${many(count)} ${word}${count === 1 ? "" : "s"}`;

  function button(words, act, attributes) {
    const made = make("button", { type: "button", ...attributes }, words);
    made.addEventListener("click", act);
    return made;
  }

  function choice(id, choices, act) {
    const select = make("select", { id }, ...choices.map(([value, words]) => make("option", { value }, words)));
    select.addEventListener("change", () => act(select.value));
    return select;
  }

  const labelled = (words, control) =>
    make("div", { class: "control" }, make("label", { for: control.id }, words), control);

  class Controls {
    constructor(gallery) {
      this.gallery = gallery;
      this.facets = gallery.model.facets.map((facet, place) => this._facet(facet, place));
      this.pagers = [0, 1].map((place) => this._pager(place));
      this.status = make("p", { class: "status", role: "status", "aria-live": "polite" });
      this.clear = button("Clear filters", () => this._clear(), { class: "clear" });
      const sizes = SIZES.map((size) => [String(size), `${size} per page`]);
      this.size = choice("gallery-size", sizes, (size) => gallery.set({ size: Number(size) }));
      this.size.setAttribute("aria-label", "Cards per page");
      this.panel = make("div", { class: "controls" }, this._view(), this._filters());
      this.above = make("div", { class: "bar" }, this.status, this.clear, this.pagers[0].element);
      this.below = make("div", { class: "bar end" }, this.size, this.pagers[1].element);
    }

    draw() {
      const { state, cards, count, filtered } = this.gallery.model;
      if (document.activeElement !== this.search) this.search.value = state.search;
      this.sort.value = state.sort;
      this.by.value = state.by;
      this.size.value = String(state.size);
      this.others.checked = state.others;
      this.reverse.setAttribute("aria-pressed", String(state.reverse));
      this.clear.hidden = !filtered;
      this.panel.hidden = this.status.hidden = count === 0;
      this.size.hidden = cards.length <= SIZES[0];
      this.facets.forEach((facet) => facet.draw());
      this.pagers.forEach((pager) => pager.draw());
      this.status.replaceChildren(...this._count());
    }

    /* "12 of 40 flagged labels in 9 samples, of these about 1.3 are expected to be right". */
    _count() {
      const { state, cards, shown, count, expectedRight, filtered } = this.gallery.model;
      const of = (filtered ? `${many(shown)} of ` : "") + plural(count, "flagged label");
      const samples = state.by === "sample" ? ` in ${plural(cards.length, "sample")}` : "";
      const right = expectedRight >= 9.95 ? many(Math.round(expectedRight)) : expectedRight.toFixed(1);
      const expected = right === "0.0" ? "none is" : `about ${right} are`;
      const words = shown ? ` \u00b7 of these, ${expected} expected to be right` : "";
      return [make("b", {}, of + samples), words];
    }

    _view() {
      const { gallery } = this;
      const { points } = gallery.data;
      this.search = make("input", { type: "search", id: "gallery-search", autocomplete: "off", spellcheck: "false" });
      let waiting;
      this.search.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => gallery.set({ search: this.search.value }), WAIT);
      });
      this.sort = choice("gallery-sort", Object.entries(SORTS), (sort) => gallery.set({ sort }));
      const cards = [["label", `flagged ${points.length ? "landmark" : "label"}`], ["sample", "sample"]];
      this.by = choice("gallery-by", cards, (by) => gallery.set({ by }));
      this.reverse = button("Reverse", () => gallery.set({ reverse: !gallery.model.state.reverse }));
      this.others = make("input", { type: "checkbox", id: "gallery-others" });
      this.others.addEventListener("change", () =>
        gallery.set({ others: this.others.checked, page: gallery.model.state.page }),
      );
      const others = make(
        "div", { class: "control check" }, this.others, make("label", { for: "gallery-others" }, "Other landmarks"),
      );
      const help = { class: "help", "aria-label": "Keys", "aria-keyshortcuts": "?" };
      return make(
        "div",
        { class: "view" },
        labelled("Search id", this.search),
        labelled("Order", this.sort),
        this.reverse,
        labelled("One card per", this.by),
        points.length > 1 ? others : null,
        button("Keys ?", () => gallery.help.showModal(), help),
      );
    }

    _filters() {
      if (!this.facets.length) return null;
      const open = window.matchMedia("(min-width: 48rem)").matches;
      const elements = this.facets.map((facet) => facet.element);
      return make("details", { class: "filters", open }, make("summary", {}, "Filter"), ...elements);
    }

    _facet(facet, place) {
      const { model } = this.gallery;
      const inputs = facet.values.map((value) => {
        const input = make("input", { type: "checkbox", value: value.key });
        input.addEventListener("change", () => {
          const keys = inputs.filter((each) => each.checked).map((each) => each.value);
          this.gallery.set({ chosen: { ...model.state.chosen, [facet.name]: keys } });
        });
        return input;
      });
      const counts = facet.values.map(() => make("span", { class: "count" }));
      const chips = facet.values.map((value, each) =>
        make("label", { class: "chip" }, inputs[each], make("span", { class: "words" }, value.words), counts[each]),
      );
      const legend = make("legend", {}, facet.title);
      const element = make("fieldset", { class: "facet" }, legend, make("div", { class: "chips" }, ...chips));
      const draw = () => {
        const keys = new Set(model.state.chosen[facet.name]);
        facet.values.forEach((value, each) => {
          const count = model.counts[place][each];
          inputs[each].checked = keys.has(value.key);
          counts[each].textContent = many(count);
          chips[each].classList.toggle("empty", count === 0);
        });
      };
      return { element, draw };
    }

    _pager(place) {
      const { gallery } = this;
      const turn = (by) => gallery.turn(gallery.model.state.page + by, true);
      const words = make("span", { class: "where" });
      const back = button("\u2039 Previous", () => turn(-1), { "aria-keyshortcuts": "p" });
      const on = button("Next \u203a", () => turn(1), { "aria-keyshortcuts": "n" });
      const element = make("nav", { class: "pager", "aria-label": place ? "Pages (bottom)" : "Pages" }, back, words, on);
      const draw = () => {
        const { state, pages } = gallery.model;
        element.hidden = pages === 1;
        words.textContent = `${many(state.page + 1)} of ${many(pages)}`;
        back.disabled = state.page === 0;
        on.disabled = state.page >= pages - 1;
      };
      return { element, draw };
    }

    _clear() {
      const { gallery } = this;
      const chosen = Object.fromEntries(gallery.model.facets.map((facet) => [facet.name, []]));
      this.search.value = "";
      gallery.set({ search: "", chosen });
      this.search.focus();
    }
  }

  Object.assign(DeepGUM, { Controls, button, many });
})();
