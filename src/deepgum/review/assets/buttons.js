/* The actions of a review in words and keys, and the buttons for them below a card. */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const { button, make, number } = DeepGUM;

  const ACTIONS = {
    keep: { words: "Keep", done: "kept", key: "k", title: "keep: the label is right" },
    take: { words: "Take", done: "fixed", key: "a", title: "take the suggestion" },
    fix: { words: "Fix", done: "fixed", key: "e", title: "fix by hand" },
    drop: { words: "Drop", done: "dropped", key: "d", title: "drop: use this label no more" },
    skip: { words: "Skip", done: "skipped", key: "s", title: "skip: leave it open" },
  };
  const HELD = ["keep", "fix", "drop", "skip"];
  const EDITING = [
    ["Arrows", "move the landmark by 1 pixel, with Shift by 10"],
    [", .", "landmark before, next landmark"],
    ["Tab", "to the values, to type them"],
    ["Enter", "store the correction"],
    ["Esc", "leave it as it was"],
  ];

  /* A button for each action, pressed where that is what holds for all of the card. */
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

  /* What holds, in words. `waits(entry)`: whether the server could not be told yet. */
  function outcome(held, large, { who, waits, undo }) {
    const decided = held.filter(Boolean);
    const [entry] = decided;
    if (!entry) return make("p", { class: "held" }, "undecided");
    const when = entry.at ? new Date(entry.at).toLocaleString([], { dateStyle: "short", timeStyle: "short" }) : "now";
    const by = large || entry.who !== who ? ` by ${entry.who}` : "";
    const how = waits(entry) ? ", not stored yet" : large ? `${by}, ${when}` : by;
    const values = entry.new && large ? ` to ${entry.new.map(number).join(", ")}` : "";
    const several = held.length > 1;
    return make(
      "p", { class: `held is-${entry.action}`, title: `${ACTIONS[entry.action].done} by ${entry.who}, ${when}` },
      make("b", {}, several ? `${decided.length} of ${held.length} decided` : ACTIONS[entry.action].done + values),
      several ? " " : `${how} `,
      button("Undo", () => undo(entry), { class: "link", tabindex: large ? "0" : "-1" }),
    );
  }

  /* The form of a correction, around its fields. */
  function form(fields, landmarks, { store, leave }) {
    const how = landmarks
      ? "Drag the diamond, or move it with the arrow keys (Shift: 10 pixels), or type where it belongs."
      : "Type what it should be. The arrow keys up and down change it by 1 (Shift: 10).";
    const submit = make("button", { type: "submit", class: "primary" }, make("span", {}, "Store", make("kbd", {}, "Enter")));
    const cancel = button(make("span", {}, "Leave as it was", make("kbd", {}, "Esc")), leave, { class: "choice" });
    const made = make(
      "form", { class: "editor" }, make("p", { class: "how" }, how), fields, make("div", { class: "choices" }, submit, cancel),
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
