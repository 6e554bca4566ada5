/* The gallery of flagged labels, for the report (a file opened from disk) and for the review (served).
 *
 *   const gallery = new DeepGUM.Gallery(root, source, options);
 *
 * root: an empty element. source: {data, picture(sample), large(sample)}, where `sample` is an index into data.samples and
 * the functions return the Promise of a URL or of null. `large` is optional. The report uses DeepGUM.embedded().
 *
 * data, of the form "deepgum-gallery 1" (columns: one array per property; null for unknown values):
 *   unit       the unit of the labels, as text
 *   pictures   whether the samples have pictures
 *   targets    [{name, low, high, period}]: the d coordinates; low and high are the ends of a scale, period 0 or 360
 *   points     [{name, x, y}]: landmarks, with the places of their coordinates in targets; [] if labels are values
 *   skeleton   [[one, other]]: pairs of places in points that a thin line connects; [] if there are none
 *   groups     [{name, targets: [place, ...]}]: labels that are right or wrong as a whole
 *   reasons    [{key, words}]: the reasons that occur
 *   features   the names of the features of the samples; [] if there are none
 *   total      the number of flagged labels; the data may hold only the worst of them
 *   samples    {row, id, given: [[d]], predicted: [[d]], crop: [[left, top, side]], size: [[width, height]],
 *              problem: {sample: words}}: row is the place in the audit's scores; labels of landmarks, crop and size are
 *              in pixels of the image file; a sample with a problem has no picture. geometry.js converts crop <-> file.
 *              features: [[places in features], [values], [shares of samples at least as unusual]], most unusual first
 *   flags      {sample, group, posterior, distance, residual, reason (place in reasons), undoes: how the suggestion
 *              undoes the error ("Divided by 10"), or "", why, suggested: [[values]], uncertainty: [[values]]}, worst first;
 *              values are those of the group; `suggested` is what a reviewer takes
 *   chunks     embedded pictures: the first sample of each block
 *
 * A card is {sample, flags: [indices into data.flags]}: one flag, or all flags of one sample that pass the filters.
 *
 * options, all optional:
 *   actions(card, element, large)   fill `element`, below a card and in the large view, with controls
 *   className(card)            a class for the card, for example "is-kept"; called again by refresh()
 *   facets                     more filters: [{name, title, values: [{key, words}], of(flag) -> place in values}]
 *   keys                       {key: [words for the help, (card) => ...]}; they take precedence over the gallery's keys
 *   fixed(sample)              array (d,) of corrected values with null for none, or null; drawn as diamonds
 *   onMove(card, point, [x, y], done, drawing)   called when a landmark of the large view is dragged to x, y in pixels of
 *                              the file; afterwards set drawing.settings.fixed and call drawing.drawPoints()
 *   keepHash                   true: do not write the state into the URL
 *
 * A gallery has: data, model (state, cards, page), card (the current one, or null), position (its place on the page), list
 * (element of the cards), dialog (the large view), drawing (in the large view), help (dialog), and
 *   refresh(sample, {large})   draw the cards of a sample again, without an argument all cards of the page; also the large
 *                              view, unless `large` is false
 *   recount()                  count the values of the filters again, without drawing cards
 *   retable()                  draw the table of the large view again
 *   update()                   filter, count and draw again, after the values of `facets` have changed
 *   move(by)                   go to the next card (1), the previous one (-1), ..., also across pages
 *   open(), close()            the large view of the current card
 *   set(changes)               change the state: {sort, reverse, by, search, page, size, others, chosen}
 *   say(words)                 announce to screen readers, and show in the status line for a while
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { Controls, Drawing, Keys, LargeView, Model, features, make, percent } = DeepGUM;

  const END = 12; // characters at the end of an id that are always shown

  /* Split an id: if it is too long, the end of its first part is cut off: "faces/0001\u2026n_left.jpg". */
  function cutInTheMiddle(id) {
    const letters = Array.from(id);
    return letters.length > END + 4 ? [letters.slice(0, -END).join(""), letters.slice(-END).join("")] : [id];
  }

  class Gallery {
    constructor(root, source, options) {
      Object.assign(this, { root, source, options: options || {}, data: source.data, position: 0 });
      this.model = new Model(source.data, this.options.facets);
      this._urls = new Map();
      this._controls = new Controls(this);
      this._large = new LargeView(this);
      this._keys = new Keys(this);
      this._said = make("p", { class: "said", role: "status", "aria-live": "polite" });
      this.list = make("ol", { class: "cards" });
      this.list.addEventListener("click", (event) => this._clicked(event));
      this.list.addEventListener("focusin", (event) => this._focused(event));
      root.classList.add("gallery");
      const { panel, above, below } = this._controls;
      root.append(panel, above, this._said, this.list, below, this.dialog, this.help);
      this._restore();
      window.addEventListener("hashchange", () => this._restore());
    }

    get card() {
      return this.model.page[this.position] || null;
    }

    get dialog() {
      return this._large.element;
    }

    get drawing() {
      return this._large.drawing;
    }

    get help() {
      return this._keys.help;
    }

    /* ---- the cards of the page ---- */

    set(changes) {
      const turnsOnly = Object.keys(changes).every((key) => key === "page");
      Object.assign(this.model.state, turnsOnly ? {} : { page: 0 }, changes);
      this.update();
    }

    update() {
      this.model.apply();
      this._draw();
      if (!this.options.keepHash) this._writeHash();
    }

    refresh(sample, { large = true } = {}) {
      this.model.page.forEach((card, place) => {
        if (sample !== undefined && card.sample !== sample) return;
        const old = this.list.children[place];
        const focused = old.querySelector("button.picture") === document.activeElement;
        old.replaceWith(this._card(card, place));
        if (focused) this.list.children[place].querySelector("button.picture").focus();
      });
      if (large && this.dialog.open && this.card && (sample === undefined || this.card.sample === sample)) this._large.draw();
    }

    recount() {
      this.model.apply();
      this._controls.draw();
    }

    retable() {
      this._large.retable();
    }

    say(words) {
      this._said.textContent = words;
      clearTimeout(this._silence);
      this._silence = setTimeout(() => (this._said.textContent = ""), 6000);
    }

    _draw() {
      const { page, count } = this.model;
      this.position = 0;
      this._controls.draw();
      const words = count ? "No flagged label passes these filters." : "No label is flagged.";
      const items = page.map((card, place) => this._card(card, place));
      this.list.replaceChildren(...(items.length ? items : [make("li", { class: "nothing" }, words)]));
    }

    /* ---- cards ---- */

    _card(card, place) {
      const { flags, samples, groups, reasons } = this.data;
      const all = card.flags.map((flag) => groups[flags.group[flag]].name);
      const names = all.length > 2 ? `${all[0]} and ${all.length - 1} more` : all.join(", ");
      const why = [...new Set(card.flags.map((flag) => flags.reason[flag]))].filter((reason) => reason !== null);
      const undone = [...new Set(card.flags.map((flag) => flags.undoes[flag]))].filter(Boolean);
      const words = why.map((reason) => reasons[reason].words).join("; ");
      const id = samples.id[card.sample];
      const posterior = percent(flags.posterior[card.flags[0]]);
      const tabindex = place === this.position ? "0" : "-1";
      const title = `${all.join(", ")} of ${id}, right with probability ${posterior}. Open the large view`;
      const picture = make("button", { type: "button", class: "picture", tabindex, "aria-label": title });
      picture.append(new Drawing(this.data, card.sample, card.flags, this.settings(card, false)).element);
      const about = make(
        "div",
        { class: "about" },
        make(
          "p",
          { class: "head" },
          make("span", { class: "names", title: all.join(", ") }, names),
          make("span", { class: "posterior", title: "probability that the label is right" }, posterior),
        ),
        words ? make("p", { class: "reason" }, undone.length ? make("b", {}, undone.join("; ")) : null, undone.length ? `: ${words}` : words) : null,
        features.onCard(this.data, card.sample),
        make("p", { class: "id", title: id }, ...cutInTheMiddle(id).map((part) => make("span", {}, part))),
      );
      const item = make("li", { class: "card" }, picture, about);
      item.dataset.place = place;
      this.decorate(item, card, false);
      return item;
    }

    /* The settings of a card's drawing; see Drawing. */
    settings(card, large) {
      const shown = this.data.pictures && !this.data.samples.problem[card.sample];
      return {
        url: shown ? this._url(card.sample, large) : Promise.resolve(null),
        others: large || this.model.state.others,
        names: large,
        fixed: this.options.fixed ? this.options.fixed(card.sample) : null,
      };
    }

    _url(sample, large) {
      const ask = (large && this.source.large) || this.source.picture;
      const key = `${large && this.source.large ? "large" : "small"} ${sample}`;
      if (!this._urls.has(key)) this._urls.set(key, ask.call(this.source, sample));
      return this._urls.get(key);
    }

    decorate(item, card, large) {
      const { className, actions } = this.options;
      const name = className && className(card);
      if (name) item.classList.add(name);
      if (actions) {
        const element = make("div", { class: "actions" });
        actions(card, element, large);
        item.append(element);
      }
    }

    /* ---- navigation ---- */

    move(by) {
      const { state, page, pages } = this.model;
      const next = this.position + by;
      if (next < 0 && state.page > 0) {
        this.turn(state.page - 1);
        this.goTo(this.model.page.length - 1);
      } else if (next >= page.length && state.page < pages - 1) {
        this.turn(state.page + 1);
        this.goTo(0);
      } else this.goTo(Math.min(Math.max(0, next), page.length - 1));
    }

    /* Show another page; return whether there is one. */
    turn(page, scroll) {
      if (page < 0 || page >= this.model.pages) return false;
      this.set({ page });
      if (scroll || this.root.getBoundingClientRect().top < 0) {
        this.root.querySelector(".bar").scrollIntoView({ block: "start", behavior: "instant" });
      }
      return true;
    }

    /* Go to a card of the page, also in the large view if that is open. */
    goTo(place) {
      this.select(place, !this.dialog.open);
      if (this.dialog.open && this.card) this._large.draw();
    }

    select(place, focus) {
      const pictures = this.list.querySelectorAll("button.picture");
      if (!pictures[place]) return;
      pictures.forEach((picture, each) => (picture.tabIndex = each === place ? 0 : -1));
      this.position = place;
      if (focus) pictures[place].focus();
    }

    open() {
      if (!this.card) return;
      this._large.draw();
      if (!this.dialog.open) this.dialog.showModal();
    }

    close() {
      this.dialog.close();
    }

    find() {
      this.close();
      this._controls.search.focus();
      this._controls.search.select();
    }

    _focused(event) {
      const item = event.target.closest(".card");
      if (item && Number(item.dataset.place) !== this.position) this.select(Number(item.dataset.place), false);
    }

    _clicked(event) {
      const picture = event.target.closest("button.picture");
      if (!picture) return;
      this.select(Number(picture.closest(".card").dataset.place), false);
      this.open();
    }

    /* ---- the address ---- */

    _restore() {
      const { hash } = window.location;
      const wanted = hash.startsWith("#view");
      if (wanted ? hash === this._written : this.list.children.length) return;
      if (wanted) this.model.hash = hash;
      this._draw();
      const top = this.root.closest("section") || this.root; // with its title
      if (wanted) top.scrollIntoView({ block: "start", behavior: "instant" });
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
