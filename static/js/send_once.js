// A double click sends the form once: the answer to the second press would take the place of the first one's.
(() => {
  for (const form of document.querySelectorAll("[data-send-once]")) {
    let isSent = false;
    form.addEventListener("submit", (event) => {
      if (isSent) event.preventDefault();
      isSent = true;
    });
    addEventListener("pageshow", () => { isSent = false; });
  }
})();
