/* The trade page's behaviour: ladder by keyboard, tabs, own prices in the book, toasts, shortcuts. */
(function () {
  "use strict";
  const TOAST_MS = 7_000;
  const terminal = document.getElementById("terminal");
  if (!terminal) return;
  const ladderKeys = document.getElementById("ladder-keys");

  /* Ladder: arrow keys walk the prices from best to worst, Enter is the button's own click. */
  const levels = () => [...ladderKeys.querySelectorAll(".level")];
  ladderKeys.addEventListener("keydown", (event) => {
    if (!["ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const rows = levels().filter((row) => row.offsetParent);
    if (!rows.length) return;
    const at = rows.indexOf(document.activeElement);
    const asks = rows.filter((row) => row.classList.contains("ask")).length;
    let next;
    if (event.key === "Home") next = 0;
    else if (event.key === "End") next = rows.length - 1;
    else if (at < 0) next = event.key === "ArrowUp" ? asks - 1 : asks;
    else next = at + (event.key === "ArrowUp" ? -1 : 1);
    rows[Math.max(0, Math.min(rows.length - 1, next))].focus();
  });

  /* A level that is traded away under the keyboard's focus leaves the focus on the ladder. */
  let levelHadFocus = false;
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.detail.target.id === "ladder") levelHadFocus = event.detail.target.contains(document.activeElement);
  });

  function markOwnPrices() {
    const symbol = document.getElementById("ticket").dataset.symbol;
    const own = new Set();
    for (const row of document.querySelectorAll("#open-orders [data-open-price]")) {
      if (row.dataset.symbol === symbol) own.add(`${row.dataset.side}-${row.dataset.openPrice}`);
    }
    for (const level of levels()) level.classList.toggle("own", own.has(level.id));
  }

  function countOpen() {
    const list = document.getElementById("open-orders");
    if (list) document.getElementById("open-count").textContent = list.dataset.count;
  }

  function titleFromStrip() {
    const last = document.getElementById("strip").dataset.last;
    document.title = `${last} ${document.getElementById("ticket").dataset.symbol} · Rialto`;
  }

  /* Toasts: shown for a while, then gone for good, whatever the server still lists. */
  const gone = new Set();
  const timed = new Set();
  function tidyToasts() {
    for (const toast of document.querySelectorAll(".toasts .toast")) {
      if (gone.has(toast.id)) toast.remove();
      else if (!timed.has(toast.id)) {
        timed.add(toast.id);
        setTimeout(() => dismiss(toast.id), TOAST_MS);
      }
    }
  }
  function dismiss(id) {
    gone.add(id);
    const toast = document.getElementById(id);
    if (toast) toast.remove();
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-dismiss]");
    if (button) dismiss(button.closest(".toast").id);
  });

  /* What went wrong with a request that has no place of its own on the page. */
  let localToasts = 0;
  function complain(text) {
    const toast = document.createElement("p");
    toast.className = "toast reject";
    toast.id = `local-toast-${++localToasts}`;
    const words = document.createElement("span");
    words.className = "toast-text";
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "toast-close";
    close.dataset.dismiss = "";
    close.setAttribute("aria-label", "Dismiss");
    close.textContent = "×";
    toast.append(words, close);
    document.getElementById("local-toasts").append(toast);
    tidyToasts();
  }
  document.addEventListener("htmx:afterRequest", (event) => {
    const { successful, failed, xhr, target } = event.detail;
    if (successful || !failed || !xhr || !xhr.status) return;
    if (target && (target.id === "ticket" || target.id === "amend") && /^(400|409|422|429|503)$/.test(xhr.status)) return;
    const plain = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain");
    if (plain) complain(xhr.responseText);
    else if (xhr.status === 403) complain("The page has expired: reload it, then try again.");
    else complain(`The venue answered with an error (${xhr.status}); try again.`);
  });
  document.addEventListener("htmx:sendError", () => {
    complain("The venue cannot be reached. Sending the same order again is safe: it is never placed twice.");
  });

  const AFTER = {
    ladder() {
      markOwnPrices();
      if (levelHadFocus && !ladderKeys.contains(document.activeElement)) ladderKeys.focus({ preventScroll: true });
    },
    "open-orders"() {
      markOwnPrices();
      countOpen();
    },
    strip: titleFromStrip,
    toasts: tidyToasts,
  };
  document.addEventListener("htmx:oobAfterSwap", (event) => AFTER[event.detail.target.id]?.());

  /* The amend form opens above the own orders and gives the focus back when it is closed. */
  let amendedFrom = null;
  function closeAmend() {
    const place = document.getElementById("amend");
    if (!place || !place.childElementCount) return false;
    place.replaceChildren();
    const back = amendedFrom && document.getElementById(amendedFrom);
    (back ? back.querySelector(".row-actions a") || document.getElementById("panel-open") : document.getElementById("panel-open")).focus();
    return true;
  }
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-close-amend]")) closeAmend();
    const link = event.target.closest(".row-actions a");
    if (link) amendedFrom = link.closest("tr").id;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "amend") return;
    const first = document.querySelector("#amend [aria-invalid], #amend input:not([type=hidden])");
    if (first) first.focus();
  });

  /* Tabs of the own panel. */
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  function select(tab) {
    for (const each of tabs) {
      const on = each === tab;
      each.setAttribute("aria-selected", String(on));
      each.tabIndex = on ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !on;
    }
  }
  for (const tab of tabs) {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const step = event.key === "ArrowRight" ? 1 : -1;
      const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
      select(next);
      next.focus();
    });
  }
  if (tabs.length) select(tabs[0]);

  /* Panels of the narrow layout. */
  const shows = [...document.querySelectorAll("[data-show]")];
  function showPanel(name) {
    terminal.dataset.shown = name;
    for (const button of shows) button.setAttribute("aria-pressed", String(button.dataset.show === name));
  }
  document.querySelector(".panel-tabs").hidden = false;
  for (const button of shows) button.addEventListener("click", () => showPanel(button.dataset.show));
  showPanel("chart");

  /* Shortcuts, listed on the page. Keys that belong to a field or a menu are left alone. */
  const form = () => document.getElementById("ticket");
  const SHORTCUTS = {
    b: () => window.rialtoTicket.choose("side", "buy"),
    s: () => window.rialtoTicket.choose("side", "sell"),
    l: () => window.rialtoTicket.choose("kind", "limit"),
    m: () => window.rialtoTicket.choose("kind", "market"),
    t: () => window.rialtoTicket.choose("kind", "stop_limit"),
    p: () => [form().elements.price, form().elements.stop_price, form().elements.trailing_distance].find((field) => field.offsetParent)?.focus(),
    q: () => form().elements.quantity.focus(),
    o: () => ladderKeys.focus(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      for (const toast of document.querySelectorAll(".toasts .toast")) dismiss(toast.id);
      if (closeAmend()) return;
      if (document.activeElement !== document.body) document.activeElement.blur();
      return;
    }
    if (event.target.closest("input:not([type=radio]), select, textarea")) return;
    const interval = document.querySelectorAll("[data-interval]")[Number(event.key) - 1];
    const action = SHORTCUTS[event.key.toLowerCase()] || (interval && (() => interval.click()));
    if (!action) return;
    event.preventDefault();
    action();
  });

  countOpen();
  markOwnPrices();
  tidyToasts();
})();
