/* The page socket's state, shown on the page: live, reconnecting, closed. The ws extension connects
   and swaps; this watches it, and replaces a socket that has gone silent. */
(function () {
  "use strict";
  const SILENCE_MS = 40_000; // the server says something at least every 15 seconds
  const WATCH_MS = 5_000;
  const MAX_RECONNECT_MS = 8_000;
  const RECONNECTING_CODES = [1006, 1011, 1012, 1013];
  const SESSION_ENDED = 4401; // signed out elsewhere: what is private must not stay on the screen
  const WORDS = {
    connecting: "Connecting",
    live: "Live",
    reconnecting: "Reconnecting: figures may be old",
    closed: "Disconnected: reload the page",
  };

  const root = document.querySelector("[ws-connect]");
  if (!root) return;
  document.getElementById("connection").hidden = false;
  let heardAt = Date.now();
  let socket = null;
  let wasLive = false;

  // Random, so that a restarted venue is not met by all its pages in the same moment.
  htmx.config.wsReconnectDelay = (tries) => 200 + Math.random() * Math.min(1_000 * 2 ** tries, MAX_RECONNECT_MS);

  function show(state) {
    if (root.dataset.connection === state) return;
    root.dataset.connection = state;
    const text = root.querySelector(".connection-text");
    if (text) text.textContent = WORDS[state];
    root.dispatchEvent(new CustomEvent("rialto:connection", { detail: { state } }));
  }

  root.addEventListener("htmx:wsOpen", (event) => {
    socket = event.detail.socketWrapper;
    heardAt = Date.now();
    const again = wasLive;
    wasLive = true;
    show("live");
    if (again) root.dispatchEvent(new CustomEvent("rialto:reconnected"));
  });
  root.addEventListener("htmx:wsBeforeMessage", () => {
    heardAt = Date.now();
  });
  root.addEventListener("htmx:wsClose", (event) => {
    const code = event.detail.event.code;
    if (code === SESSION_ENDED) {
      location.reload();
      return;
    }
    show(RECONNECTING_CODES.includes(code) || code === 1005 ? "reconnecting" : "closed");
  });
  setInterval(() => {
    if (root.dataset.connection !== "live" || Date.now() - heardAt < SILENCE_MS) return;
    show("reconnecting");
    heardAt = Date.now();
    if (socket) socket.reconnect();
  }, WATCH_MS);
})();
