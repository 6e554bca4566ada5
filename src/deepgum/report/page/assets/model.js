/* The state of the gallery: filters, order, cards and pages. Drawing is elsewhere. */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});

  const POSTERIORS = [1e-4, 1e-3, 1e-2, 0.1, 0.5];
  const POSTERIOR_WORDS = ["< 0.01 %", "0.01 to 0.1 %", "0.1 to 1 %", "1 to 10 %", "10 to 50 %"];
  const SORTS = {
    worst: "least probable first",
    distance: "farthest from the prediction first",
    id: "by id",
    group: "by label",
    reason: "by reason",
    given: "by given value",
  };
  const SIZES = [24, 48, 96, 192];

  /* A probability as text: "12.5 %", "0.3 %", "< 0.01 %"; never 0. */
  function percent(probability) {
    if (probability === null) return "unknown";
    const value = 100 * probability;
    if (value < 0.01) return "<\u00a00.01\u00a0%";
    return `${value.toFixed(value >= 0.1 ? 1 : 2)}\u00a0%`;
  }

  /* The filters of every gallery. `of(flag)` returns the place of the flag's value in `values`, or -1. */
  function facets(data) {
    const { flags } = data;
    const bins = POSTERIOR_WORDS.map((words, place) => ({ key: String(place), words }));
    const point = data.points.length > 0;
    const found = [
      {
        name: "label",
        title: point ? "Landmark" : "Label",
        values: data.groups.map((group, place) => ({ key: String(place), words: group.name })),
        of: (flag) => flags.group[flag],
      },
      {
        name: "reason",
        title: "Reason",
        values: data.reasons,
        of: (flag) => (flags.reason[flag] === null ? -1 : flags.reason[flag]),
      },
      {
        name: "posterior",
        title: "Probability that the label is right",
        values: bins,
        of: (flag) => POSTERIORS.findIndex((high) => flags.posterior[flag] < high),
      },
    ];
    return found.filter((facet) => facet.values.length > 1);
  }

  class Model {
    constructor(data, extraFacets) {
      if (data.form !== "deepgum-gallery 1") throw new Error(`Data of an unknown form: ${data.form}`);
      this.data = data;
      this.count = data.flags.sample.length;
      this.facets = [...facets(data), ...(extraFacets || [])];
      this.state = {
        sort: "worst", reverse: false, by: "label", search: "", page: 0, size: 48,
        others: data.points.length <= 12, chosen: Object.fromEntries(this.facets.map((facet) => [facet.name, []])),
      };
      this._lower = data.samples.id.map((id) => id.toLowerCase());
      this._orders = {};
      this.apply();
    }

    /* Filter, count and order the flags; called once for every change of the state. */
    apply() {
      const { flags } = this.data;
      const { chosen, search, by } = this.state;
      const wanted = search.trim().toLowerCase();
      const sets = this.facets.map((facet) => {
        const keys = new Set(chosen[facet.name]);
        return keys.size ? facet.values.map((value) => keys.has(value.key)) : null;
      });
      this.counts = this.facets.map((facet) => new Array(facet.values.length).fill(0));
      const kept = new Uint8Array(this.count);
      const places = new Array(this.facets.length);
      this.shown = 0;
      this.expectedRight = 0;
      for (let flag = 0; flag < this.count; flag++) {
        if (wanted && !this._lower[flags.sample[flag]].includes(wanted)) continue;
        let missed = 0;
        let which = -1;
        for (let i = 0; i < sets.length; i++) {
          places[i] = this.facets[i].of(flag);
          if (sets[i] && !sets[i][places[i]]) {
            missed++;
            which = i;
          }
        }
        // The count of a value is the number of flags that choosing it would show: those that pass the other filters.
        if (missed === 0) {
          kept[flag] = 1;
          this.shown++;
          this.expectedRight += flags.posterior[flag];
        }
        if (missed <= 1) {
          for (let i = 0; i < sets.length; i++) {
            if ((missed === 0 || which === i) && places[i] >= 0) this.counts[i][places[i]]++;
          }
        }
      }
      const ordered = this._order(this.state.sort).filter((flag) => kept[flag]);
      if (this.state.reverse) ordered.reverse();
      this.cards = by === "sample" ? this._bySample(ordered) : ordered.map((flag) => this._card([flag]));
      this.pages = Math.max(1, Math.ceil(this.cards.length / this.state.size));
      this.state.page = Math.min(Math.max(0, this.state.page), this.pages - 1);
    }

    /* The cards of the current page. */
    get page() {
      const start = this.state.page * this.state.size;
      return this.cards.slice(start, start + this.state.size);
    }

    get filtered() {
      return this.state.search.trim() !== "" || Object.values(this.state.chosen).some((keys) => keys.length);
    }

    _card(flags) {
      return { sample: this.data.flags.sample[flags[0]], flags };
    }

    _bySample(ordered) {
      const bySample = new Map();
      for (const flag of ordered) {
        const sample = this.data.flags.sample[flag];
        if (bySample.has(sample)) bySample.get(sample).flags.push(flag);
        else bySample.set(sample, this._card([flag]));
      }
      return [...bySample.values()];
    }

    _order(sort) {
      if (!this._orders[sort]) {
        const { flags, samples, groups } = this.data;
        const all = Array.from({ length: this.count }, (_, flag) => flag); // worst first, the order of the data
        const by = (value) => all.sort((a, b) => value[a] - value[b] || a - b);
        if (sort === "distance") by(flags.distance.map((distance) => -distance));
        if (sort === "group") by(flags.group);
        if (sort === "reason") by(flags.reason.map((reason) => (reason === null ? 99 : reason)));
        if (sort === "given") by(all.map((flag) => samples.given[flags.sample[flag]][groups[flags.group[flag]].targets[0]]));
        if (sort === "id") {
          const collator = new Intl.Collator(undefined, { numeric: true });
          const rank = new Array(samples.id.length);
          samples.id
            .map((_, sample) => sample)
            .sort((a, b) => collator.compare(samples.id[a], samples.id[b]))
            .forEach((sample, place) => (rank[sample] = place));
          by(flags.sample.map((sample) => rank[sample]));
        }
        this._orders[sort] = all;
      }
      return this._orders[sort];
    }

    /* Convert the state to the fragment of a URL, without defaults, and back. */
    get hash() {
      const { sort, reverse, by, search, page, size, others, chosen } = this.state;
      const parts = new URLSearchParams();
      if (sort !== "worst") parts.set("sort", sort);
      if (reverse) parts.set("reverse", "1");
      if (by !== "label") parts.set("by", by);
      if (search) parts.set("search", search);
      for (const facet of this.facets) {
        if (chosen[facet.name].length) parts.set(facet.name, chosen[facet.name].join(","));
      }
      if (size !== 48) parts.set("size", size);
      if (others !== this.data.points.length <= 12) parts.set("others", others ? "1" : "0");
      if (page) parts.set("page", page + 1);
      return `#view?${parts}`;
    }

    set hash(text) {
      const parts = new URLSearchParams(text.replace(/^#view\??/, ""));
      const state = this.state;
      state.sort = Object.hasOwn(SORTS, parts.get("sort")) ? parts.get("sort") : "worst";
      state.reverse = parts.get("reverse") === "1";
      state.by = parts.get("by") === "sample" ? "sample" : "label";
      state.search = parts.get("search") || "";
      state.size = SIZES.includes(Number(parts.get("size"))) ? Number(parts.get("size")) : 48;
      state.others = parts.has("others") ? parts.get("others") === "1" : this.data.points.length <= 12;
      state.page = Math.max(0, (parseInt(parts.get("page"), 10) || 1) - 1);
      for (const facet of this.facets) {
        const known = new Set(facet.values.map((value) => value.key));
        state.chosen[facet.name] = (parts.get(facet.name) || "").split(",").filter((key) => known.has(key));
      }
      this.apply();
    }
  }

  Object.assign(DeepGUM, { Model, SORTS, SIZES, percent });
})();
