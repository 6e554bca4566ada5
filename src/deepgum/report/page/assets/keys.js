/* The keyboard shortcuts and their help. */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { button, make } = DeepGUM;

  const WORDS = [
    ["j", "next card"],
    ["k", "previous card"],
    ["\u2190 \u2192 \u2191 \u2193", "move between cards"],
    ["n p", "next page, previous page"],
    ["Enter", "large view"],
    ["Esc", "close"],
    ["/", "search"],
    ["?", "this help"],
  ];

  class Keys {
    constructor(gallery) {
      this.gallery = gallery;
      this.own = gallery.options.keys || {};
      const own = Object.entries(this.own).map(([key, [about]]) => [key, about]);
      const words = [...own, ...WORDS.filter(([key]) => !Object.hasOwn(this.own, key))];
      const entries = words.flatMap(([keys, about]) => [
        make("dt", {}, ...keys.split(" ").map((key) => make("kbd", {}, key))), make("dd", {}, about),
      ]);
      this.help = make("dialog", { class: "help", "aria-labelledby": "gallery-help" });
      const title = make("h2", { id: "gallery-help" }, "Keys");
      this.help.append(title, make("dl", {}, ...entries), button("Close", () => this.help.close()));
      this.help.addEventListener("click", (event) => event.target === this.help && this.help.close());
      document.addEventListener("keydown", (event) => this._pressed(event));
    }

    _pressed(event) {
      const { gallery } = this;
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || this.help.open) return;
      if (event.target.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) {
        if (event.key === "Escape" && event.target.type === "search") event.target.blur();
        return;
      }
      const own = Object.hasOwn(this.own, event.key) && this.own[event.key];
      const act = own ? () => gallery.card && own[1](gallery.card) : this._action(event.key);
      if (!act) return;
      event.preventDefault();
      if (own && event.repeat) return; // a key that is held down acts only once
      act();
    }

    _action(key) {
      const { gallery } = this;
      const { state, page } = gallery.model;
      const large = gallery.dialog.open;
      const inside = large || gallery.list.contains(document.activeElement);
      const row = large ? 1 : this._columns();
      const step = (by) => () => (inside ? gallery.move(by) : gallery.select(gallery.position, true));
      const turn = (by) => () => gallery.turn(state.page + by) && gallery.goTo(0);
      const everywhere = {
        j: step(1),
        k: step(-1),
        n: turn(1),
        p: turn(-1),
        "/": () => gallery.find(),
        "?": () => this.help.showModal(),
      };
      // Arrows scroll the page unless a card has the focus.
      const within = {
        ArrowRight: step(1),
        ArrowLeft: step(-1),
        ArrowDown: step(row),
        ArrowUp: step(-row),
        Home: () => gallery.goTo(0),
        End: () => gallery.goTo(page.length - 1),
      };
      const known = inside ? { ...everywhere, ...within } : everywhere;
      return Object.hasOwn(known, key) ? known[key] : undefined;
    }

    /* The number of cards in a row. */
    _columns() {
      const items = [...this.gallery.list.children];
      const below = items.findIndex((item) => item.offsetTop > items[0].offsetTop + 1);
      return below < 0 ? items.length : below;
    }
  }

  DeepGUM.Keys = Keys;
})();
