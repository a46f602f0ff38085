// The keyspace: keys by pattern and type, page by page, with what each is and where it is; and one key's value.

import { call, callAll } from "/api.js";
import { bytes, complain, confirmed, count, doing, duration, h, many, shown, tell } from "/page.js";
import { keyPanel } from "/value.js";

const PAGE = 50;
// A step of SCAN, and for how long a page is searched before it is shown as it is.
const STEP = 1000;
const PATIENCE_MS = 3000;
// Keys that one request brings into memory, or lets go.
const CHUNK = 200;

const TYPES = ["string", "list", "set", "zset", "hash", "stream"];
const isPattern = (text) => /[*?[\\]/.test(text);

/** Keys one page after the other. */
class Scan {
  constructor(db, pattern, type) {
    this.db = db;
    this.pattern = pattern;
    this.type = type;
    this.cursor = "0";
    this.isDone = false;
    this.looked = 0;
  }

  /** Up to about `wanted` more keys, fewer where the pattern fits few. */
  async next(wanted) {
    if (!isPattern(this.pattern)) {
      this.isDone = true;
      const there = await call(["EXISTS", this.pattern], this.db);
      return there ? [this.pattern] : [];
    }
    const found = new Map();
    const end = Date.now() + PATIENCE_MS;
    while (found.size < wanted && !this.isDone && Date.now() < end) {
      const size = this.pattern === "*" && !this.type ? wanted : STEP;
      const type = this.type ? ["TYPE", this.type] : [];
      const [cursor, keys] = await call(["SCAN", this.cursor, "MATCH", this.pattern, "COUNT", size, ...type], this.db);
      for (const key of keys) found.set(JSON.stringify(key), key);
      this.cursor = cursor;
      this.isDone = cursor === "0";
      this.looked += size;
    }
    return [...found.values()];
  }
}

/** For each key whether it is in memory, its type, due time and size. The first is asked first: the rest loads. */
async function described(keys, db) {
  if (!keys.length) return [];
  const [resident, ...rest] = await callAll([
    ["CACHE", "RESIDENT", ...keys],
    ...keys.flatMap((key) => [["TYPE", key], ["PTTL", key], ["MEMORY", "USAGE", key]]),
  ], db);
  return keys.map((key, place) => ({
    key,
    isResident: resident.reply?.[place],
    type: rest[3 * place].reply,
    ttl: rest[3 * place + 1].reply,
    size: rest[3 * place + 2].reply,
  }));
}

export const dueText = (ttl) => (ttl === undefined ? "?" : ttl < 0 ? "none" : duration(ttl / 1000));

export function keys(view, { databases }) {
  const database = h("select", {}, Array.from({ length: databases }, (_, number) => h("option", { value: number }, `db ${number}`)));
  const pattern = h("input", { value: "*", spellcheck: "false", autocomplete: "off", "aria-describedby": "pattern-help" });
  const type = h("select", {}, h("option", { value: "" }, "any type"), TYPES.map((one) => h("option", {}, one)));
  const rows = h("tbody");
  const more = h("button", { type: "button", class: "quiet", onclick: doing(page) }, "More keys");
  const summary = h("p", { class: "soft", role: "status" });
  const panel = h("div");
  const browser = h("div", { class: "browser" }, h("div", {}, h(
    "div", { class: "card scroll", tabindex: 0, role: "region", "aria-label": "Keys" }, h("table", {}, h("thead", {}, h(
      "tr", {}, ["Key", "Type", "Due in", "Bytes", "Where"].map((title) => h("th", { scope: "col", class: title === "Bytes" ? "number" : null }, title)),
    )), rows),
  ), summary, more), panel);
  let scan;
  let total = 0;
  let stopped = false;

  const db = () => Number(database.value);

  async function search() {
    scan = new Scan(db(), pattern.value || "*", type.value);
    total = 0;
    rows.replaceChildren();
    closePanel();
    await page();
  }

  async function page() {
    const mine = scan;
    const found = await described(await mine.next(PAGE), mine.db);
    if (mine !== scan) return;
    rows.append(...found.map(row));
    total += found.length;
    more.hidden = scan.isDone;
    more.textContent = found.length ? "More keys" : "Search on";
    summary.textContent = `${many(total, "key")} shown${scan.isDone ? ", that is all" : `; about ${count(scan.looked)} looked at`}`;
  }

  function row(one) {
    const cells = (shownOne) => [
      h("td", {}, h("button", { type: "button", class: "link", onclick: doing(() => open(one, made)) }, shown(one.key) || "(empty name)")),
      h("td", {}, shownOne.type ?? "?"),
      h("td", {}, dueText(shownOne.ttl)),
      h("td", { class: "number" }, shownOne.size === undefined || shownOne.size === null ? "?" : bytes(shownOne.size)),
      h("td", {}, where(shownOne.isResident)),
    ];
    const made = h("tr", {}, cells(one));
    made.refresh = async () => {
      const [now] = await described([one.key], scan.db);
      if (now.type === "none") made.remove();
      else made.replaceChildren(...cells(Object.assign(one, now)));
    };
    return made;
  }

  async function open(one, made) {
    for (const other of rows.children) other.removeAttribute("aria-selected");
    made.setAttribute("aria-selected", "true");
    browser.classList.add("open");
    await keyPanel(panel, one.key, scan.db, { changed: made.refresh, close: () => {
      closePanel();
      (made.isConnected ? made.querySelector("button") : pattern).focus();
    } });
    panel.querySelector("h2")?.focus();
    await made.refresh();
    panel.scrollIntoView({ block: "nearest" });
  }

  function closePanel() {
    panel.replaceChildren();
    browser.classList.remove("open");
    for (const other of rows.children) other.removeAttribute("aria-selected");
  }

  /** CACHE PRELOAD or EVICT for all keys that the form describes. */
  async function forAll(word, text) {
    const all = new Scan(db(), pattern.value || "*", type.value);
    if (!(await confirmed(`${text} all keys in db ${all.db} that match “${all.pattern}”?`, text))) return;
    stopped = false;
    stop.hidden = false;
    let done = 0;
    let seen = 0;
    try {
      while (!all.isDone && !stopped) {
        const found = await all.next(CHUNK);
        for (let from = 0; from < found.length && !stopped; from += CHUNK) {
          done += await call(["CACHE", word, ...found.slice(from, from + CHUNK)], all.db);
        }
        seen += found.length;
        tell(`${text}: ${count(done)} of ${count(seen)} keys`);
      }
    } finally {
      stop.hidden = true;
    }
    tell(`${text}: ${count(done)} of ${count(seen)} keys${stopped ? ", stopped" : ""}`);
    await search();
  }

  const stop = h("button", { type: "button", class: "danger", hidden: true, onclick: () => { stopped = true; } }, "Stop");
  view.append(
    h("form", { class: "toolbar", onsubmit: doing(search) },
      h("label", {}, "Database ", database),
      h("label", { class: "grow" }, "Pattern ", pattern),
      h("label", {}, "Type ", type),
      h("button", { type: "submit" }, "Search"),
      h("button", { type: "button", class: "quiet", onclick: doing(() => forAll("PRELOAD", "Preload")) }, "Preload matching"),
      h("button", { type: "button", class: "quiet", onclick: doing(() => forAll("EVICT", "Evict")) }, "Evict matching"),
      stop,
    ),
    h("p", { id: "pattern-help", class: "soft" }, "A key, or a pattern such as user:* — showing a key brings its head into memory, and opening it its value."),
    browser,
  );
  search().catch(complain);
  return () => { stopped = true; };
}

export function where(isResident) {
  if (isResident === undefined) return "?";
  return isResident ? h("span", { class: "badge on" }, "in memory") : h("span", { class: "badge" }, "on disk");
}
