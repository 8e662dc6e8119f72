// Sets the stored theme before the page is painted, and lets the menu change it. "system" stores nothing.
(() => {
  const root = document.documentElement;
  const paper = { light: "#faf7f1", dark: "#15140f" };

  const stored = () => {
    try {
      const theme = localStorage.getItem("theme");
      return theme === "light" || theme === "dark" ? theme : "system";
    } catch {
      return "system"; // Storage may be forbidden; the system's theme needs none.
    }
  };

  const store = (theme) => {
    try {
      if (theme === "system") localStorage.removeItem("theme");
      else localStorage.setItem("theme", theme);
    } catch {
      // The choice then holds for this page.
    }
  };

  const show = (theme) => {
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    for (const meta of document.querySelectorAll('meta[name="theme-color"]')) {
      const own = meta.media.includes("dark") ? "dark" : "light";
      meta.content = paper[theme === "system" ? own : theme];
    }
    for (const button of document.querySelectorAll("[data-theme-choice] button")) {
      button.setAttribute("aria-pressed", String(button.value === theme));
    }
  };

  show(stored());
  document.addEventListener("DOMContentLoaded", () => {
    const choice = document.querySelector("[data-theme-choice]");
    if (!choice) return;
    choice.hidden = false;
    show(stored());
    choice.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      store(button.value);
      show(button.value);
    });
  });
  addEventListener("storage", (event) => {
    if (event.key === "theme") show(stored());
  });
})();
