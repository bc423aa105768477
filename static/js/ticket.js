/* The order ticket's arithmetic: exact, on BigInt, from the decimal strings that the page shows.
   The server checks and computes everything again; this only helps to fill the form. */
(function () {
  "use strict";
  const DECIMAL = /^(?:0|[1-9]\d{0,19})(?:\.\d{1,18})?$/;
  const SCALE = 18;
  const PPM = 1_000_000n;

  const ticket = () => document.getElementById("ticket");
  if (!ticket()) return;

  /* A decimal string as an integer of 10**-SCALE, or null. */
  function scaled(text) {
    const clean = text.trim();
    if (!DECIMAL.test(clean)) return null;
    const [whole, fraction = ""] = clean.split(".");
    return BigInt(whole + fraction.padEnd(SCALE, "0"));
  }

  function plain(value, places) {
    const digits = value.toString().padStart(places + 1, "0");
    return places ? `${digits.slice(0, -places)}.${digits.slice(-places)}` : digits;
  }

  function grouped(text) {
    const [whole, fraction] = text.split(".");
    const shown = whole.replace(/\B(?=(\d{3})+$)/g, ",");
    return fraction === undefined ? shown : `${shown}.${fraction}`;
  }

  /* Without the zeros that nobody reads: at least two places stay. */
  const trimmed = (text) => text.replace(/(\.\d\d\d*?)0+$/, "$1");

  const placesOf = (step) => (step.includes(".") ? step.split(".")[1].replace(/0+$/, "").length : 0);

  function steps(text, step) {
    const value = scaled(text);
    const size = scaled(step);
    return value === null || value % size ? null : value / size;
  }

  function stepsText(count, step) {
    const places = placesOf(step);
    return plain((count * scaled(step)) / 10n ** BigInt(SCALE - places), places);
  }

  /* Kinds that become market orders at their stop price. */
  const AT_STOP = ["stop_market", "take_profit_market"];
  const unitOf = (decimals) => plain(1n, Number(decimals));

  /* The price that an estimate goes by; null where there is none to be known. */
  function priceOf(kind, form, data) {
    if (kind === "market" || kind === "trailing_stop") return null;
    const field = AT_STOP.includes(kind) ? form.elements.stop_price : form.elements.price;
    return steps(field.value, data.tickSize);
  }

  function read() {
    const form = ticket();
    const data = form.dataset;
    const row = (asset) => document.querySelector(`#balances [data-asset="${CSS.escape(asset)}"]`);
    const available = (asset) => (row(asset) ? BigInt(row(asset).dataset.availableMinor) : null);
    const side = form.elements.side.value;
    const kind = form.elements.kind.value;
    const byQuote = kind === "market" && form.elements.amount_in.value === "quote";
    return {
      form,
      data,
      side,
      market: kind === "market",
      byQuote,
      atStop: AT_STOP.includes(kind),
      priceTicks: priceOf(kind, form, data),
      amountMinor: byQuote ? steps(form.elements.quantity.value, unitOf(data.quoteDecimals)) : null,
      lots: steps(form.elements.quantity.value, data.lotSize),
      lotMinor: BigInt(data.lotMinor),
      tickLotMinor: BigInt(data.tickLotMinor),
      baseMinor: available(data.base),
      quoteMinor: available(data.quote),
    };
  }

  /* The other side's visible levels, best first, as [ticks, lots]. */
  function levels(side) {
    const rows = [...document.querySelectorAll(side === "buy" ? "#ladder .ask" : "#ladder .bid")];
    if (side === "buy") rows.reverse();
    return rows.map((row) => [BigInt(row.dataset.ticks), BigInt(row.dataset.lots)]);
  }

  /* What a market order of so many lots would cost or bring at the visible levels. */
  function marketNotional(state) {
    let left = state.lots;
    let sum = 0n;
    for (const [ticks, lots] of levels(state.side)) {
      const taken = left < lots ? left : lots;
      sum += taken * ticks;
      left -= taken;
      if (!left) return sum * state.tickLotMinor;
    }
    return null;
  }

  /* Most lots that so much quote money buys at the visible levels. */
  function marketLots(budget, tickLotMinor) {
    let left = budget;
    let bought = 0n;
    for (const [ticks, lots] of levels("buy")) {
      const affordable = left / (ticks * tickLotMinor);
      if (affordable < lots) return bought + affordable;
      bought += lots;
      left -= lots * ticks * tickLotMinor;
    }
    return bought;
  }

  function fillPercent(percent) {
    const state = read();
    const share = (minor) => (minor * BigInt(percent)) / 100n;
    if (state.baseMinor === null) return;
    if (state.byQuote) {
      if (state.side === "sell") return;
      state.form.elements.quantity.value = plain(share(state.quoteMinor), Number(state.data.quoteDecimals));
      estimate();
      return;
    }
    let lots;
    if (state.side === "sell") lots = share(state.baseMinor) / state.lotMinor;
    else if (state.market) lots = marketLots(share(state.quoteMinor), state.tickLotMinor);
    else if (state.priceTicks) lots = share(state.quoteMinor) / (state.priceTicks * state.tickLotMinor);
    else {
      (state.atStop ? state.form.elements.stop_price : state.form.elements.price).focus();
      return;
    }
    state.form.elements.quantity.value = stepsText(lots, state.data.lotSize);
    estimate();
  }

  const write = (id, text) => {
    const node = document.getElementById(id);
    if (node && node.textContent !== text) node.textContent = text;
  };

  function estimate() {
    const state = read();
    const { data, side } = state;
    const baseText = (minor) => `${trimmed(grouped(plain(minor, Number(data.baseDecimals))))} ${data.base}`;
    const quoteText = (minor) => `${trimmed(grouped(plain(minor, Number(data.quoteDecimals))))} ${data.quote}`;
    const quoteSide = side === "buy";
    if (state.baseMinor !== null) {
      write("ticket-available", quoteSide ? quoteText(state.quoteMinor) : baseText(state.baseMinor));
    }
    let notional = null;
    if (state.byQuote) notional = state.amountMinor;
    else if (state.lots && state.market) notional = marketNotional(state);
    else if (state.lots && state.priceTicks) notional = state.lots * state.priceTicks * state.tickLotMinor;
    write("ticket-total-label", state.market ? "Total, at the book's prices" : state.atStop ? "Total, at the stop price" : "Total");
    write("ticket-total", notional === null ? "–" : quoteText(notional));
    const fee = (received) => (received * BigInt(data.takerFeePpm) + PPM - 1n) / PPM;
    if (notional === null || (state.byQuote && quoteSide)) write("ticket-fee", "–");
    else write("ticket-fee", quoteSide ? baseText(fee(state.lots * state.lotMinor)) : quoteText(fee(notional)));
  }

  function setPrice(price) {
    const form = ticket();
    const kind = form.elements.kind.value;
    if (kind === "market" || kind === "trailing_stop") choose("kind", "limit");
    (AT_STOP.includes(kind) ? form.elements.stop_price : form.elements.price).value = price;
    estimate();
  }

  function choose(name, value) {
    const input = ticket().querySelector(`input[name="${name}"][value="${value}"]`);
    if (input) {
      input.checked = true;
      estimate();
    }
  }

  document.addEventListener("input", (event) => {
    if (event.target.form && event.target.form.id === "ticket") estimate();
  });
  document.addEventListener("change", (event) => {
    if (event.target.form && event.target.form.id === "ticket") estimate();
  });
  document.addEventListener("click", (event) => {
    const level = event.target.closest(".level");
    if (level) {
      setPrice(level.dataset.price);
      return;
    }
    const button = event.target.closest("[data-percent]");
    if (button) fillPercent(button.dataset.percent);
  });
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    const id = event.detail.target.id;
    if (id === "balances" || (id === "ladder" && ticket().elements.kind.value === "market")) estimate();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "ticket") estimate();
  });
  window.rialtoTicket = { choose, setPrice };
  estimate();
})();
