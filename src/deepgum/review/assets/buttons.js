/* The actions of a review with their words and keys, and their buttons below a card. */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { button, make, number } = DeepGUM;

  const ACTIONS = {
    keep: { words: "Keep", done: "kept", key: "k", title: "keep: the label is right" },
    take: { words: "Take", done: "fixed", key: "a", title: "take the suggestion" },
    fix: { words: "Fix", done: "fixed", key: "e", title: "fix by hand" },
    drop: { words: "Drop", done: "dropped", key: "d", title: "drop: do not use this label" },
    skip: { words: "Skip", done: "skipped", key: "s", title: "skip: leave it open" },
  };
  const HELD = ["keep", "fix", "drop", "skip"];
  const EDITING = [
    ["Arrows", "move the landmark by 1 pixel, with Shift by 10"],
    [", .", "previous landmark, next landmark"],
    ["Tab", "go to the values, to type them"],
    ["Enter", "store the correction"],
    ["Esc", "cancel"],
  ];

  /* A button for each action, pressed if that is the decision about all labels of the card. */
  function choices(held, large, act) {
    const all = held.every((entry) => entry && entry.action === held[0].action);
    const buttons = Object.entries(ACTIONS).map(([name, { words, key, title }]) =>
      button(large ? make("span", {}, words, make("kbd", {}, key)) : words, () => act(name), {
        class: `choice ${name}`, title: `${title} (${key})`, "aria-keyshortcuts": key, tabindex: large ? "0" : "-1",
        "aria-pressed": name === "take" ? null : String(all && held[0].action === name),
      }),
    );
    return make("div", { class: "choices", role: "group", "aria-label": "Decision" }, ...buttons);
  }

  /* The current decision in words. `waits(entry)` tells whether the decision still waits for the server. */
  function outcome(held, large, { who, waits, undo }) {
    const decided = held.filter(Boolean);
    const [entry] = decided;
    if (!entry) return make("p", { class: "held" }, "undecided");
    const when = entry.at ? new Date(entry.at).toLocaleString([], { dateStyle: "short", timeStyle: "short" }) : "now";
    const by = large || entry.who !== who ? ` by ${entry.who}` : "";
    const how = waits(entry) ? ", not stored yet" : large ? `${by}, ${when}` : by;
    const values = entry.new && large ? ` to ${entry.new.map(number).join(", ")}` : "";
    const several = held.length > 1;
    const together = entry.many > 1 ? `Undo all ${entry.many.toLocaleString("en")}` : "Undo";
    const reasons = [...new Set(decided.map((each) => each.reason).filter(Boolean))];
    const note = !large && reasons.length ? make("q", { class: "note" }, reasons.join("; ")) : null;
    return make(
      "p", { class: `held is-${entry.action}`, title: `${ACTIONS[entry.action].done} by ${entry.who}, ${when}` },
      make("b", {}, several ? `${decided.length} of ${held.length} decided` : ACTIONS[entry.action].done + values),
      several ? " " : `${how} `,
      button(together, () => undo(entry), { class: "link", tabindex: large ? "0" : "-1" }), note,
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

  Object.assign(DeepGUM, { ACTIONS, HELD, buttons: { choices, outcome, form, editingKeys } });
})();
