/* Light, dark, or as the system has it: set before the page is drawn, and changed by the buttons with data-theme. */
(function () {
  "use strict";
  const root = document.documentElement;
  const key = "deepgum-theme";

  function stored() {
    try {
      return window.localStorage.getItem(key);
    } catch {
      return null; // a browser may refuse it to a file
    }
  }

  function apply(theme) {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    for (const button of document.querySelectorAll("button[data-choose]")) {
      button.setAttribute("aria-pressed", String(button.dataset.choose === (root.dataset.theme || "auto")));
    }
  }

  apply(stored());
  document.addEventListener("DOMContentLoaded", () => apply(stored()));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-choose]");
    if (!button) return;
    try {
      window.localStorage.setItem(key, button.dataset.choose);
    } catch {
      // then it is not remembered
    }
    apply(button.dataset.choose);
  });
})();
