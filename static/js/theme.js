/* Runs before the first paint, so that a kept choice of theme never flashes the other one. */
(function () {
  "use strict";
  const KEY = "rialto-theme";
  const root = document.documentElement;

  function kept() {
    try {
      const theme = localStorage.getItem(KEY);
      return theme === "dark" || theme === "light" ? theme : null;
    } catch {
      return null; // storage may be forbidden; the system's preference then decides
    }
  }

  function shown() {
    return root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  }

  function toggle() {
    const theme = shown() === "dark" ? "light" : "dark";
    root.dataset.theme = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      /* the choice then holds for this page only */
    }
    root.dispatchEvent(new CustomEvent("themechange"));
  }

  const theme = kept();
  if (theme) root.dataset.theme = theme;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    root.dispatchEvent(new CustomEvent("themechange")),
  );
  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-theme-toggle]")) {
      button.hidden = false;
      button.addEventListener("click", toggle);
    }
  });
})();
