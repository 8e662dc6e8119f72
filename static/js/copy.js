// A button that copies a field. Where the browser refuses, the field is selected, and the person's own keys copy it.
(() => {
  const SECONDS = 1000;

  const copy = async (field) => {
    field.focus();
    field.select();
    // There is no clipboard object on plain HTTP to another machine; the old command works there.
    if (!navigator.clipboard) return document.execCommand("copy");
    return navigator.clipboard.writeText(field.value).then(() => true, () => document.execCommand("copy"));
  };

  for (const button of document.querySelectorAll("[data-copy]")) {
    const field = document.getElementById(button.dataset.copy);
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    let timer = 0;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const worked = await copy(field);
      if (worked) button.focus();
      document.getElementById("status").textContent = worked ? "Copied" : "Press Ctrl or Command and C to copy";
      label.textContent = worked ? "Copied" : "Selected";
      clearTimeout(timer);
      timer = setTimeout(() => {
        label.textContent = before;
        document.getElementById("status").textContent = "";
      }, 3 * SECONDS);
    });
  }

  // A reload and the way back show the list, where the browser would ask whether to send the form again. What it
  // remembers of this page itself goes, too.
  history.replaceState(null, "", location.pathname);
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
})();
