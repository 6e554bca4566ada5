/* The review: the gallery with decisions, which are made with the pointer or the keyboard. */
(function () {
  "use strict";
  const { ACTIONS, OUTCOMES, Decisions, Editor, Frame, Gallery, Many, Notes, Walk, ask, buttons, make, outcomeOf, placeOf, sameCard } = window.DeepGUM;

  class Review {
    constructor({ audit, who, landmarks, gallery: data }) {
      Object.assign(this, { data, who, landmarks, drawn: new Map() });
      const { samples, flags, groups } = data;
      this.place = flags.sample.map((sample, flag) => placeOf(samples.id[sample], groups[flags.group[flag]].name));
      this.flagAt = new Map(this.place.map((place, flag) => [place, flag]));
      this.flagsOf = Map.groupBy(flags.sample.keys(), (flag) => flags.sample[flag]);
      this.decisions = new Decisions(audit, {
        changed: (places) => this._changed(places),
        refused: (item, words, current) => this._refused(item, words, current),
        state: () => this._state(),
      });
      this.editor = new Editor(data, {
        current: (flag) => this._held(flag),
        changed: () => this._edited(),
        moved: () => this.gallery.retable(),
      });
      this.notes = new Notes(audit, {
        held: (flag) => this._held(flag), place: (flag) => this.place[flag], editing: (card) => this.editor.is(card),
        drafted: (card) => this._drafted(card),
        decide: (flag, entry) => {
          this._decideFlag(flag, entry);
          this.frame.say(`${this._name(flag)}: the note is stored`);
        },
      });
      const exported = () => this.decisions.send().then(() => this.decisions.queue.length === 0);
      this.frame = new Frame(
        {
          undo: () => this.undo(), redo: () => this.redo(), onlyOpen: () => this._onlyOpen(), many: () => this._many(), exported,
        },
        landmarks,
      );
    }

    async start() {
      await this.decisions.load();
      const decision = {
        name: "decision",
        title: "Decision",
        values: [{ key: "none", words: "undecided" }, ...OUTCOMES.map((key) => ({ key, words: ACTIONS[key].done }))],
        of: (flag) => OUTCOMES.indexOf(this._outcome(flag)) + 1,
      };
      const keys = Object.entries(ACTIONS).map(([name, { key, title }]) => [key, [title, (card) => this.act(name, card)]]);
      const gallery = (this.gallery = new Gallery(document.getElementById("gallery"), this._source(), {
        actions: (card, element, large) => this._actions(card, element, large),
        className: (card) => this._className(card),
        facets: [decision],
        fixed: (sample) => this._fixed(sample),
        keys: {
          ...Object.fromEntries(keys),
          u: ["undo (also Ctrl-Z)", () => this.undo()],
          U: ["redo (also Ctrl-Shift-Z)", () => this.redo()],
          i: ["next undecided", (card) => this._next(card.flags)],
          b: ["previous card", () => this.gallery.move(-1)],
          r: ["write a note about the decision", () => this._writeNote()],
          m: ["decide many labels at once", () => this._many()],
        },
      }));
      this.walk = new Walk(gallery, (flag) => this._held(flag));
      this.many = new Many(gallery, {
        held: (flag) => this._held(flag), store: (flags, action, reason) => this._storeMany(flags, action, reason),
      });
      gallery.help.querySelector("dl").after(...buttons.editingKeys());
      gallery.root.querySelector("details.filters").open = false;
      gallery.dialog.addEventListener("close", () => this._leave());
      document.addEventListener("keydown", (event) => this._key(event), true);
      this._state();
      const last = this.decisions.undoable;
      this.walk.resume(last ? this.flagAt.get(placeOf(last.sample, last.group)) : undefined);
      this.decisions.send();
      this.decisions.watch();
    }

    _source() {
      const { row } = this.data.samples;
      const at = (size) => (sample) => Promise.resolve(`pictures/${this.decisions.audit}/${size}/${row[sample]}.jpg`);
      return { data: this.data, picture: at("small"), large: at("large") };
    }

    /* ---- deciding ---- */

    act(name, card) {
      if (name === "fix") return this._edit(card);
      if (this.editor.card) this.editor.stop();
      const { suggested } = this.data.flags;
      if (name !== "take") return this._decide(card, card.flags.map((flag) => [flag, { action: name, new: null }]));
      if (card.flags.some((flag) => !suggested[flag] || suggested[flag].includes(null))) {
        return this.frame.say("There is no suggestion for this label. Fix it by hand (e), or drop it (d).");
      }
      return this._decide(card, card.flags.map((flag) => [flag, { action: "fix", new: suggested[flag], suggested: true }]));
    }

    /* `decided` is [[flag, {action, new, suggested}]]. */
    _decide(card, decided) {
      const next = this.walk.after(card.flags);
      this._store(this.notes.with(decided));
      if (next !== null) this.walk.to(next);
      else this._finished();
    }

    _store(decided) {
      for (const [flag, entry] of decided) this._decideFlag(flag, entry);
      this.walk.refilter();
      const [[flag]] = decided;
      this.frame.say(`${this._name(flag)}: ${ACTIONS[this._outcome(flag)].done}`);
    }

    _many() {
      if (this.editor.card) return this.frame.say("Store the correction first (Enter), or cancel it (Esc).");
      this.gallery.close();
      return this.many.show();
    }

    /* Returns "" if the decision is stored, otherwise the reason why not. */
    async _storeMany(flags, action, reason) {
      const { samples, flags: all } = this.data;
      const labels = flags.map((flag) => [samples.row[all.sample[flag]], all.group[flag], this._held(flag)?.seq ?? 0]);
      const suggested = action === "take";
      const words = await this.decisions.decideMany({ labels, action: suggested ? "fix" : action, suggested, reason });
      if (words) return words;
      this.walk.refilter();
      const thing = suggested ? "suggestion" : "label";
      const count = `${flags.length.toLocaleString("en")} ${thing}${flags.length === 1 ? "" : "s"}`;
      this.frame.notice(`${count} ${suggested ? "taken" : ACTIONS[action].done}, as one decision.`, { undo: () => this.undo() });
      return "";
    }

    /* Decide about one label again, or for the first time, without going on to the next. */
    _decideFlag(flag, entry) {
      const [sample, group] = JSON.parse(this.place[flag]);
      this.decisions.decide({ sample, group, who: this.who, ...entry });
    }

    _writeNote() {
      this.gallery.open();
      const field = this.gallery.dialog.querySelector("#note");
      field.focus();
      field.select();
    }

    _drafted(card) {
      const until = this.notes.kept ? "in this browser until then" : "until this page is closed: decide before";
      const words = this.notes.of(card) && `The note is stored with the decision. The draft is kept ${until}.`;
      if (words) this.frame.say(`${this._name(card.flags[0])}: ${words}`);
      this.gallery.refresh(card.sample, { large: false }); // a click may be on its way to the large view
    }

    async undo(entry) {
      if (!entry && this._discardCorrection()) return;
      if (this.editor.card) this.editor.stop();
      this._returned(await this.decisions.undo(entry), "Undone");
    }

    async redo() {
      if (this._discardCorrection()) return;
      this._returned(await this.decisions.redo(), "Redone");
    }

    /* If a correction is open, undo only discards it and changes no decision. */
    _discardCorrection() {
      const { card, moved } = this.editor;
      if (!card || !moved) return false;
      this.editor.start(card);
      this.frame.say("The correction was discarded; no decision has changed.");
      return true;
    }

    _returned({ place, many, words }, done) {
      const flag = this.flagAt.get(place);
      if (words || flag === undefined) return this.frame.say(words || `${done}.`);
      this.walk.refilter();
      this.walk.to(flag);
      return this.frame.say(`${done}: ${many > 1 ? `${many.toLocaleString("en")} labels` : this._name(flag)}`);
    }

    _next(flags) {
      const next = this.walk.after(flags);
      if (next === null) this.frame.say("There is no other undecided label here.");
      else this.walk.to(next);
    }

    _onlyOpen() {
      this.walk.toggle();
      this._state();
    }

    /* The decision about a label with its outcome, or null. */
    _held(flag) {
      const held = this.decisions.at(this.place[flag]);
      return held && { ...held, outcome: this._outcome(flag, held) };
    }

    /* The outcome of the decision about a label, or "". */
    _outcome(flag, held = this.decisions.at(this.place[flag])) {
      return held ? outcomeOf(held, this.data.flags.suggested[flag]) : "";
    }

    _waits(entry) {
      return Boolean(entry.waiting && this.decisions.trouble);
    }

    _name(flag) {
      return JSON.parse(this.place[flag]).reverse().join(" of ");
    }

    _finished() {
      const skipped = this.place.filter((_, flag) => this._outcome(flag) === "skip").length;
      const among = this.gallery.model.filtered ? " that pass the filters" : "";
      const open = skipped ? `; ${skipped.toLocaleString("en")} skipped` : "";
      this.frame.notice(`All labels${among} are decided${open}. Export the decisions with the menu above.`, { brief: true });
    }

    /* ---- changes of the decisions ---- */

    /* Draw the cards again whose decisions have changed visibly. */
    _changed(places) {
      if (!this.gallery) return;
      const samples = new Set();
      for (const place of places) {
        const flag = this.flagAt.get(place);
        const held = this.decisions.at(place);
        const seen = JSON.stringify(
          held && [held.action, held.new, held.reason, held.who, held.many, this._waits(held)],
        );
        if (flag === undefined || this.drawn.get(place) === seen) continue;
        this.drawn.set(place, seen);
        samples.add(this.data.flags.sample[flag]);
      }
      const { gallery, editor } = this;
      for (const sample of samples) {
        if (!(editor.card && editor.card.sample === sample)) gallery.refresh(sample);
      }
      this._state();
    }

    _refused(item, words, current) {
      const flag = this.flagAt.get(item.place);
      const done = (entry) => ACTIONS[outcomeOf(entry, this.data.flags.suggested[flag])].done;
      const decision = `${JSON.parse(item.place).reverse().join(" of ")}: ${done(item.entry)}`;
      const why = current ? `Meanwhile ${current.who} has decided: ${done(current)}. Look again, then decide.` : words;
      const show = () => {
        if (this.walk.to(flag)) return;
        this.walk.clearFilters();
        this.walk.to(flag);
      };
      this.frame.notice(`Your decision was not stored (${decision}). ${why}`, { show: flag === undefined ? null : show });
    }

    /* Show the progress, once for several changes, since counting many thousands of labels takes time. */
    _state() {
      this.due ??= setTimeout(() => this._show(), 20);
    }

    _show() {
      this.due = null;
      if (!this.gallery) return;
      const { decisions } = this;
      this.walk.recount();
      if (this.trouble !== decisions.trouble) {
        this.trouble = decisions.trouble;
        this._changed(decisions.queue.map((item) => item.place));
      }
      const counts = Object.fromEntries(OUTCOMES.map((name) => [name, 0]));
      for (const flag of this.place.keys()) {
        const outcome = this._outcome(flag);
        if (outcome) counts[outcome]++;
      }
      this.frame.show({
        counts, all: this.place.length, open: this.walk.onlyOpen,
        undo: decisions.undoable || decisions.queue.length, redo: decisions.redoable,
      });
      const waiting = decisions.queue.length;
      const safe = waiting
        ? `${waiting} decision${waiting > 1 ? "s wait" : " waits"} in this browser and will be sent later.` : "Nothing is lost.";
      const gone = "The server does not answer. Start it again with the same command, deepgum review RUN, and open the address that it prints.";
      this.frame.problem(this.trouble && `${this.trouble === "gone" ? gone : this.trouble} ${safe}`, decisions.blocked);
    }

    /* ---- correcting ---- */

    _edit(card) {
      if (!this.editor.is(card)) this.editor.start(card);
      this.gallery.open();
      this.editor.focus();
    }

    _edited() {
      if (!this.gallery.dialog.open) return;
      this.gallery.open(); // draws it again
      if (this.editor.card) this.editor.focus();
    }

    _save() {
      const { card } = this.editor;
      const fixes = this.editor.take();
      if (fixes) this._decide(card, fixes);
      else this.frame.say("A value is not a number. Correct it, or cancel with Esc.");
    }

    /* Leaving an open correction stores it. */
    _leave() {
      const { card, moved } = this.editor;
      if (!card) return;
      const fixes = moved ? this.editor.take() : null;
      const noted = fixes && this.notes.with(fixes);
      this.editor.clear();
      // Not now, because the gallery is drawing the next card.
      if (noted) queueMicrotask(() => this._store(noted));
      else if (moved) this.frame.notice(`The correction of ${this._name(card.flags[0])} was not a number, and was not stored.`);
    }

    _fixed(sample) {
      if (this.editor.card && this.editor.card.sample === sample) return this.editor.fixed();
      const { flags, groups, targets } = this.data;
      const fixed = new Array(targets.length).fill(null);
      for (const flag of this.flagsOf.get(sample) || []) {
        const values = this._held(flag)?.new;
        if (values) groups[flags.group[flag]].targets.forEach((target, place) => (fixed[target] = values[place]));
      }
      return fixed.every((value) => value === null) ? null : fixed;
    }

    /* ---- cards ---- */

    _className(card) {
      const actions = new Set(card.flags.map((flag) => this._outcome(flag) || "none"));
      return actions.size === 1 ? `is-${[...actions][0]}` : "is-mixed";
    }

    _actions(card, element, large) {
      const { editor, gallery } = this;
      if (large) {
        if (!editor.is(card)) this._leave();
        editor.listen(gallery.drawing, card);
        if (editor.is(card)) {
          const fields = make("div", { class: "fields" });
          editor.show(fields, gallery.drawing);
          element.append(buttons.form(fields, this.notes.field(card), this.landmarks, { store: () => this._save(), leave: () => editor.stop() }));
          gallery.drawing.element.classList.add("editing");
          return;
        }
        queueMicrotask(() => this._focusLarge());
      }
      const held = card.flags.map((flag) => this._held(flag));
      const drafts = card.flags.map((flag) => this.notes.draft(flag)).filter(Boolean);
      const hooks = { drafts, who: this.who, waits: (entry) => this._waits(entry), undo: (entry) => this.undo(entry) };
      element.append(
        buttons.choices(held, large, (name) => this._clicked(name, card)), buttons.outcome(held, large, hooks),
        ...(large ? [this.notes.field(card)] : []),
      );
    }

    _clicked(name, card) {
      const place = this.gallery.model.page.findIndex((each) => sameCard(each, card));
      if (place >= 0) this.gallery.move(place - this.gallery.position);
      this.act(name, card);
    }

    /* Restore the focus, which was lost when the large view was drawn again. */
    _focusLarge() {
      const { dialog } = this.gallery;
      const article = dialog.querySelector(".sample");
      if (!dialog.open || !article || article.contains(document.activeElement)) return;
      article.tabIndex = -1;
      article.focus({ preventScroll: true });
    }

    /* ---- keys ---- */

    _key(event) {
      const { editor, gallery } = this;
      if (this.many.open) return;
      const act = this._keyAct(event, editor.card && gallery.dialog.open && !gallery.help.open);
      if (!act) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      act();
    }

    _keyAct(event, editing) {
      const { key, target } = event;
      const writing = target.closest("input:not([type=checkbox]), select, textarea");
      if ((event.ctrlKey || event.metaKey) && !event.altKey && "zZyY".includes(key) && !writing) {
        if (event.repeat) return () => {};
        return () => (key.toLowerCase() === "y" || event.shiftKey ? this.redo() : this.undo());
      }
      if (!editing && key === "Enter" && target.id === "note") return () => target.blur();
      if (!editing) return null;
      if (key === "Escape") return () => this.editor.stop();
      if (key === "Enter" && !target.closest("button")) return () => this._save();
      return this.editor.key(event);
    }
  }

  async function begin() {
    const banner = document.getElementById("banner");
    try {
      const response = await ask("data");
      const data = await response.json();
      if (!response.ok) throw new Error(data.message);
      const { total, flags } = data.gallery;
      const [shown, all] = [flags.sample.length, total].map((count) => count.toLocaleString("en"));
      const more = shown === all ? "" : ` The page shows the worst ${shown} of ${all} flagged labels.`;
      for (const notice of data.notices) {
        const item = document.createElement("li");
        item.textContent = notice;
        document.getElementById("data-notices").append(item);
      }
      document.getElementById("verdict").textContent = data.verdict + more;
      await new Review(data).start();
    } catch (error) {
      banner.hidden = false;
      banner.textContent = `The review cannot be shown: ${error.message} Load this page again.`;
      throw error;
    }
  }

  begin();
})();
