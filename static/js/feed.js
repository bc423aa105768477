/* A feed's page: the chart of best bid and ask, the choice of the instrument, panels on phones.
   The chart draws floating-point numbers; nothing here is ever sent back or traded on. */
(function () {
  "use strict";
  const MAX_POINTS = 5_000;
  const root = document.getElementById("feed");
  if (!root) return;

  const choice = document.getElementById("instrument");
  choice.addEventListener("change", () => choice.form.requestSubmit());

  const shows = [...document.querySelectorAll("[data-show]")];
  function showPanel(name) {
    root.dataset.shown = name;
    for (const button of shows) button.setAttribute("aria-pressed", String(button.dataset.show === name));
  }
  for (const button of shows) button.addEventListener("click", () => showPanel(button.dataset.show));
  showPanel("book");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) return;
    const target = { i: choice, o: document.getElementById("ladder-keys") }[event.key.toLowerCase()];
    if (!target) return;
    event.preventDefault();
    target.focus();
  });

  const node = document.getElementById("chart");
  if (!window.LightweightCharts) return;
  const legend = document.getElementById("chart-legend");
  const message = document.getElementById("chart-message");
  const chart = LightweightCharts.createChart(node, {
    autoSize: true,
    layout: { attributionLogo: false, background: { color: "transparent" }, fontSize: 11 },
    rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.1, bottom: 0.12 } },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: true, rightOffset: 4 },
    crosshair: { mode: LightweightCharts.CrosshairMode.Normal },
    localization: { locale: "en-GB" },
  });
  const line = () =>
    chart.addSeries(LightweightCharts.LineSeries, { lineWidth: 1, lineType: LightweightCharts.LineType.WithSteps, priceLineVisible: false });
  const bids = line();
  const asks = line();
  let points = []; // {time, bid, ask, bidText, askText}, by time
  let places = 0;

  function colour(name) {
    const probe = document.createElement("i");
    probe.hidden = true;
    probe.style.color = `var(${name})`;
    node.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }
  function paint() {
    const grid = colour("--line");
    chart.applyOptions({ layout: { textColor: colour("--muted") }, grid: { vertLines: { color: grid }, horzLines: { color: grid } } });
    bids.applyOptions({ color: colour("--buy") });
    asks.applyOptions({ color: colour("--sell") });
  }

  const point = (time, value) => (value === null ? { time } : { time, value });
  function usePlaces(wanted) {
    if (wanted <= places) return;
    places = wanted;
    const priceFormat = { type: "price", precision: places, minMove: 10 ** -places };
    bids.applyOptions({ priceFormat });
    asks.applyOptions({ priceFormat });
  }
  // As the feed has it: a floating-point number would be another one from 16 digits on.
  function exact(text) {
    if (!text) return "–";
    const [whole, fraction = ""] = text.split(".");
    return places ? `${whole}.${fraction.padEnd(places, "0")}` : whole;
  }
  function describe(shown) {
    legend.textContent = shown ? `Bid ${exact(shown.bidText)}  Ask ${exact(shown.askText)}` : "";
  }
  function draw() {
    bids.setData(points.map((each) => point(each.time, each.bid)));
    asks.setData(points.map((each) => point(each.time, each.ask)));
    message.textContent = points.length ? "" : "No prices yet";
    message.hidden = points.length > 0;
    describe(points.at(-1));
  }

  const number = (text) => (text === "" || text === null || text === undefined ? null : Number(text));
  const quoted = (time, bid, ask) => ({ time, bid: number(bid), ask: number(ask), bidText: bid, askText: ask });
  function heard() {
    const data = document.getElementById("quote").dataset;
    return data.time ? { ...quoted(Number(data.time), data.bid, data.ask), places: Number(data.places) } : null;
  }

  function follow() {
    const now = heard();
    if (!now) return;
    usePlaces(now.places);
    const last = points.at(-1);
    if (last && now.time < last.time) points = []; // the source began again
    if (!points.length || points.length > MAX_POINTS) {
      points = [...points.slice(-MAX_POINTS / 2), now];
      draw();
      return;
    }
    if (last.time === now.time) points[points.length - 1] = now;
    else points.push(now);
    bids.update(point(now.time, now.bid));
    asks.update(point(now.time, now.ask));
    if (!hovering) describe(now);
  }

  let hovering = false;
  chart.subscribeCrosshairMove((event) => {
    hovering = event.time !== undefined;
    describe(hovering ? points.find((each) => each.time === event.time) : points.at(-1));
  });

  async function load() {
    try {
      const response = await fetch(node.dataset.url, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(String(response.status));
      const stored = (await response.json()).results.map((bar) => quoted(Math.floor(Date.parse(bar.time) / 1000), bar.bid_close, bar.ask_close));
      for (const bar of stored) {
        for (const text of [bar.bidText, bar.askText]) if (text) usePlaces((text.split(".")[1] || "").length);
      }
      const newest = heard();
      // Stored seconds from after the feed's time are of an earlier run of the same source.
      points = stored.filter((bar) => !newest || bar.time < newest.time);
    } catch {
      points = [];
    }
    const now = heard();
    if (now) {
      usePlaces(now.places);
      points.push(now);
    }
    draw();
    const shown = Math.min(Math.max(points.length, 60), 300);
    chart.timeScale().setVisibleLogicalRange({ from: points.length - shown, to: points.length + 4 });
  }

  document.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id === "quote") follow();
  });
  document.addEventListener("rialto:reconnected", load, true);
  document.documentElement.addEventListener("themechange", paint);
  paint();
  load();
})();
