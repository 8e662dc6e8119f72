// Says how many pictures a press of Generate makes, and takes one press only.
(() => {
  const isScene = (line) => line.trim() && !line.trim().startsWith("#");

  for (const options of document.querySelectorAll("[data-options]")) {
    const form = options.closest("form");
    const { scenes, quantity } = form.elements;
    const words = form.querySelector("[data-pictures]");
    const count = () => {
      const found = scenes.value.split("\n").filter(isScene).length;
      const each = Number.parseInt(quantity.value || "1", 10);
      const pictures = found * each;
      words.hidden = !(each > 1 && pictures);
      words.textContent = words.hidden ? "" : `${found} scene${found === 1 ? "" : "s"} × ${each} = ${pictures.toLocaleString("en")} pictures`;
    };
    for (const field of [scenes, quantity]) field.addEventListener("input", count);
    count();

    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) return event.preventDefault();
      form.dataset.sent = "yes";
      event.submitter?.setAttribute("aria-busy", "true");
    });
    // Back in the browser shows the form as it was left: it may be sent again.
    addEventListener("pageshow", () => {
      delete form.dataset.sent;
      form.querySelector('[aria-busy="true"]')?.removeAttribute("aria-busy");
    });
  }
})();
