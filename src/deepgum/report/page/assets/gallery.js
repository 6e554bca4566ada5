/* The gallery of flagged labels: one for the report (a file opened from disk) and for the review (served).
 *
 *   const gallery = new DeepGUM.Gallery(root, source, options);
 *
 * root: an empty element. source: {data, picture(sample), large(sample)}; `sample` is a number of data.samples, and what is
 * returned the Promise of a URL or of null; `large` may be left out. In the report: DeepGUM.embedded().
 *
 * data, of the form "deepgum-gallery 1" (columns: one array a property; null for what is not known):
 *   unit       of the labels, for people
 *   pictures   whether the samples have any
 *   targets    [{name, low, high, period}]: the d coordinates; low and high are the ends of a scale, period 0 or 360
 *   points     [{name, x, y}]: landmarks by the places of their coordinates in targets; [] where labels are values
 *   groups     [{name, targets: [place, ...]}]: what is right or wrong as a whole
 *   reasons    [{key, words}]: those that occur
 *   total      how many labels are flagged in all; the data may have only the worst of them
 *   samples    {row, id, given: [[d]], predicted: [[d]], crop: [[left, top, side]], size: [[width, height]],
 *              problem: {sample: words}}: row is the place in the audit's scores; labels of landmarks, crop and size are
 *              in pixels of the image file; a sample with a problem has no picture. See geometry.js for crop <-> file.
 *   flags      {sample, group, posterior, distance, residual, reason (place in reasons), why, suggested: [[of the group]],
 *              uncertainty: [[of the group]]}: worst first
 *   chunks     of embedded pictures: the samples with which each block begins
 *
 * A card is {sample, flags: [numbers of data.flags]}: one flag, or all that pass the filter of one sample.
 *
 * options, all optional:
 *   actions(card, element, large)   fill `element`, below a card and in the large view, with controls
 *   className(card)            a class for the card, such as "is-kept"; asked again by refresh()
 *   facets                     more to filter by: [{name, title, values: [{key, words}], of(flag) -> place in values}]
 *   keys                       {key: [words for the help, (card) => ...]}; before the gallery's own keys
 *   fixed(sample)              array (d,) of corrected values with null for none, or null; drawn as diamonds
 *   onMove(card, point, [x, y], done, drawing)   a landmark of the large view is dragged to x, y in pixels of the file;
 *                              afterwards set drawing.settings.fixed and call drawing.drawPoints()
 *   keepHash                   true: do not write the state into the URL
 *
 * Of a gallery: data, model (state, cards, page), card (the current one, or null), position (its place on the page), list
 * (element of the cards), dialog (the large view), drawing (in it), help (dialog), and
 *   refresh(sample)            draw the sample's cards again; without an argument: all of the page
 *   update()                   after what `facets` tell has changed: filter, count and draw again
 *   move(by)                   go to the next card (1), the one before (-1), ... beyond the ends of the page, too
 *   open(), close()            the large view of the current card
 *   set(changes)               of the state: {sort, reverse, by, search, page, size, others, chosen}
 *   say(words)                 to screen readers, and in the status line for a while
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { Drawing, Model, SIZES, SORTS, make, number, percent, rows } = DeepGUM;
  const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
  const button = (words, act, attributes) => {
    const made = make("button", { type: "button", ...attributes }, words);
    made.addEventListener("click", act);
    return made;
  };

  /* "faces/a/1.png" as "faces/a/" and "1.png". */
  function folderAndName(id) {
    const end = id.replace(/[\\/]+$/, "").search(/[^\\/]*$/);
    return end > 0 ? [id.slice(0, end), id.slice(end)] : [id];
  }

  class Gallery {
    constructor(root, source, options) {
      Object.assign(this, { root, source, options: options || {}, data: source.data, position: 0 });
      this.model = new Model(source.data, this.options.facets);
      this._urls = new Map();
      root.classList.add("gallery");
      this._buildControls();
      this._buildDialogs();
      this._restore();
      window.addEventListener("hashchange", () => this._restore());
      document.addEventListener("keydown", (event) => this._key(event));
    }

    get card() {
      return this.model.page[this.position] || null;
    }

    set(changes) {
      const pageOnly = Object.keys(changes).every((key) => key === "page");
      Object.assign(this.model.state, pageOnly ? {} : { page: 0 }, changes);
      this.update();
    }

    update() {
      this.model.apply();
      this.position = 0;
      this._drawControls();
      this._drawPage();
      if (!this.options.keepHash) this._writeHash();
    }

    refresh(sample) {
      this.model.page.forEach((card, place) => {
        if (sample !== undefined && card.sample !== sample) return;
        const old = this.list.children[place];
        const focused = old.querySelector("button.picture") === document.activeElement;
        old.replaceWith(this._card(card, place));
        if (focused) this.list.children[place].querySelector("button.picture").focus();
      });
      if (this.dialog.open && this.card && (sample === undefined || this.card.sample === sample)) this._drawLarge();
    }

    move(by) {
      const { state, page, pages } = this.model;
      const large = this.dialog.open;
      let next = this.position + by;
      if (next < 0 && state.page > 0) {
        this._turn(state.page - 1);
        next = this.model.page.length - 1;
      } else if (next >= page.length && state.page < pages - 1) {
        this._turn(state.page + 1);
        next = 0;
      }
      this._select(Math.min(Math.max(0, next), this.model.page.length - 1), !large);
      if (large) this._drawLarge();
    }

    open() {
      if (!this.card) return;
      this._drawLarge();
      if (!this.dialog.open) this.dialog.showModal();
    }

    close() {
      this.dialog.close();
    }

    say(words) {
      this.said.textContent = words;
      clearTimeout(this._silence);
      this._silence = setTimeout(() => (this.said.textContent = ""), 6000);
    }

    /* ---- what is built once ---- */

    _buildControls() {
      const { data, model } = this;
      const what = data.points.length ? "landmark" : "label";
      this.search = make("input", { type: "search", id: "gallery-search", autocomplete: "off", spellcheck: "false" });
      let waiting;
      this.search.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => this.set({ search: this.search.value }), 120);
      });
      this.sort = this._choice("gallery-sort", Object.entries(SORTS), (value) => this.set({ sort: value }));
      this.by = this._choice(
        "gallery-by",
        [["label", `a flagged ${what}`], ["sample", "a sample"]],
        (value) => this.set({ by: value }),
      );
      this.size = this._choice("gallery-size", SIZES.map((n) => [String(n), `${n} a page`]), (v) => this.set({ size: Number(v) }));
      this.reverse = button("Reverse", () => this.set({ reverse: !model.state.reverse }), { "aria-pressed": "false" });
      this.others = make("input", { type: "checkbox", id: "gallery-others" });
      this.others.addEventListener("change", () => this.set({ others: this.others.checked, page: model.state.page }));
      this.clear = button("Clear filters", () => this._clear(), { class: "clear" });
      const labelled = (words, control) =>
        make("div", { class: "control" }, make("label", { for: control.id }, words), control);
      const view = make(
        "div",
        { class: "view" },
        labelled("Search id", this.search),
        labelled("Order", this.sort),
        this.reverse,
        labelled("One card is", this.by),
        data.points.length > 1
          ? make("div", { class: "control check" }, this.others, make("label", { for: "gallery-others" }, "Other landmarks"))
          : null,
        button("Keys ?", () => this.help.showModal(), { class: "help", "aria-label": "Keys and marks" }),
      );
      this.facets = model.facets.map((facet, place) => this._facet(facet, place));
      const wide = window.matchMedia("(min-width: 48rem)").matches;
      const filters = make(
        "details", { class: "filters", open: wide }, make("summary", {}, "Filter"), ...this.facets.map((f) => f.element),
      );
      this.status = make("p", { class: "status", role: "status", "aria-live": "polite" });
      this.said = make("p", { class: "said", role: "status", "aria-live": "polite" });
      this.list = make("ol", { class: "cards" });
      this.pagers = [0, 1].map((place) => this._pager(place));
      this.controls = make("div", { class: "controls" }, view, this.facets.length ? filters : null);
      this.root.append(
        this.controls,
        make("div", { class: "bar" }, this.status, this.clear, this.pagers[0].element),
        this.said, this.list, make("div", { class: "bar end" }, this.size, this.pagers[1].element),
      );
      this.list.addEventListener("click", (event) => this._clicked(event));
      this.list.addEventListener("focusin", (event) => this._focused(event));
    }

    _choice(id, choices, act) {
      const select = make("select", { id }, ...choices.map(([value, words]) => make("option", { value }, words)));
      select.addEventListener("change", () => act(select.value));
      return select;
    }

    _facet(facet, place) {
      const inputs = facet.values.map((value) => {
        const input = make("input", { type: "checkbox", value: value.key });
        input.addEventListener("change", () => {
          const keys = inputs.filter((each) => each.checked).map((each) => each.value);
          this.set({ chosen: { ...this.model.state.chosen, [facet.name]: keys } });
        });
        return input;
      });
      const counts = facet.values.map(() => make("span", { class: "count" }));
      const chips = facet.values.map((value, i) =>
        make("label", { class: "chip" }, inputs[i], make("span", { class: "words" }, value.words), counts[i]),
      );
      const element = make(
        "fieldset", { class: "facet" }, make("legend", {}, facet.title), make("div", { class: "chips" }, ...chips),
      );
      const draw = () => {
        const keys = this.model.state.chosen[facet.name];
        facet.values.forEach((value, i) => {
          inputs[i].checked = keys.includes(value.key);
          counts[i].textContent = this.model.counts[place][i].toLocaleString("en");
          chips[i].classList.toggle("empty", this.model.counts[place][i] === 0);
        });
      };
      return { element, draw };
    }

    _pager(place) {
      const words = make("span", { class: "where" });
      const back = button("\u2039 Previous", () => this._turn(this.model.state.page - 1, place), { "aria-keyshortcuts": "p" });
      const on = button("Next \u203a", () => this._turn(this.model.state.page + 1, place), { "aria-keyshortcuts": "n" });
      const element = make("nav", { class: "pager", "aria-label": place ? "Pages, below" : "Pages" }, back, words, on);
      const draw = () => {
        const { state, pages } = this.model;
        element.hidden = pages === 1;
        words.textContent = `${(state.page + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`;
        back.disabled = state.page === 0;
        on.disabled = state.page >= pages - 1;
      };
      return { element, draw };
    }

    _buildDialogs() {
      this.dialog = make("dialog", { class: "large", "aria-label": "Large view" });
      // The browser gives the focus back to the card that was opened, which need not be the last one that was seen.
      this.dialog.addEventListener("close", () => this._select(this._seen, true));
      this.help = make("dialog", { class: "help", "aria-labelledby": "gallery-help" });
      const own = Object.entries(this.options.keys || {}).map(([key, [words]]) => [key, words]);
      const keys = [
        ...own,
        ["j", "next card"],
        ...(own.some(([key]) => key === "k") ? [] : [["k", "card before"]]),
        ["arrows", "from card to card, when one has the focus"],
        ["n p", "next page, page before"],
        ["Enter", "large view"],
        ["Esc", "close"],
        ["/", "search"],
        ["?", "this help"],
      ];
      const entries = keys.flatMap(([key, words]) => [
        make("dt", {}, ...key.split(" ").map((each) => make("kbd", {}, each))), make("dd", {}, words),
      ]);
      this.help.append(
        make("h2", { id: "gallery-help" }, "Keys"), make("dl", {}, ...entries), button("Close", () => this.help.close()),
      );
      for (const dialog of [this.dialog, this.help]) {
        dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
      }
      this.root.append(this.dialog, this.help);
    }

    /* ---- what is drawn with each change ---- */

    _drawControls() {
      const { state, cards, shown, expectedRight, filtered, count } = this.model;
      if (document.activeElement !== this.search) this.search.value = state.search;
      this.sort.value = state.sort;
      this.by.value = state.by;
      this.size.value = String(state.size);
      this.others.checked = state.others;
      this.reverse.setAttribute("aria-pressed", String(state.reverse));
      this.clear.hidden = !filtered;
      this.controls.hidden = this.status.hidden = count === 0;
      this.size.hidden = cards.length <= SIZES[0];
      this.facets.forEach((facet) => facet.draw());
      this.pagers.forEach((pager) => pager.draw());
      const right = expectedRight >= 9.95 ? Math.round(expectedRight).toLocaleString("en")
        : expectedRight >= 0.05 ? expectedRight.toFixed(1) : "none";
      const of = filtered ? `${shown.toLocaleString("en")} of ${plural(count, "flagged label")}` : plural(count, "flagged label");
      const samples = state.by === "sample" ? ` in ${plural(cards.length, "sample")}` : "";
      this.status.replaceChildren(
        make("b", {}, of + samples),
        shown ? ` \u00b7 of these, ${right === "none" ? "none is" : `about ${right} are`} expected to be right after all` : "",
      );
    }

    _drawPage() {
      const { page } = this.model;
      if (page.length) {
        this.list.replaceChildren(...page.map((card, place) => this._card(card, place)));
        return;
      }
      const words = this.model.count ? "No flagged label passes these filters." : "No label is flagged.";
      this.list.replaceChildren(make("li", { class: "nothing" }, words));
    }

    _url(sample, large) {
      const key = large ? -1 - sample : sample;
      if (!this._urls.has(key)) this._urls.set(key, (large && this.source.large ? this.source.large : this.source.picture)(sample));
      return this._urls.get(key);
    }

    _settings(card, large) {
      return {
        url: this.data.pictures && !this.data.samples.problem[card.sample] ? this._url(card.sample, large) : Promise.resolve(null),
        others: large || this.model.state.others,
        names: large,
        fixed: this.options.fixed ? this.options.fixed(card.sample) : null,
      };
    }

    _card(card, place) {
      const { flags, samples, groups, reasons } = this.data;
      const drawing = new Drawing(this.data, card.sample, card.flags, this._settings(card, false));
      const [first] = card.flags;
      const names = card.flags.map((flag) => groups[flags.group[flag]].name).join(", ");
      const words = [...new Set(card.flags.map((flag) => flags.reason[flag]))].filter((reason) => reason !== null);
      const id = samples.id[card.sample];
      const picture = make(
        "button",
        {
          type: "button", class: "picture", tabindex: place === this.position ? "0" : "-1",
          "aria-label": `${names} of ${id}, ${percent(flags.posterior[first])} probable to be right. Large view`,
        },
        drawing.element,
      );
      const body = make(
        "div",
        { class: "about" },
        make(
          "p", { class: "head" }, make("span", { class: "names", title: names }, names),
          make("span", { class: "posterior", title: "probability that the label is right" }, percent(flags.posterior[first])),
        ),
        words.length ? make("p", { class: "reason" }, words.map((reason) => reasons[reason].words).join("; ")) : null,
        make("p", { class: "id", title: id }, ...folderAndName(id).map((part) => make("span", {}, part))),
      );
      const item = make("li", { class: "card" }, picture, body);
      item.dataset.place = place;
      this._decorate(item, card, false);
      return item;
    }

    _decorate(item, card, large) {
      if (this.options.className) {
        const name = this.options.className(card);
        if (name) item.classList.add(name);
      }
      if (this.options.actions) {
        const element = make("div", { class: "actions" });
        this.options.actions(card, element, large);
        item.append(element);
      }
    }

    _drawLarge() {
      const { card, data } = this;
      this._seen = this.position;
      const { flags, samples, groups } = data;
      const settings = this._settings(card, true);
      if (this.options.onMove) {
        settings.onMove = (point, at, done) => this.options.onMove(card, point, at, done, this.drawing);
      }
      this.drawing = new Drawing(data, card.sample, card.flags, settings);
      const found = card.flags.map((flag) => {
        const reason = flags.reason[flag];
        const title = groups[flags.group[flag]].name + (reason === null ? "" : `: ${data.reasons[reason].words}`);
        return make(
          "li", {}, make("b", {}, title), make("p", {}, flags.why[flag]),
          make("p", { class: "soft" }, this._measures(flag).join(" \u00b7 ")),
        );
      });
      const item = make(
        "article",
        { class: "sample" },
        this.drawing.element,
        make(
          "div",
          { class: "facts" },
          make("h2", {}, samples.id[card.sample]),
          make("ul", { class: "found" }, ...found),
          this._table(card),
        ),
      );
      this._decorate(item, card, true);
      const { state, cards } = this.model;
      const where = state.page * state.size + this.position;
      this.dialog.replaceChildren(
        make(
          "header",
          {},
          button("\u2039", () => this.move(-1), { "aria-label": "Card before", disabled: where === 0 }),
          make("span", { class: "where" }, `${(where + 1).toLocaleString("en")} of ${cards.length.toLocaleString("en")}`),
          button("\u203a", () => this.move(1), { "aria-label": "Next card", disabled: where >= cards.length - 1 }),
          button("Close", () => this.close(), { class: "close" }),
        ),
        item,
      );
    }

    /* What is known of a flag besides its reason, in short. */
    _measures(flag) {
      const { flags, unit } = this.data;
      const posterior = flags.posterior[flag];
      const exact = posterior >= 0.0001 || posterior === 0 ? "" : ` (${number(posterior)})`;
      const said = [`probability to be right ${percent(posterior)}${exact}`];
      if (flags.distance[flag] !== null) said.push(`${number(flags.distance[flag])} standard deviations from the prediction`);
      const suggested = flags.suggested[flag];
      if (suggested) {
        const deviation = flags.uncertainty[flag];
        const values = suggested.map((value, place) =>
          number(value) + (deviation && deviation[place] !== null ? ` \u00b1 ${number(deviation[place])}` : ""),
        );
        said.push(`suggested ${values.join(", ")}${unit ? ` ${unit}` : ""}`);
      }
      return said;
    }

    _table(card) {
      const { data } = this;
      const flagged = new Set(card.flags.flatMap((flag) => data.groups[data.flags.group[flag]].targets));
      const fixed = this.options.fixed ? this.options.fixed(card.sample) : null;
      const heads = ["", "given", "predicted", ...(fixed ? ["corrected"] : []), data.unit ? `apart, ${data.unit}` : "apart"];
      const body = rows(data, card.sample, fixed).map((row) => {
        const cells = [row.given, row.predicted, ...(fixed ? [row.fixed] : []), number(row.apart)];
        return make(
          "tr", { class: row.targets.some((place) => flagged.has(place)) ? "flagged" : "" },
          make("th", { scope: "row" }, row.name), ...cells.map((cell) => make("td", {}, cell)),
        );
      });
      const head = make("tr", {}, ...heads.map((words) => make("th", { scope: "col" }, words)));
      return make("div", { class: "scrolled" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
    }

    /* ---- moving about ---- */

    _turn(page, place) {
      this.set({ page });
      if (place !== undefined || this.root.getBoundingClientRect().top < 0) {
        this.root.querySelector(".bar").scrollIntoView({ block: "start", behavior: "instant" });
      }
    }

    _select(place, focus) {
      const pictures = this.list.querySelectorAll("button.picture");
      if (!pictures.length) return;
      pictures.forEach((picture, each) => (picture.tabIndex = each === place ? 0 : -1));
      this.position = place;
      if (focus) pictures[place].focus();
    }

    _focused(event) {
      const item = event.target.closest(".card");
      if (item && Number(item.dataset.place) !== this.position) this._select(Number(item.dataset.place), false);
    }

    _clicked(event) {
      const picture = event.target.closest("button.picture");
      if (!picture) return;
      this._select(Number(picture.closest(".card").dataset.place), false);
      this.open();
    }

    _columns() {
      const items = [...this.list.children];
      const below = items.findIndex((item) => item.offsetTop > items[0].offsetTop + 1);
      return below < 0 ? items.length : below;
    }

    _key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const writing = event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]");
      if (writing) {
        if (event.key === "Escape" && event.target === this.search) this.search.blur();
        return;
      }
      if (this.help.open) return;
      const own = (this.options.keys || {})[event.key];
      const inside = this.dialog.open || this.list.contains(document.activeElement);
      const act = own ? () => this.card && own[1](this.card) : this._action(event.key, inside);
      if (!act) return;
      event.preventDefault();
      act();
    }

    _action(key, inside) {
      const { state, pages } = this.model;
      const last = this.model.page.length - 1;
      const large = this.dialog.open;
      const started = large || this.list.contains(document.activeElement);
      const step = (by) => () => (started ? this.move(by) : this._select(this.position, true));
      const everywhere = {
        j: step(1), k: step(-1),
        n: () => state.page < pages - 1 && (this._turn(state.page + 1), this._after(large)),
        p: () => state.page > 0 && (this._turn(state.page - 1), this._after(large)),
        "/": () => (this.close(), this.search.focus(), this.search.select()),
        "?": () => this.help.showModal(),
      };
      const within = {
        ArrowRight: step(1), ArrowLeft: step(-1),
        ArrowDown: () => this.move(large ? 1 : this._columns()),
        ArrowUp: () => this.move(large ? -1 : -this._columns()),
        Home: () => (this._select(0, !large), large && this._drawLarge()),
        End: () => (this._select(last, !large), large && this._drawLarge()),
      };
      return everywhere[key] || (inside ? within[key] : undefined);
    }

    _after(large) {
      if (large) this._drawLarge();
      else this._select(0, true);
    }

    _clear() {
      const chosen = Object.fromEntries(this.model.facets.map((facet) => [facet.name, []]));
      this.search.value = "";
      this.set({ search: "", chosen });
      this.search.focus();
    }

    _restore() {
      const wanted = window.location.hash.startsWith("#view");
      if (wanted) {
        if (window.location.hash === this._written) return;
        this.model.hash = window.location.hash;
      } else if (this.list.children.length) return;
      this.position = 0;
      this._drawControls();
      this._drawPage();
      if (wanted) this.root.scrollIntoView({ block: "start", behavior: "instant" });
    }

    _writeHash() {
      this._written = this.model.hash;
      try {
        window.history.replaceState(null, "", this._written);
      } catch {
        window.location.hash = this._written;
      }
    }
  }

  DeepGUM.Gallery = Gallery;
})();
