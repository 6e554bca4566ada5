/* The notes about decisions: typed in the large view, and stored with the decision about the card.
 *
 *   const notes = new DeepGUM.Notes({held(flag), decide(flag, entry), editing(card)});
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { make } = DeepGUM;
  const keyOf = (card) => card.flags.join();

  class Notes {
    constructor(hooks) {
      Object.assign(this, { hooks, typed: new Map() });
    }

    /* The note about a card: the one that is typed, or that of its decisions. */
    of(card) {
      const held = card.flags.map((flag) => this.hooks.held(flag)?.reason ?? "");
      return this.typed.get(keyOf(card)) ?? (held.every((reason) => reason === held[0]) ? held[0] : "");
    }

    /* Decisions about a card, [[flag, entry]], with its note. */
    with(card, decided) {
      const reason = this.of(card).trim();
      this.typed.delete(keyOf(card));
      return decided.map(([flag, entry]) => [flag, { ...entry, reason }]);
    }

    field(card) {
      const field = make("input", { type: "text", id: "note", maxlength: "2000", autocomplete: "off", "aria-keyshortcuts": "r" });
      field.value = this.of(card);
      field.addEventListener("input", () => this.typed.set(keyOf(card), field.value));
      field.addEventListener("change", () => this._done(card));
      const words = make("span", {}, "Note, stored with the decision ", make("kbd", {}, "r"));
      return make("p", { class: "reason-field" }, make("label", { for: field.id }, words), field);
    }

    /* The end of typing: a label that is decided already is decided again, with the note. */
    _done(card) {
      if (this.hooks.editing(card)) return;
      const reason = this.of(card).trim();
      const decided = card.flags.filter((flag) => this.hooks.held(flag) && this.hooks.held(flag).reason !== reason);
      if (!decided.length) return;
      this.typed.delete(keyOf(card));
      for (const flag of decided) {
        const { action, new: values, suggested } = this.hooks.held(flag);
        this.hooks.decide(flag, { action, new: values, suggested, reason });
      }
    }
  }

  DeepGUM.Notes = Notes;
})();
