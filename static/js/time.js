// The server writes times in UTC; the reader sees them in their own zone.
(() => {
  const exact = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
  const show = (root) => {
    for (const time of root.querySelectorAll("time[data-local]")) {
      const moment = new Date(time.dateTime);
      if (!Number.isNaN(moment.valueOf())) time.textContent = exact.format(moment);
    }
  };
  show(document);
  document.addEventListener("htmx:afterSettle", (event) => show(event.target));
})();
