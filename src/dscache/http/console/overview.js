// The overview: the figures that say how the server is, now and in the last hour.

import { call, figures } from "/api.js";
import { Chart } from "/chart.js";
import { bytes, complain, count, duration, h, infoLines, pairs, percent, short } from "/page.js";

const PAUSE_MS = 2000;
// An hour of the server's samples, or of the console's own, which come more often.
const MOST_POINTS = 1800;

const NAMES = [
  "used_memory", "used_memory_rss", "maxmemory", "cache_hits", "cache_misses", "total_commands_processed", "cache_loads",
  "load_count", "load_seconds", "flush_count", "flush_seconds", "fsync_count", "fsync_seconds", "cache_dirty_keys",
  "cache_saving_keys", "cache_waiting_clients", "cache_writers_waiting", "blocked_clients",
];

const grown = (name) => (point, before) => (point[name] >= before[name] ? point[name] - before[name] : null);
const rate = (name) => (point, before) => grown(name)(point, before) / (point.time - before.time);
const mean = (event) => (point, before) => grown(`${event}_seconds`)(point, before) / grown(`${event}_count`)(point, before);
const plain = (name) => (point) => point[name];
function hitRatio(point, before) {
  const hits = grown("cache_hits")(point, before);
  return hits / (hits + grown("cache_misses")(point, before));
}

function charts() {
  return [
    new Chart("Memory against its bound", [
      { name: "accounted", value: plain("used_memory") },
      { name: "resident", value: plain("used_memory_rss") },
      { name: "maxmemory", value: plain("maxmemory"), isBound: true },
    ], bytes, { base: 1024 }),
    new Chart("Hit ratio", [{ name: "answered by memory", value: hitRatio }], percent, { maximum: 1 }),
    new Chart("Wait for keys from disk", [{ name: "mean of a load", value: mean("load") }], duration),
    new Chart("Getting changes to disk", [
      { name: "mean of a flush", value: mean("flush") },
      { name: "mean of a log sync", value: mean("fsync") },
    ], duration),
    new Chart("Per second", [
      { name: "commands", value: rate("total_commands_processed") },
      { name: "loads", value: rate("cache_loads") },
    ], short),
    new Chart("Keys not on disk yet", [
      { name: "dirty", value: plain("cache_dirty_keys") },
      { name: "being saved", value: plain("cache_saving_keys") },
    ], short),
    new Chart("Clients that wait", [
      { name: "for the disk", value: plain("cache_waiting_clients") },
      { name: "for room to write", value: plain("cache_writers_waiting") },
      { name: "blocked", value: plain("blocked_clients") },
    ], short),
  ];
}

function tile(title, big, note, share) {
  const bar = share === undefined ? null : h("div", { class: share > 1 ? "bar full" : "bar" }, h("div"));
  if (bar) bar.firstChild.style.width = `${Math.min(share, 1) * 100}%`;
  return h("div", { class: "card" }, h("dt", {}, title), h("dd", { class: "big" }, big), bar && h("dd", {}, bar), h("dd", { class: "note" }, note));
}

function tiles(now, before, databases) {
  const ratio = hitRatio(now, before);
  const keys = databases.map(([, text]) => Number(pairs(text).keys));
  return [
    tile("Memory", bytes(now.used_memory), `of ${bytes(now.maxmemory)}; process ${bytes(now.used_memory_rss)}`, now.used_memory / now.maxmemory),
    tile("Hit ratio", percent(now.cache_hit_ratio), Number.isFinite(ratio) ? `now ${percent(ratio)}` : "no lookups now"),
    tile("Commands a second", short(now.instantaneous_ops_per_sec), `${short(now.total_commands_processed)} in all`),
    tile("Keys", short(keys.reduce((sum, one) => sum + one, 0)), `${short(now.cache_resident_keys)} in memory`),
    tile("Changes not on disk yet", short(now.store_unsaved_changes), now.store_oldest_dirty_ms ? `oldest ${duration(now.store_oldest_dirty_ms / 1000)}` : "all keys are saved"),
    tile("Epochs", short(now.store_epochs), now.store_epochs ? `last: ${short(now.store_last_commit_keys)} keys in ${duration(now.store_last_commit_ms / 1000)}` : "none yet"),
    tile("Clients", count(now.connected_clients), `${count(now.cache_waiting_clients)} wait for the disk, ${count(now.cache_writers_waiting)} for room, ${count(now.blocked_clients)} blocked`),
    tile("On disk", bytes(now.store_size_bytes), `redo log ${bytes(now.aof_current_size)}`),
  ];
}

function warnings(now) {
  const found = [];
  if (now.store_failing_seconds > 0) found.push(`Commits have been failing for ${duration(now.store_failing_seconds)}. INFO store says why (store_last_error).`);
  if (now.cache_writers_waiting > 0) found.push(`${count(now.cache_writers_waiting)} writers wait until the disk has caught up.`);
  return found.map((text) => h("p", { class: "warning" }, text));
}

export function overview(view) {
  const all = charts();
  const summary = h("dl", { class: "tiles" });
  const troubles = h("div", { "aria-live": "polite" });
  const span = h("select", { onchange: draw }, [[300, "5 minutes"], [900, "15 minutes"], [3600, "1 hour"]].map(
    ([seconds, text]) => h("option", { value: seconds }, text),
  ));
  let points = [];
  let timer = 0;
  let isOver = false;

  function draw() {
    for (const one of all) one.show(points, Number(span.value));
  }

  async function poll(names) {
    try {
      const answer = await figures(names);
      if (names) points = answer.history.time.map((time, place) => Object.fromEntries(
        [["time", time], ...names.map((name) => [name, answer.history[name][place]])],
      ));
      const databases = await call(["INFO", "keyspace"]).then(infoLines, () => []);
      points.push({ ...answer.figures, time: answer.time });
      points = points.slice(-MOST_POINTS);
      summary.replaceChildren(...tiles(points.at(-1), points.at(-2) ?? points.at(-1), databases));
      troubles.replaceChildren(...warnings(answer.figures));
      draw();
      schedule();
    } catch (error) {
      complain(error);
      if (error.status === 0 || error.status >= 500) schedule();
    }
  }
  function schedule() {
    clearTimeout(timer);
    if (!isOver) timer = setTimeout(poll, PAUSE_MS);
  }
  function look() {
    clearTimeout(timer);
    if (!document.hidden) poll(NAMES);
  }

  view.append(
    h("div", { class: "toolbar" }, h("label", {}, "Charts show the last ", span)),
    troubles, summary, h("div", { class: "charts" }, all.map((one) => one.element)),
  );
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    isOver = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}
