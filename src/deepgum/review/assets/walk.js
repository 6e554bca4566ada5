/* Navigation through the cards, from one undecided flag to the next, across filters, order and pages.
 *
 *   const walk = new DeepGUM.Walk(gallery, (flag) => its decision or null);
 *
 * The gallery has a facet "decision" with a value "none".
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});

  class Walk {
    constructor(gallery, held) {
      Object.assign(this, { gallery, held });
    }

    /* Go to the card of a flag; return false if it does not pass the filters. */
    to(flag) {
      const { gallery } = this;
      const { cards, state } = gallery.model;
      const place = cards.findIndex((card) => card.flags.includes(flag));
      if (place < 0) return false;
      const page = Math.floor(place / state.size);
      if (page !== state.page) gallery.turn(page);
      gallery.goTo(place % state.size);
      return true;
    }

    /* The next undecided flag after these in the order of the cards (after the last card, from the first), or null. */
    after(flags) {
      const { cards } = this.gallery.model;
      const here = cards.findIndex((card) => card.flags.includes(flags.at(-1)));
      for (let step = 1; step <= cards.length; step++) {
        const { flags: others } = cards[(here + step) % cards.length];
        const open = others.find((each) => !flags.includes(each) && !this.held(each));
        if (open !== undefined) return open;
      }
      return null;
    }

    /* Go to the first undecided flag after the last decision, or to the first one if there is no decision. */
    resume(last) {
      const { cards } = this.gallery.model;
      if (!cards.length) return;
      const [first] = cards[0].flags;
      const next = last === undefined && !this.held(first) ? first : this.after([last ?? first]);
      this.to(next ?? first);
    }

    get onlyOpen() {
      return this._chosen.join() === "none";
    }

    toggle() {
      const { gallery } = this;
      const here = gallery.card;
      gallery.set({ chosen: { ...gallery.model.state.chosen, decision: this.onlyOpen ? [] : ["none"] } });
      if (here) this.to(here.flags[0]);
    }

    /* After a decision: apply the filters again, if one of them is about decisions. */
    refilter() {
      const { gallery } = this;
      if (!this._chosen.length) return;
      const { card: here, position } = gallery;
      gallery.update();
      if (!gallery.card) gallery.close();
      // If the card is gone, draw the one in its place: keys never act on a card that is not visible.
      else if (!here || !this.to(here.flags[0])) gallery.goTo(Math.min(position, gallery.model.page.length - 1));
    }

    /* Count again, unless there is a filter about decisions, which would remove cards that are still visible. */
    recount() {
      if (!this._chosen.length) this.gallery.recount();
    }

    clearFilters() {
      const { facets } = this.gallery.model;
      this.gallery.set({ search: "", chosen: Object.fromEntries(facets.map(({ name }) => [name, []])) });
    }

    get _chosen() {
      return this.gallery.model.state.chosen.decision;
    }
  }

  DeepGUM.Walk = Walk;
})();
