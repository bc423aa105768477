/* Candles: history from the REST interface, the minute under way from the page's socket.
   The chart draws floating-point numbers; nothing here is ever sent back or traded on. */
(function () {
  "use strict";
  const INTERVALS_S = { "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400 };
  const HISTORY = 500;
  const RETRY_MS = 5_000;
  const KEY = "rialto-interval";
  const node = document.getElementById("chart");
  if (!node || !window.LightweightCharts) return;

  const legend = document.getElementById("chart-legend");
  const message = document.getElementById("chart-message");
  const buttons = [...document.querySelectorAll("[data-interval]")];
  const places = Number(node.dataset.places);
  let interval = "1m";
  let bars = [];
  let minute = null; // the newest minute as last heard, whose volume is in the last bar already
  let request = 0;
  let triedAt = 0;

  const chart = LightweightCharts.createChart(node, {
    autoSize: true,
    layout: { attributionLogo: false, background: { color: "transparent" }, fontSize: 11 },
    rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.08, bottom: 0.24 } },
    timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, rightOffset: 4 },
    crosshair: { mode: LightweightCharts.CrosshairMode.Normal },
    localization: { locale: "en-GB" },
  });
  const candles = chart.addSeries(LightweightCharts.CandlestickSeries, {
    priceFormat: { type: "price", precision: places, minMove: Number(node.dataset.tickSize) },
    borderVisible: false,
  });
  const volumes = chart.addSeries(LightweightCharts.HistogramSeries, {
    priceFormat: { type: "volume" },
    priceScaleId: "volume",
    lastValueVisible: false,
    priceLineVisible: false,
  });
  chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });

  /* A colour of the theme as the browser computes it: custom properties may hold functions. */
  function colour(name) {
    const probe = document.createElement("i");
    probe.hidden = true;
    probe.style.color = `var(${name})`;
    node.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }

  let soft = {};
  function paint() {
    soft = { up: colour("--volume-up"), down: colour("--volume-down") };
    const line = colour("--line");
    chart.applyOptions({
      layout: { textColor: colour("--muted") },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
    });
    const [up, down] = [colour("--buy"), colour("--sell")];
    candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    volumes.setData(bars.map(volumeOf));
  }

  const volumeOf = (bar) => ({
    time: bar.time,
    value: bar.volume,
    color: bar.close >= bar.open ? soft.up : soft.down,
  });

  function describe(bar) {
    if (!bar) {
      legend.textContent = "";
      return;
    }
    const fixed = (value) => value.toLocaleString("en-GB", { minimumFractionDigits: places, maximumFractionDigits: places });
    legend.textContent = `O ${fixed(bar.open)}  H ${fixed(bar.high)}  L ${fixed(bar.low)}  C ${fixed(bar.close)}  V ${bar.volume.toLocaleString("en-GB", { maximumFractionDigits: 4 })}`;
  }

  function tell(text) {
    message.textContent = text;
    message.hidden = !text;
  }

  function barOf(candle) {
    return {
      time: Math.floor(Date.parse(candle.time) / 1000),
      open: Number(candle.open),
      high: Number(candle.high),
      low: Number(candle.low),
      close: Number(candle.close),
      volume: Number(candle.volume),
    };
  }

  async function load() {
    const mine = ++request;
    triedAt = Date.now();
    tell(bars.length ? "" : "Loading candles");
    let body;
    try {
      const response = await fetch(`${node.dataset.url}?interval=${interval}&limit=${HISTORY}`, {
        headers: { Accept: "application/json" },
      });
      if (!response.ok) throw new Error(String(response.status));
      body = await response.json();
    } catch {
      if (mine === request) tell("Candles cannot be loaded now; trying again soon");
      return;
    }
    if (mine !== request) return;
    bars = body.results.map(barOf).sort((a, b) => a.time - b.time);
    minute = heard();
    tell(bars.length ? "" : "No trades yet");
    candles.setData(bars);
    volumes.setData(bars.map(volumeOf));
    chart.timeScale().applyOptions({ timeVisible: interval !== "1d" });
    const shown = Math.min(Math.max(bars.length, 40), 120);
    chart.timeScale().setVisibleLogicalRange({ from: bars.length - shown, to: bars.length + 3 });
    describe(bars.at(-1));
  }

  /* The minute under way as the socket (or the page itself) last brought it. */
  function heard() {
    const data = document.getElementById("candle").dataset;
    if (!data.time) return null;
    return {
      time: Number(data.time),
      open: Number(data.open),
      high: Number(data.high),
      low: Number(data.low),
      close: Number(data.close),
      volume: Number(data.volume),
    };
  }

  function follow() {
    const now = heard();
    if (!now) return;
    const before = minute;
    minute = now;
    if (!bars.length) {
      if (Date.now() - triedAt > RETRY_MS) load();
      return;
    }
    const start = now.time - (now.time % INTERVALS_S[interval]);
    const last = bars.at(-1);
    if (start < last.time) return;
    if (before && now.time - before.time > 60) {
      if (Date.now() - triedAt > RETRY_MS) load(); // minutes passed unseen
      return;
    }
    const more = before && before.time === now.time ? now.volume - before.volume : now.volume;
    let bar;
    if (start === last.time) {
      bar = last;
      bar.high = Math.max(bar.high, now.high);
      bar.low = Math.min(bar.low, now.low);
      bar.close = now.close;
      bar.volume += before ? more : 0;
    } else {
      bar = { ...now, time: start };
      bars.push(bar);
    }
    candles.update({ ...bar });
    volumes.update(volumeOf(bar));
    if (!hovering) describe(bar);
  }

  let hovering = false;
  chart.subscribeCrosshairMove((event) => {
    hovering = event.time !== undefined;
    describe(hovering ? bars.find((bar) => bar.time === event.time) : bars.at(-1));
  });

  function choose(name) {
    interval = name;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.interval === name));
    try {
      localStorage.setItem(KEY, name);
    } catch {
      /* not kept */
    }
    bars = [];
    load();
  }

  for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.interval));
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target.id === "candle") follow();
  });
  document.addEventListener("rialto:reconnected", load, true);
  document.documentElement.addEventListener("themechange", paint);
  paint();
  let first = null;
  try {
    first = localStorage.getItem(KEY);
  } catch {
    /* the default then */
  }
  choose(first in INTERVALS_S ? first : "1m");
})();
