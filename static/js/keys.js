// Single keys that work anywhere: / N ?. Off inside fields, with Ctrl, Alt or Meta held, and by the sheet's setting.
(() => {
  const sheet = document.getElementById("keys");
  if (!sheet) return;

  const setting = sheet.querySelector("[data-keys-off]");
  try {
    setting.checked = localStorage.getItem("keys") === "off";
    setting.addEventListener("change", () => localStorage.setItem("keys", setting.checked ? "off" : "on"));
  } catch {
    setting.closest("label").hidden = true;
  }

  const open = () => {
    document.querySelector(".menu").open = false;
    sheet.showModal();
  };
  const opener = document.querySelector("[data-open-keys]");
  opener.hidden = false;
  opener.addEventListener("click", open);

  const isTyping = (element) => element.closest("input, textarea, select, [contenteditable]") !== null;

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (setting.checked || sheet.open || isTyping(event.target)) return;
    if (event.key === "?") {
      event.preventDefault();
      open();
      return;
    }
    const target = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (!target) return;
    event.preventDefault();
    if (target.matches("input")) target.select();
    else target.click();
  });
})();
