// A grid of pictures is one stop of the Tab key; arrows, Home and End move inside it. Enter follows the link.
(() => {
  const linksOf = (grid) => [...grid.querySelectorAll(".card-link")];

  const makeOneStop = (grid) => {
    const links = linksOf(grid);
    const current = links.find((link) => link.tabIndex === 0 && link.hasAttribute("tabindex")) ?? links[0];
    for (const link of links) link.tabIndex = link === current ? 0 : -1;
  };

  const moveTo = (links, link) => {
    if (!link) return;
    for (const other of links) other.tabIndex = other === link ? 0 : -1;
    link.focus();
  };

  // The nearest one in the row above or below: rows are where the pictures are, whatever their sizes.
  const inNextRow = (links, from, direction) => {
    const box = from.getBoundingClientRect();
    const middle = (other) => other.left + other.width / 2;
    let best;
    let least = Infinity;
    for (const link of links) {
      const other = link.getBoundingClientRect();
      const away = direction > 0 ? other.top - box.bottom : box.top - other.bottom;
      if (link === from || away < -1) continue;
      const distance = away * 1000 + Math.abs(middle(other) - middle(box));
      if (distance < least) [best, least] = [link, distance];
    }
    return best;
  };

  const goal = (links, from, key) => {
    const index = links.indexOf(from);
    switch (key) {
      case "ArrowRight": return links[index + 1];
      case "ArrowLeft": return links[index - 1];
      case "ArrowDown": return inNextRow(links, from, 1);
      case "ArrowUp": return inNextRow(links, from, -1);
      case "Home": return links[0];
      case "End": return links[links.length - 1];
      default: return undefined;
    }
  };

  for (const grid of document.querySelectorAll("[data-grid]")) makeOneStop(grid);

  document.addEventListener("focusin", (event) => {
    const link = event.target.closest("[data-grid] .card-link");
    if (link) for (const other of linksOf(link.closest("[data-grid]"))) other.tabIndex = other === link ? 0 : -1;
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("[data-grid] .card-link");
    const isMove = ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "Home", "End"].includes(event.key);
    if (!link || !isMove) return;
    event.preventDefault();
    const links = linksOf(link.closest("[data-grid]"));
    moveTo(links, goal(links, link, event.key));
  });

  // "Show 60 more": the button is gone afterwards, so focus goes to the first new picture.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const grid = event.target.closest?.("[data-grid]");
    if (grid) grid.dataset.before = linksOf(grid).length;
  });
  document.addEventListener("htmx:afterSettle", () => {
    for (const grid of document.querySelectorAll("[data-grid]")) {
      makeOneStop(grid);
      const { before } = grid.dataset;
      if (before === undefined) continue;
      delete grid.dataset.before;
      const links = linksOf(grid);
      moveTo(links, links[Number(before)]);
      const status = document.getElementById("status");
      if (status) status.textContent = `${links.length - Number(before)} more pictures`;
    }
  });

  // On the page of one picture the arrows go to its neighbours.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || event.defaultPrevented) return;
    if (event.target.closest("input, textarea, select, dialog, [data-grid]")) return;
    const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    if (rel) document.querySelector(`a[rel="${rel}"]`)?.click();
  });
})();
