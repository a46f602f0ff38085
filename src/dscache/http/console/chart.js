// A chart: lines over time as SVG, with a cursor that follows the mouse or the arrow keys.

import { clock, h, svg } from "/page.js";

const HEIGHT = 190;
const LEFT = 62;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;
// Points further apart are not joined: the server did not run, or nobody looked.
const GAP_SECONDS = 20;

/** A round number, at least `value`, that three lines of the grid divide well. */
function ceiling(value, base) {
  if (value <= 0) return base === 1024 ? 1024 : 1;
  const unit = base === 1024 ? 1024 ** Math.floor(Math.log2(value) / 10) : 1;
  const power = 10 ** Math.floor(Math.log10(value / unit));
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((one) => one * power >= value / unit - 1e-9);
  return step * power * unit;
}

export class Chart {
  /** `series`: [{name, value: (point, before) => number or null, isBound}]; `format` shows a value. */
  constructor(title, series, format, { base = 10, maximum = null } = {}) {
    this.series = series;
    this.format = format;
    this.base = base;
    this.maximum = maximum;
    this.points = [];
    this.at = null;
    // It has its name before the first figures come, and if none ever do.
    this.plot = svg("svg", { role: "img", tabindex: "0", "aria-label": title });
    this.plot.addEventListener("pointermove", (event) => this.#point(event));
    this.plot.addEventListener("pointerleave", () => this.#moveTo(null));
    this.plot.addEventListener("keydown", (event) => this.#key(event));
    this.plot.addEventListener("blur", () => this.#moveTo(null));
    this.legend = h("ul", { class: "legend" });
    this.when = h("p", { class: "when" });
    this.width = 560;
    new ResizeObserver(() => {
      this.width = Math.max(this.plot.clientWidth, 200);
      if (this.values) this.#draw();
    }).observe(this.plot);
    this.title = title;
    this.element = h("section", { class: "card chart" }, h("h2", {}, title), this.plot, this.legend, this.when);
  }

  /** Show `points`, ascending in time, over the last `span` seconds. */
  show(points, span) {
    this.points = points;
    this.end = points.length ? points.at(-1).time : 0;
    this.start = this.end - span;
    this.values = this.series.map((one) => points.map((point, place) => {
      const value = one.value(point, points[place - 1] ?? point);
      return Number.isFinite(value) ? value : null;
    }));
    this.#draw();
  }

  #x(time) {
    return LEFT + ((time - this.start) / (this.end - this.start)) * (this.width - LEFT - RIGHT);
  }

  #draw() {
    const visible = this.points.map((point) => point.time >= this.start);
    const most = Math.max(0, ...this.values.flatMap((values) => values.filter((value, place) => value !== null && visible[place])));
    const top = this.maximum ?? ceiling(most, this.base);
    const y = (value) => TOP + (1 - Math.min(value / top, 1)) * (HEIGHT - TOP - BOTTOM);
    const parts = [];
    for (const part of [0, 0.5, 1]) {
      const height = y(part * top);
      parts.push(svg("line", { class: "grid", x1: LEFT, x2: this.width - RIGHT, y1: height, y2: height }));
      parts.push(svg("text", { x: LEFT - 6, y: height + 4, "text-anchor": "end" }, this.format(part * top)));
    }
    if (this.points.length) {
      for (const [part, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
        const time = this.start + part * (this.end - this.start);
        parts.push(svg("text", { x: this.#x(time), y: HEIGHT - 4, "text-anchor": anchor }, clock(time)));
      }
    }
    this.values.forEach((values, place) => {
      const joined = (index) => values[index - 1] !== null && visible[index - 1] && values[index] !== null
        && this.points[index].time - this.points[index - 1].time < GAP_SECONDS;
      let path = "";
      values.forEach((value, index) => {
        if (value === null || !visible[index]) return;
        const point = `${this.#x(this.points[index].time).toFixed(1)} ${y(value).toFixed(1)}`;
        const isAlone = !joined(index) && !(index + 1 < values.length && joined(index + 1));
        // A point alone is a dot.
        path += isAlone ? `M${point}m-1 0a1 1 0 1 0 2 0a1 1 0 1 0 -2 0` : `${joined(index) ? "L" : "M"}${point}`;
      });
      const bound = this.series[place].isBound ? " bound" : "";
      parts.push(svg("path", { class: `series-${place + 1}${bound}`, d: path || "M0 0" }));
    });
    this.cursor = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    this.plot.replaceChildren(...parts, this.cursor);
    this.#label();
  }

  #label() {
    const place = this.at ?? this.points.length - 1;
    const texts = this.series.map((one, index) => {
      const value = this.values[index][place];
      return `${one.name} ${value === null || value === undefined ? "–" : this.format(value)}`;
    });
    this.legend.replaceChildren(...texts.map((text, index) => h("li", {}, svg(
      "svg", { "aria-hidden": "true" },
      svg("line", { class: `series-${index + 1}`, x1: 0, x2: 16, y1: 5, y2: 5, "stroke-width": 3 }),
    ), ` ${text}`)));
    const time = this.points[place]?.time;
    this.when.textContent = this.at === null || time === undefined ? "" : `at ${clock(time)}`;
    this.plot.setAttribute("aria-label", `${this.title}${this.at === null ? ", now" : ` at ${clock(time)}`}: ${texts.join(", ")}`);
    const isShown = this.at !== null && time >= this.start;
    this.cursor.setAttribute("visibility", isShown ? "visible" : "hidden");
    if (isShown) for (const name of ["x1", "x2"]) this.cursor.setAttribute(name, this.#x(time));
  }

  #moveTo(place) {
    if (!this.points.length || !this.cursor) return;
    const first = this.points.findIndex((point) => point.time >= this.start);
    this.at = place === null ? null : Math.min(Math.max(place, first), this.points.length - 1);
    this.#label();
  }

  #point(event) {
    if (!this.points.length) return;
    const box = this.plot.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.width;
    const time = this.start + ((x - LEFT) / (this.width - LEFT - RIGHT)) * (this.end - this.start);
    const place = this.points.findIndex((point) => point.time >= time);
    this.#moveTo(place < 0 ? this.points.length - 1 : place);
  }

  #key(event) {
    const now = this.at ?? this.points.length - 1;
    const target = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: this.points.length - 1, Escape: null }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    this.#moveTo(target);
  }
}
