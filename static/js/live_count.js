// Counts the scenes while they are typed, by the same rule as the form: blank lines and # lines are none.
(() => {
  for (const counter of document.querySelectorAll("[data-count-of]")) {
    const field = document.getElementById(counter.dataset.countOf);
    const count = () => {
      const scenes = field.value.split("\n").map((line) => line.trim()).filter((line) => line && !line.startsWith("#"));
      counter.textContent = scenes.length ? `${scenes.length.toLocaleString("en")} ${scenes.length === 1 ? "scene" : "scenes"}` : "";
    };
    field.addEventListener("input", count);
    count();
  }
})();
