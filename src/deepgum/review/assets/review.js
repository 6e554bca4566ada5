/* The review: the gallery with decisions, by pointer or by keyboard alone. */
(function () {
  "use strict";
  const { Decisions, Editor, Gallery, make, number, placeOf, sameCard } = window.DeepGUM;
  const ACTIONS = {
    keep: { words: "Keep", done: "kept", key: "k", title: "The label is right (k)" },
    take: { words: "Take", done: "fixed", key: "a", title: "Take the suggestion (a)" },
    fix: { words: "Fix", done: "fixed", key: "e", title: "Put it right by hand (e)" },
    drop: { words: "Drop", done: "dropped", key: "d", title: "Use this label no more (d)" },
    skip: { words: "Skip", done: "skipped", key: "s", title: "Leave it open (s)" },
  };
  const HELD = ["keep", "fix", "drop", "skip"];
  const KINDS = {
    patch: { words: "Patch, for deepgum apply" },
    "label-studio": { words: "Label Studio" },
    coco: { words: "COCO keypoints", landmarks: true },
    fiftyone: { words: "FiftyOne" },
  };
  const element = (id) => document.getElementById(id);
  const button = (words, act, attributes) => {
    const made = make("button", { type: "button", ...attributes }, words);
    made.addEventListener("click", (event) => {
      event.stopPropagation();
      act();
    });
    return made;
  };

  class Review {
    constructor({ audit, who, verdict, landmarks, gallery: data }) {
      Object.assign(this, { data, who, landmarks });
      this.place = data.flags.sample.map((sample, flag) => this._placeOf(flag));
      this.flagAt = new Map(this.place.map((place, flag) => [place, flag]));
      this.decisions = new Decisions(audit, {
        changed: (places) => this._changed(places),
        refused: (item, words, current) => this._refused(item, words, current),
        state: () => this._state(),
      });
      this.editor = new Editor(data, {
        current: (flag) => this._held(flag),
        changed: () => this._edited(),
        moved: () => this.gallery.dialog.querySelector(".scrolled")?.replaceWith(this.gallery._table(this.editor.card)),
      });
      this._drawn = new Map();
      element("verdict").textContent = verdict;
    }

    async start() {
      await this.decisions.load();
      const facet = {
        name: "decision",
        title: "Decision",
        values: [{ key: "none", words: "undecided" }, ...HELD.map((key) => ({ key, words: ACTIONS[key].done }))],
        of: (flag) => HELD.indexOf(this._held(flag)?.action) + 1,
      };
      const own = Object.entries(ACTIONS).map(([name, { key, title }]) => [
        key, [title.replace(/ \(.\)$/, ""), (card) => this.act(name, card)],
      ]);
      const more = {
        u: ["undo (also Ctrl-Z)", () => this.undo()],
        U: ["redo (also Ctrl-Shift-Z)", () => this.redo()],
        i: ["next undecided", () => this._next(this.gallery.card.flags)],
        b: ["card before", () => this.gallery.move(-1)],
      };
      this.gallery = new Gallery(element("gallery"), this._source(), {
        actions: (card, place, large) => this._actions(card, place, large),
        className: (card) => this._className(card),
        facets: [facet],
        fixed: (sample) => this._fixed(sample),
        keys: { ...Object.fromEntries(own), ...more },
      });
      this._help();
      this.gallery.dialog.addEventListener("close", () => this._leaveEditor());
      document.addEventListener("keydown", (event) => this._key(event), true);
      this.gallery.root.querySelector("details.filters").open = false;
      element("open").addEventListener("click", () => this._onlyOpen());
      element("undo").addEventListener("click", () => this.undo());
      element("redo").addEventListener("click", () => this.redo());
      this._exports();
      this._state();
      this._resume();
      this.decisions.send();
      this.decisions.watch();
    }

    _source() {
      const rows = this.data.samples.row;
      const { audit } = this.decisions;
      const url = (size) => (sample) => Promise.resolve(`pictures/${audit}/${size}/${rows[sample]}.jpg`);
      return { data: this.data, picture: url("small"), large: url("large") };
    }

    /* ---- decisions ---- */

    act(name, card) {
      if (name === "fix") return this._edit(card);
      if (this.editor.card) this.editor.stop();
      if (name !== "take") return this._decide(card, card.flags.map((flag) => [flag, { action: name, new: null }]));
      const { suggested } = this.data.flags;
      if (card.flags.some((flag) => !suggested[flag] || suggested[flag].includes(null))) {
        return this._say("Nothing is suggested for this label. Fix it by hand (e), or drop it (d).");
      }
      return this._decide(card, card.flags.map((flag) => [flag, { action: "fix", new: suggested[flag], suggested: true }]));
    }

    _decide(card, decided) {
      const next = this._after(card.flags);
      this._store(card, decided);
      if (next !== null) this._goTo(next);
      else this._finished();
    }

    _store(card, decided) {
      for (const [flag, entry] of decided) {
        const [sample, group] = JSON.parse(this.place[flag]);
        this.decisions.decide({ sample, group, who: this.who, ...entry });
      }
      this._recount();
      const names = card.flags.map((flag) => this._group(flag)).join(", ");
      this._say(`${names}: ${ACTIONS[decided[0][1].action].done}.`);
    }

    async undo(entry) {
      if (this.editor.card) this.editor.stop();
      this._returned(await this.decisions.undo(entry), "Undone");
    }

    async redo() {
      this._returned(await this.decisions.redo(), "Redone");
    }

    _returned({ place, words }, done) {
      if (words) return this._say(words);
      const flag = this.flagAt.get(place);
      if (flag !== undefined) {
        this._recount();
        if (!this._goTo(flag)) this._notice(`${done}: ${this._name(flag)}.`, flag);
        else this._say(`${done}: ${this._name(flag)}.`);
      }
      return undefined;
    }

    /* Draw the cards anew on which something is to be seen of it. */
    _changed(places) {
      if (!this.gallery) return;
      const samples = new Set();
      for (const place of places) {
        const flag = this.flagAt.get(place);
        const held = this.decisions.at(place);
        const seen = JSON.stringify(held && [held.action, held.new, held.who, this._waits(held)]);
        if (flag === undefined || this._drawn.get(place) === seen) continue;
        this._drawn.set(place, seen);
        samples.add(this.data.flags.sample[flag]);
      }
      const { gallery, editor } = this;
      const focused = gallery.list.contains(document.activeElement);
      for (const sample of samples) {
        if (!(editor.card && editor.card.sample === sample)) gallery.refresh(sample);
      }
      if (focused && !gallery.list.contains(document.activeElement)) gallery.move(0);
      this._state();
    }

    _waits(held) {
      return Boolean(held.waiting && this.decisions.trouble);
    }

    _refused(item, words, current) {
      const flag = this.flagAt.get(item.place);
      const holds = current ? `Now it is ${ACTIONS[current.action].done} by ${current.who}.` : "";
      const mine = `Your decision was not stored: ${ACTIONS[item.entry.action].done} ${flag === undefined ? "" : this._name(flag)}.`;
      this._notice(`${mine} ${holds} ${words}`, flag);
    }

    _held(flag) {
      return this.decisions.at(this.place[flag]);
    }

    _placeOf(flag) {
      const { samples, flags, groups } = this.data;
      return placeOf(samples.id[flags.sample[flag]], groups[flags.group[flag]].name);
    }

    _group(flag) {
      return this.data.groups[this.data.flags.group[flag]].name;
    }

    _name(flag) {
      return `${this._group(flag)} of ${this.data.samples.id[this.data.flags.sample[flag]]}`;
    }

    /* ---- corrections ---- */

    _edit(card) {
      if (!this.editor.is(card)) this.editor.start(card);
      this.gallery.open();
      this.editor.focus();
    }

    _edited() {
      if (this.gallery.dialog.open) this.gallery.open(); // draws it anew
      if (this.editor.card && this.gallery.dialog.open) this.editor.focus();
    }

    _save() {
      const { card } = this.editor;
      const fixes = this.editor.take();
      if (fixes) this._decide(card, fixes);
      else this._say("A value is no number. Put it right, or leave it with Esc.");
    }

    /* Who goes on from a correction that was begun means it. */
    _leaveEditor() {
      const { card, moved } = this.editor;
      if (!card) return;
      const fixes = moved ? this.editor.take() : null;
      this.editor.clear();
      if (fixes) {
        // Not now: the gallery is in the midst of drawing the card that was gone on to.
        queueMicrotask(() => {
          this._store(card, fixes);
          this._notice(`The correction of ${this._name(card.flags[0])} was stored, as you went on.`, card.flags[0], true);
        });
      } else if (moved) this._notice("A value was no number: the correction was not stored.", card.flags[0]);
    }

    _fixed(sample) {
      if (this.editor.card && this.editor.card.sample === sample) return this.editor.fixed();
      const { flags, groups, targets } = this.data;
      let fixed = null;
      for (const flag of this._flagsOf(sample)) {
        const held = this._held(flag);
        if (!held || !held.new) continue;
        fixed ??= new Array(targets.length).fill(null);
        groups[flags.group[flag]].targets.forEach((target, place) => (fixed[target] = held.new[place]));
      }
      return fixed;
    }

    _flagsOf(sample) {
      if (!this._bySample) {
        this._bySample = new Map();
        this.data.flags.sample.forEach((each, flag) => {
          if (!this._bySample.has(each)) this._bySample.set(each, []);
          this._bySample.get(each).push(flag);
        });
      }
      return this._bySample.get(sample) || [];
    }

    /* ---- cards ---- */

    _className(card) {
      const actions = new Set(card.flags.map((flag) => this._held(flag)?.action || "none"));
      return actions.size === 1 ? `is-${[...actions][0]}` : "is-mixed";
    }

    _actions(card, place, large) {
      if (large && this.editor.card && !this.editor.is(card)) this._leaveEditor();
      if (large) this.editor.listen(this.gallery.drawing, card);
      if (large && this.editor.is(card)) return this._editing(place);
      const held = card.flags.map((flag) => this._held(flag));
      const first = held.find(Boolean);
      const pressed = (name) => (name === "take" ? "fix" : name) === first?.action && held.every((each) => each?.action === first.action);
      const choices = Object.entries(ACTIONS).map(([name, { words, key, title }]) =>
        button(large ? make("span", {}, words, " ", make("kbd", {}, key)) : words, () => this._clicked(name, card), {
          class: `choice ${name}`, title, "aria-keyshortcuts": key, tabindex: large ? "0" : "-1",
          "aria-pressed": String(name !== "take" && pressed(name)),
        }),
      );
      place.append(make("div", { class: "choices", role: "group", "aria-label": "Decision" }, ...choices));
      place.append(this._heldWords(held, large));
      if (large) queueMicrotask(() => this._focusLarge());
      return undefined;
    }

    /* What had the focus was thrown away with what was drawn before. */
    _focusLarge() {
      const { dialog } = this.gallery;
      const article = dialog.querySelector(".sample");
      if (!dialog.open || !article || (document.activeElement !== dialog && dialog.contains(document.activeElement))) return;
      article.tabIndex = -1;
      article.focus({ preventScroll: true });
    }

    _clicked(name, card) {
      const { gallery } = this;
      const index = gallery.model.page.findIndex((each) => sameCard(each, card));
      if (index >= 0) gallery.move(index - gallery.position);
      this.act(name, card);
    }

    _heldWords(held, large) {
      const [entry] = held.filter(Boolean);
      const several = held.length > 1 && !large ? `${held.filter(Boolean).length} of ${held.length} decided` : "";
      if (!entry) return make("p", { class: "held" }, "undecided");
      const values = entry.new && large ? ` to ${entry.new.map(number).join(", ")}` : "";
      const when = entry.at ? new Date(entry.at).toLocaleString([], { dateStyle: "short", timeStyle: "short" }) : "now";
      const by = entry.who === this.who && !large ? "" : ` by ${entry.who}`;
      const how = this._waits(entry) ? ", waiting for the server" : large ? `${by}, ${when}` : by;
      return make(
        "p", { class: `held is-${entry.action}`, title: `${ACTIONS[entry.action].done} by ${entry.who}, ${when}` },
        make("b", {}, several || ACTIONS[entry.action].done + values), several ? " " : `${how} `,
        button("Undo", () => this.undo(entry), { class: "link", tabindex: large ? "0" : "-1" }),
      );
    }

    _editing(place) {
      const form = make("form", { class: "editor" });
      const fields = make("div", { class: "fields" });
      this.editor.show(fields, this.gallery.drawing);
      const how = this.landmarks
        ? "Drag the diamond, or move it with the arrow keys (Shift: 10 pixels), or type where it belongs."
        : "Type what it should be. Arrow keys up and down change it by 1 (Shift: 10).";
      form.append(
        make("p", { class: "how" }, how), fields,
        make(
          "div", { class: "choices" },
          make("button", { type: "submit", class: "primary" }, make("span", {}, "Store ", make("kbd", {}, "Enter"))),
          button(make("span", {}, "Leave as it was ", make("kbd", {}, "Esc")), () => this.editor.stop()),
        ),
      );
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        this._save();
      });
      place.append(form);
      this.gallery.drawing.element.classList.add("editing");
      return undefined;
    }

    /* ---- keys ---- */

    _key(event) {
      const { editor, gallery } = this;
      const done = () => {
        event.preventDefault();
        event.stopImmediatePropagation();
      };
      const writing = event.target.closest("input:not([type=checkbox]), select, textarea");
      if ((event.ctrlKey || event.metaKey) && !event.altKey && "zZyY".includes(event.key) && !writing) {
        done();
        if (event.key.toLowerCase() === "y" || event.shiftKey) this.redo();
        else this.undo();
        return;
      }
      if (!editor.card || !gallery.dialog.open || gallery.help.open) return;
      if (event.key === "Escape") {
        done();
        editor.stop();
      } else if (event.key === "Enter" && !event.target.closest("button")) {
        done();
        this._save();
      } else if (editor.key(event)) done();
    }

    /* ---- moving about ---- */

    /* The next undecided flag behind these in the order of the cards, from the beginning again after the last; or null. */
    _after(flags) {
      const { cards } = this.gallery.model;
      const here = cards.findIndex((card) => card.flags.includes(flags.at(-1)));
      for (let step = 1; step <= cards.length; step++) {
        const { flags: others } = cards[(here + step) % cards.length];
        const open = others.find((each) => !flags.includes(each) && !this._held(each));
        if (open !== undefined) return open;
      }
      return null;
    }

    _next(flags) {
      const next = this._after(flags);
      if (next === null || !this._goTo(next)) this._say("Nothing else is undecided among these.");
    }

    _goTo(flag) {
      const { gallery } = this;
      const index = gallery.model.cards.findIndex((card) => card.flags.includes(flag));
      if (index < 0) return false;
      const { size, page } = gallery.model.state;
      if (Math.floor(index / size) !== page) gallery.set({ page: Math.floor(index / size) });
      gallery.move((index % size) - gallery.position);
      return true;
    }

    _resume() {
      const last = this.decisions.undoable;
      const from = last ? this.flagAt.get(placeOf(last.sample, last.group)) : undefined;
      const { cards } = this.gallery.model;
      const fresh = cards.find((card) => card.flags.some((flag) => !this._held(flag)));
      if (from !== undefined && cards.some((card) => card.flags.includes(from))) this._next([from]);
      else if (fresh) this._goTo(fresh.flags[0]);
    }

    /* After a decision: what the filters let through, if they ask for decisions. The others are counted with each drawing. */
    _recount() {
      const { gallery } = this;
      if (!gallery.model.state.chosen.decision.length) return;
      const here = gallery.card;
      gallery.update();
      if (here) this._goTo(here.flags[0]);
    }

    _onlyOpen() {
      const chosen = { ...this.gallery.model.state.chosen };
      chosen.decision = this._isOnlyOpen() ? [] : ["none"];
      const here = this.gallery.card;
      this.gallery.set({ chosen });
      if (here) this._goTo(here.flags[0]);
      this._state();
    }

    _isOnlyOpen() {
      return this.gallery.model.state.chosen.decision.join() === "none";
    }

    /* ---- around the gallery ---- */

    _state() {
      if (!this.gallery) return;
      if (this._trouble !== this.decisions.trouble) {
        this._trouble = this.decisions.trouble;
        this._changed(this.decisions.queue.map((item) => item.place));
      }
      const counts = Object.fromEntries(HELD.map((name) => [name, 0]));
      let decided = 0;
      for (const place of this.place) {
        const held = this.decisions.at(place);
        if (!held) continue;
        counts[held.action]++;
        decided++;
      }
      const all = this.place.length;
      const said = HELD.filter((name) => counts[name]).map((name) => `${counts[name]} ${ACTIONS[name].done}`);
      element("progress").textContent = `${decided} of ${all} decided${said.length ? ` \u00b7 ${said.join(", ")}` : ""}`;
      const parts = HELD.map((name) => {
        const part = make("span", { class: `is-${name}` });
        part.style.width = `${(100 * counts[name]) / Math.max(1, all)}%`;
        return part;
      });
      element("track").replaceChildren(...parts);
      element("open").setAttribute("aria-pressed", String(this._isOnlyOpen()));
      element("undo").disabled = !this.decisions.undoable && !this.decisions.queue.length;
      element("redo").disabled = !this.decisions.redoable;
      document.title = `${decided}/${all} Label review`;
      this._banner();
    }

    _help() {
      const keys = [
        ["Arrows", "move the landmark by 1 pixel, with Shift by 10"],
        [", .", "landmark before, next landmark"],
        ["Tab", "to the values, to type them"],
        ["Enter", "store the correction"],
        ["Esc", "leave it as it was"],
      ];
      const entries = keys.flatMap(([key, words]) => [
        make("dt", {}, ...key.split(" ").map((each) => make("kbd", {}, each))), make("dd", {}, words),
      ]);
      this.gallery.help.querySelector("dl").after(make("h2", {}, "While fixing"), make("dl", {}, ...entries));
    }

    _banner() {
      const { trouble, blocked, queue } = this.decisions;
      const banner = element("banner");
      banner.hidden = !trouble;
      if (!trouble) return;
      const waiting = queue.length
        ? `${queue.length} decision${queue.length > 1 ? "s wait" : " waits"} in this browser, and will be sent.`
        : "Nothing is lost.";
      const words = {
        gone: `The server does not answer. ${waiting} Start it again with the same command: deepgum review RUN.`,
      };
      banner.textContent = words[trouble] || `${trouble} ${waiting}`;
      banner.classList.toggle("blocked", blocked);
    }

    /* To be seen over the large view, too. */
    _say(words) {
      const toast = element("toast");
      toast.hidePopover();
      toast.textContent = words;
      toast.showPopover();
      clearTimeout(this._silence);
      this._silence = setTimeout(() => toast.hidePopover(), 4000);
    }

    _notice(words, flag, brief) {
      const item = make("li", {}, make("span", {}, words));
      if (flag !== undefined) {
        item.append(
          button("Show", () => {
            if (!this._goTo(flag)) {
              this.gallery._clear();
              this._goTo(flag);
            }
          }),
        );
      }
      item.append(button("Dismiss", () => item.remove()));
      element("notices").append(item);
      if (brief) setTimeout(() => item.remove(), 8000);
    }

    _finished() {
      const skipped = this.place.filter((_, flag) => this._held(flag)?.action === "skip").length;
      const more = this.gallery.model.filtered ? "among those that pass the filters" : "";
      const words = `Nothing is undecided ${more}`.trim() + (skipped ? `; ${skipped} skipped.` : ".");
      this._notice(`${words} Export the decisions with the menu above.`, undefined, true);
    }

    _exports() {
      const kinds = Object.entries(KINDS).filter(([, { landmarks }]) => !landmarks || this.landmarks);
      element("kinds").replaceChildren(
        ...kinds.map(([kind, { words }]) => make("li", {}, button(words, () => this._export(kind)))),
      );
    }

    async _export(kind) {
      element("export").open = false;
      await this.decisions.send();
      if (this.decisions.queue.length) return this._notice("Some decisions wait for the server; export when they are stored.");
      const response = await fetch(`export/${kind}`, { cache: "no-store" }).catch(() => null);
      if (!response || !response.ok) {
        const body = response ? await response.json() : { message: "The server does not answer." };
        return this._notice(body.message);
      }
      const [, name] = response.headers.get("Content-Disposition").split("''");
      const link = make("a", { download: decodeURIComponent(name) });
      link.href = URL.createObjectURL(await response.blob());
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      return undefined;
    }
  }

  async function begin() {
    try {
      const response = await fetch("data", { cache: "no-store" });
      const data = await response.json();
      if (!response.ok) throw new Error(data.message);
      window.review = new Review(data);
      await window.review.start();
    } catch (error) {
      const banner = element("banner");
      banner.hidden = false;
      banner.textContent = `The review cannot be shown: ${error.message} Load this page again.`;
      throw error;
    }
  }

  begin();
})();
