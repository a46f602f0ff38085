// Clients, the slow log, statistics of commands, and the configuration.

import { allowed, call, reference } from "/api.js";
import { bytes, clock, complain, count, doing, duration, h, infoLines, many, pairs, shown, sortedTable, tell } from "/page.js";

const PAUSE_MS = 3000;

const WAITS = {
  disk: "keys from disk", scan: "a scan of the disk", snapshot: "a snapshot", memory: "room to write", flush: "a commit",
  pause: "the end of a pause", blocked: "blocked",
};

/** What `wait` of CLIENT LIST, "reason:milliseconds", means. */
function waiting(wait) {
  const [reason, ms] = wait.split(":");
  return `${WAITS[reason] ?? reason}, ${duration(Number(ms) / 1000)}`;
}

export function clients(view) {
  const onlyWaiting = h("input", { type: "checkbox", onchange: () => load().catch(complain) });
  const place = h("div");
  let timer = 0;
  let isOver = false;
  async function load() {
    clearTimeout(timer);
    const lines = (await call(["CLIENT", "LIST"])).trim().split("\n").map((line) => Object.fromEntries(
      line.split(" ").map((one) => [one.slice(0, one.indexOf("=")), one.slice(one.indexOf("=") + 1)]),
    ));
    const rows = lines.filter((one) => one.wait || !onlyWaiting.checked);
    const stopped = lines.filter((one) => one.wait).length;
    const scroll = place.firstChild?.scrollLeft ?? 0;
    place.replaceChildren(table(rows, `${many(lines.length, "client")}, ${count(stopped)} of them waiting`));
    place.firstChild.scrollLeft = scroll;
    if (!isOver) timer = setTimeout(tick, PAUSE_MS);
  }
  const tick = () => (document.hidden || place.contains(document.activeElement)
    ? void (timer = setTimeout(tick, PAUSE_MS)) : load().catch(complain));
  const table = (rows, caption) => sortedTable(caption, [
    { title: "Waiting", sort: (one) => one.wait || "~", cell: (one) => (one.wait ? h("span", { class: "badge waits" }, waiting(one.wait)) : "–") },
    { title: "Id", number: true, sort: (one) => Number(one.id) },
    { title: "Address", class: "mono", sort: (one) => one.addr },
    { title: "Name", sort: (one) => one.name },
    { title: "User", sort: (one) => one.user },
    { title: "Last command", class: "mono", sort: (one) => one.cmd },
    { title: "Age", number: true, sort: (one) => Number(one.age), cell: (one) => duration(Number(one.age)) },
    { title: "Idle", number: true, sort: (one) => Number(one.idle), cell: (one) => duration(Number(one.idle)) },
    { title: "Db", number: true, sort: (one) => Number(one.db) },
    { title: "Memory", number: true, sort: (one) => Number(one["tot-mem"]), cell: (one) => bytes(Number(one["tot-mem"])) },
  ], rows);
  view.append(h("div", { class: "toolbar" }, h("label", {}, onlyWaiting, " only those that wait"),
    h("button", { type: "button", class: "quiet", onclick: doing(load) }, "Refresh")), place);
  load().catch(complain);
  return () => { isOver = true; clearTimeout(timer); };
}

export function slowlog(view) {
  const place = h("div");
  async function load() {
    const entries = await call(["SLOWLOG", "GET", 128]);
    place.replaceChildren(entries.length ? sortedTable(`${many(entries.length, "command")}, without the time that they waited`, [
      { title: "When", sort: (one) => one[0], cell: (one) => `${new Date(one[1] * 1000).toLocaleDateString()} ${clock(one[1])}` },
      { title: "Took", number: true, sort: (one) => one[2], cell: (one) => duration(one[2] / 1e6) },
      { title: "Command", class: "value", sort: (one) => shown(one[3][0]), cell: (one) => one[3].map(shown).join(" ") },
      { title: "Client", class: "mono", sort: (one) => one[4] },
      { title: "Name", sort: (one) => shown(one[5]) },
    ], entries, { column: 0, down: true }) : h("p", {}, "No command has been slow (slowlog-log-slower-than)."));
  }
  view.append(h("div", { class: "toolbar" }, h("button", { type: "button", class: "quiet", onclick: doing(load) }, "Refresh")), place);
  load().catch(complain);
}

