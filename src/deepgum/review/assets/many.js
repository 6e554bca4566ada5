/* One decision about many labels: a dialog in two steps.
 *
 *   const many = new DeepGUM.Many(gallery, {held(flag), store(flags, action, reason) -> Promise of words, empty if stored});
 *
 * The first step chooses the labels and the decision. The labels are those that pass the filters of the gallery and are
 * undecided; if there is a filter about decisions, those that pass it. The second step counts them by reason, and shows them
 * with what will change: the least certain ones first, the others on request. Nothing is stored before its button is pressed.
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { Drawing, button, make, many: count, number, percent } = DeepGUM;
  const PART = 24; // cards that are added at a time
  const CHOICES = {
    take: { words: "Take the suggestion", verb: "Take the suggestion for" },
    keep: { words: "Keep", verb: "Keep" },
    drop: { words: "Drop", verb: "Drop" },
    skip: { words: "Skip", verb: "Skip" },
  };
  const labels = (flags) => `${count(flags.length)} label${flags.length === 1 ? "" : "s"}`;

  class Many {
    constructor(gallery, hooks) {
      Object.assign(this, { gallery, hooks, action: "take", reason: "", below: "" });
      this.element = make("dialog", { class: "many", "aria-label": "Decide many labels" });
      // The keys of the gallery act on the cards behind the dialog.
      this.element.addEventListener("keydown", (event) => event.stopPropagation());
      gallery.root.append(this.element);
    }

    get open() {
      return this.element.open;
    }

    show() {
      this._choose();
      if (!this.open) this.element.showModal();
      this.element.querySelector("input:checked").focus();
    }

    close() {
      this.element.close();
    }

    /* ---- the labels ---- */

    /* {flags, without}: the labels that the decision is about, and the number of those without a suggestion. */
    _chosen() {
      const { model, data } = this.gallery;
      const passing = model.cards.flatMap((card) => card.flags);
      const limit = this._limit();
      const below = passing.filter((flag) => limit === null || data.flags.posterior[flag] < limit);
      const wanted = this._overDecisions ? below : below.filter((flag) => !this.hooks.held(flag));
      if (this.action !== "take") return { flags: wanted, without: 0 };
      const suggested = (flag) => data.flags.suggested[flag] && !data.flags.suggested[flag].includes(null);
      const flags = wanted.filter(suggested);
      return { flags, without: wanted.length - flags.length };
    }

    get _overDecisions() {
      return this.gallery.model.state.chosen.decision.length > 0;
    }

    /* The largest probability as a fraction; null without one, NaN if it is no number. */
    _limit() {
      const text = this.below.trim().replace(",", ".").replace(/\s*%$/, "");
      if (!text) return null;
      const value = /^(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) / 100 : NaN;
      return value > 0 ? value : NaN;
    }

    /* The filters in words. */
    _filters() {
      const { facets, state } = this.gallery.model;
      const parts = facets.filter(({ name }) => state.chosen[name].length).map(({ name, title, values }) => {
        const keys = new Set(state.chosen[name]);
        return `${title}: ${values.filter((value) => keys.has(value.key)).map((value) => value.words).join(" or ")}`;
      });
      if (state.search.trim()) parts.push(`id contains \u201c${state.search.trim()}\u201d`);
      return parts;
    }

    /* ---- first step ---- */

    _choose() {
      const filters = this._filters();
      const choices = Object.entries(CHOICES).map(([name, { words }]) => {
        const input = make("input", { type: "radio", name: "many-action", value: name, checked: name === this.action });
        input.addEventListener("change", () => this._changed({ action: name }));
        return make("label", { class: "chip" }, input, make("span", {}, words));
      });
      const below = make("input", { type: "text", inputmode: "decimal", id: "many-below", autocomplete: "off", size: "6" });
      below.value = this.below;
      below.addEventListener("input", () => this._changed({ below: below.value }));
      const reason = make("input", { type: "text", id: "many-reason", maxlength: "2000", autocomplete: "off" });
      reason.value = this.reason;
      reason.addEventListener("input", () => (this.reason = reason.value));
      this.said = make("p", { class: "chosen", role: "status", "aria-live": "polite" });
      this.next = make("button", { type: "submit", class: "primary" }, "Look at them");
      const form = make(
        "form", {},
        make("h2", {}, "Decide many labels"),
        make("p", {}, filters.length
          ? "The filters of the gallery choose the labels:"
          : "The filters of the gallery choose the labels. No filter is set: these are all labels."),
        filters.length ? make("ul", {}, ...filters.map((words) => make("li", {}, words))) : null,
        make(
          "p", { class: "limit" },
          make("label", { for: below.id }, "Only labels whose probability of being right is below"), " ", below, " %",
        ),
        make("fieldset", { class: "facet" }, make("legend", {}, "Decision"), make("div", { class: "chips" }, ...choices)),
        make("p", { class: "reason-field" }, make("label", { for: reason.id }, "Note (may be empty)"), reason),
        this.said,
        make("div", { class: "choices" }, this.next, button("Cancel", () => this.close(), { class: "choice" })),
      );
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (!this.next.disabled) this._preview();
      });
      this.element.replaceChildren(form);
      this._changed({});
    }

    _changed(changes) {
      Object.assign(this, changes);
      const wrong = Number.isNaN(this._limit());
      const { flags, without } = wrong ? { flags: [], without: 0 } : this._chosen();
      this.next.disabled = !flags.length;
      this.element.querySelector("#many-below").setAttribute("aria-invalid", String(wrong));
      const kind = this._overDecisions ? "" : "undecided ";
      const which = `${count(flags.length)} ${kind}label${flags.length === 1 ? "" : "s"}`;
      this.said.textContent = wrong
        ? "The probability is not a number above 0."
        : [`${which} will be decided.`, without ? `${count(without)} without a suggestion will stay as they are.` : ""].join(" ");
    }

    /* ---- second step ---- */

    _preview() {
      const { flags, without } = this._chosen();
      const { verb } = CHOICES[this.action];
      const replaced = flags.filter((flag) => this.hooks.held(flag)).length;
      const about = [
        "This is one decision, which one undo (u) takes back.",
        replaced ? `It replaces the decisions about ${count(replaced)} of the labels.` : "",
        without ? `${count(without)} labels without a suggestion stay as they are.` : "",
        this.reason.trim() ? `Note: \u201c${this.reason.trim()}\u201d.` : "",
      ];
      const ordered = this._leastCertainFirst(flags);
      const list = make("ol", { class: "preview", tabindex: "0", "aria-label": "The labels" });
      const rest = button("", () => more(PART));
      const all = button("", () => more(flags.length));
      const more = (some) => {
        const start = list.children.length;
        list.append(...ordered.slice(start, start + some).map((flag) => this._item(flag)));
        const left = flags.length - list.children.length;
        rest.hidden = left <= PART;
        all.hidden = !left;
        rest.textContent = `Show ${PART} more`;
        all.textContent = `Show all ${count(flags.length)}`;
        return left;
      };
      const shown = more(PART) ? `The ${PART} least certain labels come first. Look at them.` : "";
      const done = button(`${verb} ${labels(flags)}`, () => this._store(flags, done), { class: "primary" });
      const back = button("Back", () => this.show(), { class: "choice" });
      const cancel = button("Cancel", () => this.close(), { class: "choice" });
      this.problem = make("p", { class: "problem", role: "alert" });
      this.element.replaceChildren(
        make("h2", {}, `${verb} ${labels(flags)}?`), make("p", {}, about.filter(Boolean).join(" ")),
        this._reasons(flags), shown && make("p", {}, shown), list,
        make("div", { class: "choices" }, done, back, cancel, rest, all), this.problem,
      );
      list.focus();
    }

    /* The labels for which the decision is the least certain come first: to keep a label is the opposite of the others. */
    _leastCertainFirst(flags) {
      const { posterior } = this.gallery.data.flags;
      const sign = this.action === "keep" ? 1 : -1;
      return [...flags].sort((one, other) => sign * (posterior[one] - posterior[other]) || one - other);
    }

    /* The numbers of labels by reason: with a suggestion that is taken, also by what it undoes. */
    _reasons(flags) {
      const { flags: all, reasons } = this.gallery.data;
      const words = (flag) => {
        const undone = this.action === "take" && all.undoes[flag];
        return undone || (all.reason[flag] === null ? "no reason" : reasons[all.reason[flag]].words);
      };
      const counts = [...Map.groupBy(flags, words)].sort((one, other) => other[1].length - one[1].length);
      const items = counts.map(([name, some]) => make("li", {}, make("b", {}, count(some.length)), ` ${name}`));
      return make("ul", { class: "by-reason", "aria-label": "Labels by reason" }, ...items);
    }

    /* One label: its picture or its values, and what will become of it. */
    _item(flag) {
      const { data } = this.gallery;
      const sample = data.flags.sample[flag];
      const { name, targets } = data.groups[data.flags.group[flag]];
      const suggested = this.action === "take" ? data.flags.suggested[flag] : null;
      const fixed = suggested && new Array(data.targets.length).fill(null);
      if (fixed) targets.forEach((target, place) => (fixed[target] = suggested[place]));
      const settings = { ...this.gallery.settings({ sample, flags: [flag] }, false), others: false, fixed };
      const given = targets.map((target) => number(data.samples.given[sample][target])).join(", ");
      const becomes = { take: suggested && suggested.map(number).join(", "), keep: "kept", drop: "dropped", skip: "skipped" };
      const reason = data.flags.reason[flag];
      return make(
        "li", {},
        new Drawing(data, sample, [flag], settings).element,
        make("p", {}, make("b", {}, name), ` ${percent(data.flags.posterior[flag])}`),
        make("p", {}, `${given} \u2192 `, make("b", { class: this.action }, becomes[this.action])),
        reason === null ? null : make("p", { class: "soft" }, data.flags.undoes[flag] || data.reasons[reason].words),
        DeepGUM.features.onCard(data, sample),
        make("p", { class: "soft", title: data.samples.id[sample] }, data.samples.id[sample]),
      );
    }

    async _store(flags, pressed) {
      pressed.disabled = true;
      const words = await this.hooks.store(flags, this.action, this.reason.trim());
      pressed.disabled = false;
      this.problem.textContent = words;
      if (words) return;
      this.reason = "";
      this.close();
    }
  }

  DeepGUM.Many = Many;
})();
