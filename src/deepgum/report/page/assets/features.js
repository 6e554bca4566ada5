/* The features of a sample: names and values, the most unusual ones first if there are many. */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { button, make } = DeepGUM;
  const ON_CARD = 4; // features on a card
  const IN_LARGE = 12; // features in the large view, before one asks for more
  const UNUSUAL = 0.05; // largest share of samples at which a value is marked

  /* [{name, value, share}] of a sample: in the order of the table if all of them fit, otherwise the most unusual first. */
  function featuresOf(data, sample, most) {
    const found = data.samples.features && data.samples.features[sample];
    if (!found) return [];
    const [columns, values, shares] = found;
    const all = columns.map((column, place) => ({ column, name: data.features[column], value: values[place], share: shares[place] }));
    return all.length <= most ? all.sort((a, b) => a.column - b.column) : all;
  }

  function term({ name, value, share }) {
    const unusual = share !== null && share <= UNUSUAL;
    const percent = share === null ? "" : `${(100 * share).toPrecision(2)} % of the samples have a value at least as unusual`;
    return make(
      "div", { class: unusual ? "unusual" : "", title: percent },
      make("dt", {}, name), make("dd", {}, value === "" ? make("i", {}, "missing") : value),
    );
  }

  function list(features) {
    return make("dl", { class: "features" }, ...features.map(term));
  }

  /* For a card: a few features, or null if the samples have none. */
  function onCard(data, sample) {
    const all = featuresOf(data, sample, ON_CARD);
    if (!all.length) return null;
    const others = data.features.length - Math.min(all.length, ON_CARD);
    const more = others ? make("p", { class: "others" }, `and ${others.toLocaleString("en")} more`) : null;
    return make("div", { class: "of-card" }, list(all.slice(0, ON_CARD)), more);
  }

  /* For the large view: twelve features, and a button for the others. Returns null if the samples have none. */
  function inLarge(data, sample) {
    const all = featuresOf(data, sample, IN_LARGE);
    if (!all.length) return null;
    const shown = all.slice(0, IN_LARGE);
    const section = make("section", { class: "all-features" });
    const left = data.features.length - all.length;
    const title = shown.length < all.length ? `Features, the ${IN_LARGE} most unusual of ${data.features.length.toLocaleString("en")}` : "Features";
    const known = left ? make("p", { class: "others" }, `The ${left.toLocaleString("en")} least unusual ones are not kept.`) : null;
    const more = button(`Show ${all.length - shown.length} more`, () => {
      section.replaceChildren(make("h3", {}, "Features, the most unusual first"), list(all), ...(known ? [known] : []));
    });
    section.append(make("h3", {}, title), list(shown));
    if (shown.length < all.length) section.append(more);
    return section;
  }

  DeepGUM.features = { onCard, inLarge };
})();
