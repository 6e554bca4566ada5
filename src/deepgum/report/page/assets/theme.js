/* The theme of the page: light, dark, or the system's. It is set before the page is drawn; buttons with data-choose change it. */
(function () {
  "use strict";
  const root = document.documentElement;
  const key = "deepgum-theme";

  function stored() {
    try {
      return window.localStorage.getItem(key);
    } catch {
      return null; // some browsers have no storage for local files
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
      // the choice lasts until the page is closed
    }
    apply(button.dataset.choose);
  });
})();
