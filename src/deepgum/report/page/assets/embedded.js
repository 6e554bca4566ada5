/* A source for the gallery, with data and pictures from the page itself. */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const loaded = new Promise((resolve) => {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve);
    else resolve();
  });
  const block = (name) => document.getElementById(name);

  /* Pictures are in blocks of base64, each parsed when one of its samples is first shown. The first block stands before
   * this script and the others behind it, so that the first page appears while the browser still reads the file. */
  function embedded() {
    const data = JSON.parse(block("gallery-data").textContent);
    const parsed = new Map();

    async function chunk(place) {
      // A block enters the document before all of its text; it is complete once another element follows it.
      const found = block(`pictures-${place}`);
      if (!found || !found.nextElementSibling) await loaded;
      if (!parsed.has(place)) parsed.set(place, JSON.parse(block(`pictures-${place}`).textContent));
      return parsed.get(place);
    }

    async function picture(sample) {
      let place = data.chunks.findIndex((first) => first > sample) - 1;
      if (place < 0) place = data.chunks.length - 1;
      const encoded = (await chunk(place))[sample - data.chunks[place]];
      return encoded ? `data:image/jpeg;base64,${encoded}` : null;
    }

    return { data, picture };
  }

  DeepGUM.embedded = embedded;
})();