export function commands(view) {
  const place = h("div");
  async function load() {
    const lines = infoLines(await call(["INFO", "commandstats", "latencystats"]));
    const latency = new Map(lines.filter(([name]) => name.startsWith("latency_"))
      .map(([name, text]) => [name.replace("latency_percentiles_usec_", ""), Object.entries(pairs(text))]));
    const rows = lines.filter(([name]) => name.startsWith("cmdstat_"))
      .map(([name, text]) => ({ name: name.slice("cmdstat_".length), ...pairs(text) }));
    const number = (title, name, show = count) => ({ title, number: true, sort: (one) => Number(one[name]), cell: (one) => show(Number(one[name])) });
    const micro = (value) => duration(value / 1e6);
    const percentiles = [...new Set([...latency.values()].flatMap((one) => one.map(([p]) => p)))];
    place.replaceChildren(sortedTable(`${many(rows.length, "command")}, since the start or CONFIG RESETSTAT`, [
      { title: "Command", class: "mono", sort: (one) => one.name, cell: (one) => one.name.replace("|", " ") },
      number("Calls", "calls"),
      number("Time in all", "usec", micro),
      number("Mean", "usec_per_call", micro),
      ...percentiles.map((p) => {
        const value = (one) => Number(Object.fromEntries(latency.get(one.name) ?? [])[p] ?? -1);
        return { title: p, number: true, sort: value, cell: (one) => (value(one) < 0 ? "–" : micro(value(one))) };
      }),
      number("Refused", "rejected_calls"),
      number("Failed", "failed_calls"),
    ], rows, { column: 2, down: true }));
  }
  view.append(h("div", { class: "toolbar" }, h("button", { type: "button", class: "quiet", onclick: doing(load) }, "Refresh")), place);
  load().catch(complain);
}

export function configuration(view) {
  const filter = h("input", { type: "search", oninput: show, autocomplete: "off" });
  const onlyChanged = h("input", { type: "checkbox", onchange: show });
  const place = h("div");
  let directives = [];
  let mayChange = false;

  async function load() {
    const [explained, flat, [may]] = await Promise.all([reference(), call(["CONFIG", "GET", "*"]), allowed([["CONFIG", "SET", "hz", "10"]])]);
    const values = new Map(flat.filter((_, index) => index % 2 === 0).map((name, index) => [name, flat[2 * index + 1]]));
    directives = Object.entries(explained.directives).map(([name, one]) => ({ name, value: values.get(name) ?? "", ...one }));
    mayChange = may;
    show();
  }
  function show() {
    const wanted = filter.value.toLowerCase();
    const sections = new Map();
    for (const one of directives) {
      if (onlyChanged.checked && one.value === one.default) continue;
      if (!`${one.name} ${one.doc}`.toLowerCase().includes(wanted)) continue;
      sections.set(one.section, [...(sections.get(one.section) ?? []), one]);
    }
    place.replaceChildren(...[...sections].map(([title, found]) => h("section", { class: "card" }, h("h2", {}, title), found.map(directive))));
    if (!sections.size) place.replaceChildren(h("p", {}, "Nothing fits."));
  }
  function directive(one) {
    const input = h("input", { value: one.value, type: one.secret ? "password" : "text", "aria-label": one.name, autocomplete: "off",
      spellcheck: "false", disabled: one.immutable || !mayChange });
    const isChanged = one.value !== one.default ? " · changed" : "";
    return h("div", { class: "directive" }, h("h3", {}, one.name), h("p", {}, one.doc),
      h("p", { class: "soft" }, `Accepts ${one.accepts}. Default: ${one.default || "empty"}${one.immutable ? " · read at the start only" : ""}${isChanged}`),
      h("form", { onsubmit: doing(async () => {
        await call(["CONFIG", "SET", one.name, input.value]);
        const [, now] = await call(["CONFIG", "GET", one.name]);
        one.value = input.value = now;
        tell(`${one.name} is changed. CONFIG REWRITE keeps the change.`);
      }) }, input, one.immutable || !mayChange ? null : h("button", { type: "submit", class: "quiet", "aria-label": `Set ${one.name}` }, "Set")));
  }
  view.append(h("div", { class: "toolbar" }, h("label", { class: "grow" }, "Find ", filter), h("label", {}, onlyChanged, " only what differs from its default")), place);
  load().catch(complain);
}
