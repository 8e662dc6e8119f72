// The browser shows a download's progress somewhere of its own; here the button answers the press.
(() => {
  const SECONDS = 1000;

  for (const button of document.querySelectorAll("[data-download]")) {
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    const say = (text) => {
      label.textContent = text;
      document.getElementById("status").textContent = `${text} ${button.dataset.download}`;
    };
    button.addEventListener("click", () => {
      button.setAttribute("aria-busy", "true");
      say("Preparing…");
      setTimeout(() => say("Downloading"), 1 * SECONDS);
      setTimeout(() => {
        button.removeAttribute("aria-busy");
        label.textContent = before;
      }, 6 * SECONDS);
    });
  }
})();
