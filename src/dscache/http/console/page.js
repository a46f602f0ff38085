// Elements, texts and numbers: what all sections are made of.

/** An element. Properties are attributes; on... are listeners; null and false are left out. */
export function h(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value") made.value = value;
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** An element of SVG. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const counts = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const large = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => counts.format(value);
export const many = (value, what) => `${counts.format(value)} ${what}${value === 1 ? "" : "s"}`;
export const short = (value) => (Math.abs(value) < 10000 ? counts.format(value) : large.format(value));
export const percent = (value) => `${(value * 100).toFixed(value > 0.999 || value < 0.1 ? 2 : 1)} %`;

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let place = 0;
  while (Math.abs(value) >= 1024 && place < units.length - 1) {
    value /= 1024;
    place += 1;
  }
  return `${place && Math.abs(value) < 100 ? value.toFixed(1) : Math.round(value)} ${units[place]}`;
}

export function duration(seconds) {
  if (seconds === 0) return "0 s";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${(seconds * 1000).toFixed(seconds < 0.01 ? 2 : 1)} ms`;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
}

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();

/** A string of the server as people read it: bytes that are no text as \xNN. */
export function shown(value) {
  if (value === null) return "(nil)";
  if (typeof value !== "object") return String(value);
  if (value.base64 === undefined) return value.error ?? JSON.stringify(value);
  return escaped(bytesOf(value));
}

const bytesOf = (value) => (typeof value === "string"
  ? new TextEncoder().encode(value) : Uint8Array.from(atob(value.base64), (one) => one.charCodeAt(0)));

const escaped = (data) => Array.from(data, (one) => (
  one >= 0x20 && one <= 0x7e ? String.fromCharCode(one) : `\\x${one.toString(16).padStart(2, "0")}`
)).join("");

/** `size` bytes of a longer string, as people read them. A character of UTF-8 that an edge cuts in two belongs to the
 * piece where it begins: so `value` has 3 bytes more, if there are, and `isFirst` says that it begins with a whole one. */
export function piece(value, size, isFirst) {
  const data = bytesOf(value);
  const continues = (place) => place < data.length && data[place] >> 6 === 0b10;
  let begin = 0;
  let end = Math.min(size, data.length);
  while (!isFirst && begin < 3 && continues(begin)) begin += 1;
  while (end < size + 3 && continues(end)) end += 1;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data.subarray(begin, end));
  } catch {
    return escaped(data.subarray(0, size));
  }
}

/** The lines "name:value" of INFO. */
export function infoLines(text) {
  return text.split("\r\n").filter((line) => line.includes(":")).map((line) => {
    const place = line.indexOf(":");
    return [line.slice(0, place), line.slice(place + 1)];
  });
}

/** "a=1,b=2" as an object. */
export const pairs = (text) => Object.fromEntries(text.split(",").map((one) => one.split("=")));

let fading;
function say(id, text) {
  clearTimeout(fading);
  for (const one of ["status", "alert"]) document.getElementById(one).textContent = one === id ? text : "";
  fading = setTimeout(() => say("status", ""), id === "alert" ? 12000 : 5000);
}
export const tell = (text) => say("status", text);
export const complain = (error) => {
  if (error.status !== 401) say("alert", error.message);
};

/** What a button does: while it runs the button is disabled, and what goes wrong is told. */
export function doing(action) {
  return async (event) => {
    event.preventDefault();
    const button = event.submitter ?? event.currentTarget;
    button.disabled = true;
    try {
      await action(event);
    } catch (error) {
      complain(error);
    } finally {
      button.disabled = false;
    }
  };
}

/** Ask before something is done; whether to do it. */
export function confirmed(text, yes) {
  const dialog = document.getElementById("question");
  document.getElementById("question-text").textContent = text;
  document.getElementById("question-yes").textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** A table that its headings sort. Columns: {title, number, sort: row => value, cell: row => node}. */
export function sortedTable(caption, columns, rows, initial) {
  let order = initial ?? { column: 0, down: false };
  const body = h("tbody");
  const headings = columns.map((column, place) => h(
    "th",
    { scope: "col", class: column.number ? "number" : null },
    h("button", { type: "button", onclick: () => sort(place) }, column.title),
  ));
  function sort(place) {
    order = { column: place, down: order.column === place ? !order.down : Boolean(columns[place].number) };
    fill();
  }
  function fill() {
    headings.forEach((heading, place) => {
      heading.setAttribute("aria-sort", place !== order.column ? "none" : order.down ? "descending" : "ascending");
      heading.firstChild.textContent = columns[place].title + (place !== order.column ? "" : order.down ? " ▾" : " ▴");
    });
    const by = columns[order.column].sort;
    const sign = order.down ? -1 : 1;
    const sorted = [...rows].sort((one, other) => (by(one) < by(other) ? -sign : by(one) > by(other) ? sign : 0));
    body.replaceChildren(...sorted.map((row) => h("tr", {}, columns.map((column) => h(
      "td",
      { class: column.number ? "number" : column.class ?? null },
      column.cell ? column.cell(row) : String(column.sort(row)),
    )))));
  }
  fill();
  return h("div", { class: "card scroll", tabindex: 0, role: "region", "aria-label": caption }, h(
    "table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, headings)), body,
  ));
}
