/* The actions of a review with their words and keys, and their buttons below a card. */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { button, make, number } = DeepGUM;

  const ACTIONS = {
    keep: { words: "Keep", done: "kept", key: "k", title: "keep: the label is right" },
    take: { words: "Take", done: "suggestion taken", key: "a", title: "take the suggestion" },
    fix: { words: "Fix", done: "corrected by hand", key: "e", title: "correct by hand" },
    drop: { words: "Drop", done: "dropped", key: "d", title: "drop: do not use this label" },
    skip: { words: "Skip", done: "skipped", key: "s", title: "skip: leave it open" },
  };
  const OUTCOMES = Object.keys(ACTIONS);
  const SAME = 1e-9; // relative difference of values that are the suggestion
  const EDITING = [
    ["Arrows", "move the landmark by 1 pixel, with Shift by 10"],
    [", .", "previous landmark, next landmark"],
    ["Tab", "go to the values, to type them"],
    ["Enter", "store the correction"],
    ["Esc", "cancel"],
  ];

  /* What became of a label with the decision `entry`: its action, or "take" if its values are the suggested ones. */
  function outcomeOf(entry, suggested) {
    if (entry.action !== "fix") return entry.action;
    const same = (value, place) => Math.abs(value - suggested[place]) <= SAME * Math.abs(suggested[place]);
    return entry.suggested || (suggested && entry.new.every(same)) ? "take" : "fix";
  }

  /* A button for each action, pressed if that is the decision about all labels of the card. */
  function choices(held, large, act) {
    const all = held.every((entry) => entry && entry.outcome === held[0].outcome);
    const buttons = Object.entries(ACTIONS).map(([name, { words, key, title }]) =>
      button(large ? make("span", {}, words, make("kbd", {}, key)) : words, () => act(name), {
        class: `choice ${name}`, title: `${title} (${key})`, "aria-keyshortcuts": key, tabindex: large ? "0" : "-1",
        "aria-pressed": String(all && held[0].outcome === name),
      }),
    );
    return make("div", { class: "choices", role: "group", "aria-label": "Decision" }, ...buttons);
  }

  /* The current decision in words, and drafts of notes. `waits(entry)` tells whether the decision still waits for the server. */
  function outcome(held, large, { drafts, who, waits, undo }) {
    const decided = held.filter(Boolean);
    const [entry] = decided;
    const draft = !large && drafts.length ? make("q", { class: "note draft", title: "a draft, stored with the decision" }, drafts.join("; ")) : null;
    if (!entry) return make("p", { class: "held" }, draft ? "undecided; draft of a note" : "undecided", draft);
    const when = entry.at ? new Date(entry.at).toLocaleString([], { dateStyle: "short", timeStyle: "short" }) : "now";
    const by = large || entry.who !== who ? ` by ${entry.who}` : "";
    const how = waits(entry) ? ", not stored yet" : large ? `${by}, ${when}` : by;
    const values = entry.new && large ? `: ${entry.new.map(number).join(", ")}` : "";
    const several = held.length > 1;
    const together = entry.many > 1 ? `Undo all ${entry.many.toLocaleString("en")}` : "Undo";
    const reasons = [...new Set(decided.map((each) => each.reason).filter(Boolean))];
    const note = !large && reasons.length ? make("q", { class: "note" }, reasons.join("; ")) : null;
    return make(
      "p", { class: `held is-${entry.outcome}`, title: `${ACTIONS[entry.outcome].done} by ${entry.who}, ${when}` },
      make("b", {}, several ? `${decided.length} of ${held.length} decided` : ACTIONS[entry.outcome].done + values),
      several ? " " : `${how} `,
      button(together, () => undo(entry), { class: "link", tabindex: large ? "0" : "-1" }), note, draft && " draft of a note", draft,
    );
  }

  /* The form of a correction, with its fields. */
  function form(fields, note, landmarks, { store, leave }) {
    const how = landmarks
      ? "Drag the diamond, move it with the arrow keys (Shift: 10 pixels), or type its coordinates."
      : "Type the correct value. The arrow keys up and down change it by 1 (Shift: 10).";
    const submit = make("button", { type: "submit", class: "primary" }, make("span", {}, "Store", make("kbd", {}, "Enter")));
    const cancel = button(make("span", {}, "Cancel", make("kbd", {}, "Esc")), leave, { class: "choice" });
    const made = make(
      "form", { class: "editor" }, make("p", { class: "how" }, how), fields, note, make("div", { class: "choices" }, submit, cancel),
    );
    made.addEventListener("submit", (event) => {
      event.preventDefault();
      store();
    });
    return made;
  }

  /* The keys of a correction, for the help. */
  function editingKeys() {
    const entries = EDITING.flatMap(([keys, words]) => [
      make("dt", {}, ...keys.split(" ").map((key) => make("kbd", {}, key))), make("dd", {}, words),
    ]);
    return [make("h2", {}, "While fixing"), make("dl", {}, ...entries)];
  }

  Object.assign(DeepGUM, { ACTIONS, OUTCOMES, outcomeOf, buttons: { choices, outcome, form, editingKeys } });
})();
