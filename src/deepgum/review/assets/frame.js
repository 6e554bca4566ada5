/* The controls around the gallery: progress, undo and redo, export, problems and messages.
 *
 *   const frame = new DeepGUM.Frame({undo(), redo(), onlyOpen(), many(), exported(kind)}, landmarks);
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { ACTIONS, OUTCOMES, button, make } = DeepGUM;
  const KINDS = {
    patch: { words: "Patch, for deepgum apply" },
    csv: { words: "Table (CSV), for a spreadsheet" },
    "label-studio": { words: "Label Studio" },
    coco: { words: "COCO keypoints", landmarks: true },
    fiftyone: { words: "FiftyOne" },
  };
  const BRIEF = 8000; // milliseconds that a brief notice stays
  const element = (id) => document.getElementById(id);

  class Frame {
    constructor(hooks, landmarks) {
      element("undo").addEventListener("click", () => hooks.undo());
      element("redo").addEventListener("click", () => hooks.redo());
      element("open").addEventListener("click", () => hooks.onlyOpen());
      element("many").addEventListener("click", () => hooks.many());
      const kinds = Object.keys(KINDS).filter((kind) => landmarks || !KINDS[kind].landmarks);
      const buttons = kinds.map((kind) => button(KINDS[kind].words, () => this._export(kind, hooks)));
      element("kinds").replaceChildren(...buttons.map((each) => make("li", {}, each)));
      document.addEventListener("click", (event) => {
        if (!element("export").contains(event.target)) element("export").open = false;
      });
    }

    /* counts: {outcome: number of flags}; all: number of flags; open: whether only undecided flags are shown. */
    show({ counts, all, undo, redo, open }) {
      const decided = OUTCOMES.reduce((sum, name) => sum + counts[name], 0);
      const said = OUTCOMES.filter((name) => counts[name]).map((name) => `${ACTIONS[name].done} ${counts[name].toLocaleString("en")}`);
      const [some, whole] = [decided, all].map((count) => count.toLocaleString("en"));
      element("progress").textContent = [`${some} of ${whole} decided`, said.join(", ")].filter(Boolean).join(" \u00b7 ");
      const parts = OUTCOMES.map((name) => make("span", { class: `is-${name}` }));
      parts.forEach((part, i) => (part.style.width = `${(100 * counts[OUTCOMES[i]]) / Math.max(1, all)}%`));
      element("track").replaceChildren(...parts);
      element("undo").disabled = !undo;
      element("redo").disabled = !redo;
      element("open").setAttribute("aria-pressed", String(open));
      document.title = `${some}/${whole} \u00b7 Label review`;
    }

    /* Show why decisions cannot be stored; empty words for no problem. `blocked`: the reviewer has to solve the problem. */
    problem(words, blocked) {
      const banner = element("banner");
      banner.hidden = !words;
      banner.textContent = words;
      banner.classList.toggle("blocked", blocked);
    }

    /* Show a message for a moment, also above the large view. */
    say(words) {
      const toast = element("toast");
      toast.hidePopover();
      toast.textContent = words;
      toast.showPopover();
      clearTimeout(this._silence);
      this._silence = setTimeout(() => toast.hidePopover(), 4000);
    }

    /* Show a notice until it is dismissed, or for a while if it is brief; `show` and `undo` are the actions of buttons. */
    notice(words, { show, undo, brief } = {}) {
      const item = make("li", {}, make("span", {}, words), show ? button("Show", show) : null);
      if (undo) item.append(button("Undo", () => (item.remove(), undo())));
      item.append(button("Dismiss", () => item.remove()));
      element("notices").append(item);
      if (brief) setTimeout(() => item.remove(), BRIEF);
      else this.say(words); // the notice may be out of sight
    }

    async _export(kind, hooks) {
      element("export").open = false;
      if (!(await hooks.exported(kind))) return this.notice("Decisions are waiting for the server. Export when they are stored.");
      const gone = "The server does not answer. Export when it answers again.";
      const response = await DeepGUM.ask(`export/${kind}`).catch((error) => error);
      if (response instanceof Error) return this.notice(response instanceof DeepGUM.AnotherServer ? response.message : gone);
      if (!response.ok) return this.notice((await response.json()).message);
      const [, name] = response.headers.get("Content-Disposition").split("''");
      const link = make("a", { download: decodeURIComponent(name) });
      link.href = URL.createObjectURL(await response.blob());
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      return this.say(`Written to your downloads: ${link.download}`);
    }
  }

  DeepGUM.Frame = Frame;
})();
