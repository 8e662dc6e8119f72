// The server writes times in UTC; the reader sees them in their own zone. What is known to the minute says no seconds.
(() => {
  const exact = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
  const minute = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  const show = (root) => {
    for (const time of root.querySelectorAll("time[data-local]")) {
      const moment = new Date(time.dateTime);
      if (!Number.isNaN(moment.valueOf())) time.textContent = (time.dataset.local === "minute" ? minute : exact).format(moment);
    }
  };
  show(document);
  document.addEventListener("htmx:afterSettle", (event) => show(event.target));
})();
