/* The notes about decisions: typed in the large view, and stored with the decision about the label.
 *
 *   const notes = new DeepGUM.Notes(audit, {held(flag), place(flag), editing(card), decide(flag, entry), drafted(card)});
 *
 * A note that is typed is a draft until a decision about the label is stored with it. The browser keeps drafts, also if the
 * page is closed; `notes.kept` is false if it refuses. `drafted` is called after a note was typed on an undecided label.
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { make } = DeepGUM;

  class Notes {
    constructor(audit, hooks) {
      Object.assign(this, { hooks, shelf: `deepgum-note:${audit}:`, drafts: new Map(), kept: true });
    }

    /* The draft of a note about a label, or null. */
    draft(flag) {
      if (!this.drafts.has(flag)) this.drafts.set(flag, this._store((key) => localStorage.getItem(key), flag) ?? null);
      return this.drafts.get(flag);
    }

    /* The note about a card: the draft, or that of its decisions. */
    of(card) {
      const all = card.flags.map((flag) => this._of(flag));
      return all.every((note) => note === all[0]) ? all[0] : "";
    }

    /* Decisions about a card, [[flag, entry]], with the notes about its labels. */
    with(decided) {
      return decided.map(([flag, entry]) => {
        const reason = this._of(flag).trim();
        this._set(flag, null);
        return [flag, { ...entry, reason }];
      });
    }

    field(card) {
      const field = make("input", { type: "text", id: "note", maxlength: "2000", autocomplete: "off", "aria-keyshortcuts": "r" });
      field.value = this.of(card);
      field.addEventListener("input", () => card.flags.forEach((flag) => this._set(flag, field.value)));
      field.addEventListener("change", () => this._done(card));
      const words = make("span", {}, "Note, stored with the decision ", make("kbd", {}, "r"));
      return make("p", { class: "reason-field" }, make("label", { for: field.id }, words), field);
    }

    /* The end of typing: a label that is decided already is decided again, with the note. */
    _done(card) {
      if (this.hooks.editing(card)) return;
      for (const flag of card.flags) {
        const held = this.hooks.held(flag);
        const reason = this._of(flag).trim();
        if (held || !reason) this._set(flag, null);
        if (!held || held.reason === reason) continue;
        this.hooks.decide(flag, { action: held.action, new: held.new, suggested: held.suggested, reason });
      }
      if (card.flags.some((flag) => !this.hooks.held(flag))) this.hooks.drafted(card);
    }

    _of(flag) {
      return this.draft(flag) ?? this.hooks.held(flag)?.reason ?? "";
    }

    _set(flag, text) {
      this.drafts.set(flag, text);
      this._store((key) => (text ? localStorage.setItem(key, text) : localStorage.removeItem(key)), flag);
    }

    _store(act, flag) {
      try {
        return act(this.shelf + this.hooks.place(flag));
      } catch {
        this.kept = false; // some browsers refuse to store
        return null;
      }
    }
  }

  DeepGUM.Notes = Notes;
})();
