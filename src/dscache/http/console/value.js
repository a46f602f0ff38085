// One key: what it is, its value page by page, and what the user may do with it.

import { allowed, call, callAll } from "/api.js";
import { bytes, complain, confirmed, count, doing, duration, h, many, piece, shown, tell } from "/page.js";

const PAGE = 50;
const PAGE_BYTES = 4096;
const MOST_EDITED_BYTES = 64 * 1024;

const paired = (flat) => flat.filter((_, place) => place % 2 === 0).map((one, place) => [one, flat[2 * place + 1]]);

// For each type of members: its columns, its size, a page (of `from`: {rows, next}), and commands that change it.
const KINDS = {
  list: {
    columns: ["Index", "Element"],
    size: (key) => ["LLEN", key],
    async page(key, db, from = 0) {
      const items = await call(["LRANGE", key, from, from + PAGE - 1], db);
      return { rows: items.map((item, place) => [from + place, item]), next: items.length === PAGE ? from + PAGE : null };
    },
    fields: ["Element"],
    add: (key, [element]) => ["RPUSH", key, element],
    set: (key, [index], element) => ["LSET", key, index, element],
  },
  set: {
    columns: ["Member"],
    size: (key) => ["SCARD", key],
    page: (key, db, from) => scanned(["SSCAN", key], db, from, (items) => items.map((item) => [item])),
    fields: ["Member"],
    add: (key, [member]) => ["SADD", key, member],
    remove: (key, [member]) => ["SREM", key, member],
  },
  zset: {
    columns: ["Member", "Score"],
    size: (key) => ["ZCARD", key],
    async page(key, db, from = 0) {
      const items = paired(await call(["ZRANGE", key, from, from + PAGE - 1, "WITHSCORES"], db));
      return { rows: items, next: items.length === PAGE ? from + PAGE : null };
    },
    fields: ["Member", "Score"],
    add: (key, [member, score]) => ["ZADD", key, score, member],
    set: (key, [member], score) => ["ZADD", key, score, member],
    remove: (key, [member]) => ["ZREM", key, member],
  },
  hash: {
    columns: ["Field", "Value"],
    size: (key) => ["HLEN", key],
    page: (key, db, from) => scanned(["HSCAN", key], db, from, paired),
    fields: ["Field", "Value"],
    add: (key, [field, value]) => ["HSET", key, field, value],
    set: (key, [field], value) => ["HSET", key, field, value],
    remove: (key, [field]) => ["HDEL", key, field],
  },
  stream: {
    columns: ["ID", "Fields"],
    size: (key) => ["XLEN", key],
    async page(key, db, from = "-") {
      const items = await call(["XRANGE", key, from, "+", "COUNT", PAGE], db);
      const rows = items.map(([id, fields]) => [id, paired(fields).map((pair) => pair.map(shown).join(" = ")).join("\n")]);
      return { rows, next: items.length === PAGE ? `(${items.at(-1)[0]}` : null };
    },
    fields: ["Field", "Value"],
    add: (key, [field, value]) => ["XADD", key, "*", field, value],
    remove: (key, [id]) => ["XDEL", key, id],
  },
};

async function scanned(words, db, from = "0", split) {
  const [cursor, items] = await call([...words, from, "COUNT", PAGE], db);
  return { rows: split(items), next: cursor === "0" ? null : cursor };
}

/** Show `key` in `panel`. `changed` is called after each change, `close` when the user is done. */
export async function keyPanel(panel, key, db, { changed, close }) {
  const type = await call(["TYPE", key], db);
  if (type === "none") {
    // If it was shown, its last item has just been removed, which has been told.
    if (!panel.hasChildNodes()) tell("The key does not exist any more.");
    await changed();
    close();
    return;
  }
  const kind = KINDS[type];
  const sample = Array(2).fill("0");
  const asked = {
    del: ["DEL", key],
    expire: ["EXPIRE", key, 1],
    preload: ["CACHE", "PRELOAD", key],
    evict: ["CACHE", "EVICT", key],
    add: kind ? kind.add(key, sample) : ["SET", key, ""],
    set: kind?.set?.(key, sample, "0") ?? ["SET", key, ""],
    remove: kind?.remove?.(key, sample) ?? ["DEL", key],
  };
  const rights = await allowed(Object.values(asked));
  const may = Object.fromEntries(Object.keys(asked).map((name, place) => [name, rights[place]]));
  const [ttl, size, encoding] = await callAll([
    ["PTTL", key], kind ? kind.size(key) : ["STRLEN", key], ["OBJECT", "ENCODING", key],
  ], db);

  const again = async () => {
    await changed();
    await keyPanel(panel, key, db, { changed, close });
  };
  const change = (args, text) => async () => {
    await call(args, db);
    tell(text);
    await again();
  };
  const button = (name, text, action, style = "quiet") => (may[name]
    ? h("button", { type: "button", class: style, onclick: doing(action) }, text) : null);

  const facts = [
    type,
    encoding.reply ? `as ${encoding.reply}` : null,
    size.reply === undefined ? null : kind ? many(size.reply, "item") : bytes(size.reply),
    ttl.reply === undefined ? null : ttl.reply < 0 ? "no due time" : `due in ${duration(ttl.reply / 1000)}`,
  ];
  panel.replaceChildren(h("section", { class: "card", "aria-label": `Key ${shown(key)}` },
    h("h2", { class: "mono", tabindex: -1 }, shown(key)),
    h("p", { class: "soft" }, facts.filter(Boolean).join(" · ")),
    h("div", { class: "toolbar" },
      button("preload", "Preload", change(["CACHE", "PRELOAD", key], "It is in memory.")),
      button("evict", "Evict", async () => {
        const gone = await call(["CACHE", "EVICT", key], db);
        tell(gone ? "It is on disk only." : "It stays in memory for now: changes of it are not on disk yet, or somebody waits for it.");
        await changed();
      }),
      button("del", "Delete", async () => {
        if (!(await confirmed(`Delete ${shown(key)}?`, "Delete"))) return;
        await call(["DEL", key], db);
        tell("It is deleted.");
        await changed();
        close();
      }, "danger"),
      h("button", { type: "button", class: "quiet", onclick: close }, "Close"),
    ),
    may.expire ? dueForm() : null,
    kind ? await members() : await text(),
  ));

  function dueForm() {
    const seconds = h("input", { type: "number", min: 1, required: true, size: 8 });
    return h("form", { class: "toolbar", onsubmit: doing(() => change(["EXPIRE", key, Number(seconds.value)], "It has a new due time.")()) },
      h("label", {}, "Due in ", seconds, " seconds"), h("button", { type: "submit", class: "quiet" }, "Set"),
      ttl.reply >= 0 ? h("button", { type: "button", class: "quiet", onclick: doing(change(["PERSIST", key], "It has no due time.")) }, "Remove") : null);
  }

  async function text() {
    const length = size.reply ?? 0;
    const box = h("div", { class: "value value-text", tabindex: 0, role: "region", "aria-label": "Value" });
    const place = h("span", { class: "soft" });
    let from = 0;
    const back = h("button", { type: "button", class: "quiet", onclick: doing(() => go(-PAGE_BYTES)) }, "Back");
    const next = h("button", { type: "button", class: "quiet", onclick: doing(() => go(PAGE_BYTES)) }, "Next");
    async function go(by) {
      from += by;
      box.textContent = piece(await call(["GETRANGE", key, from, from + PAGE_BYTES + 2], db), PAGE_BYTES, from === 0);
      back.disabled = from === 0;
      next.disabled = from + PAGE_BYTES >= length;
      place.textContent = `bytes ${count(from)} to ${count(Math.min(from + PAGE_BYTES, length))} of ${count(length)}`;
    }
    await go(0);
    const edit = may.set && length <= MOST_EDITED_BYTES
      ? h("button", { type: "button", class: "quiet", onclick: doing(editText) }, "Edit") : null;
    const whole = h("div", {}, box, h("div", { class: "toolbar" }, length > PAGE_BYTES ? [back, next] : null, place, edit));
    return whole;

    async function editText() {
      const value = await call(["GET", key], db);
      if (typeof value !== "string") {
        complain(new Error("It is not text, and cannot be edited here."));
        return;
      }
      if (value.includes("\r")) {
        complain(new Error("It has carriage returns, which a browser's text field drops: it cannot be edited here."));
        return;
      }
      const area = h("textarea", { "aria-label": "New value", spellcheck: "false", value });
      whole.replaceChildren(h("form", { onsubmit: doing(() => change(["SET", key, area.value, "KEEPTTL"], "It is saved.")()) },
        area, h("p", { class: "actions" }, h("button", { type: "button", class: "quiet", onclick: doing(again) }, "Cancel"), h("button", { type: "submit" }, "Save"))));
      area.focus();
    }
  }

  async function members() {
    const rows = h("tbody");
    const place = h("span", { class: "soft" });
    // Where each page that was shown began: the way back.
    const begins = [undefined];
    let next = null;
    const backButton = h("button", { type: "button", class: "quiet", onclick: doing(() => (begins.pop(), go())) }, "Back");
    const nextButton = h("button", { type: "button", class: "quiet", onclick: doing(() => (begins.push(next), go())) }, "Next");
    async function go() {
      const page = await kind.page(key, db, begins.at(-1));
      next = page.next;
      rows.replaceChildren(...page.rows.map(row));
      backButton.disabled = begins.length === 1;
      nextButton.disabled = next === null;
      place.textContent = `page ${begins.length}, ${many(page.rows.length, "item")}`;
    }
    function row(cells) {
      const last = cells.length - 1;
      const value = cells[last];
      // An input field would drop line breaks.
      const isEditable = may.set && kind.set && typeof value === "string" && value.length <= MOST_EDITED_BYTES && !/[\r\n]/.test(value);
      const made = h("tr", {}, cells.map((cell) => h("td", { class: "value" }, shown(cell))), h("td", { class: "number" },
        isEditable ? h("button", { type: "button", class: "quiet", "aria-label": `Edit ${shown(cells[0])}`, onclick: edit }, "Edit") : null, " ",
        may.remove && kind.remove ? h("button", {
          type: "button", class: "danger", "aria-label": `Remove ${shown(cells[0])}`, onclick: doing(async () => {
            if (await confirmed(`Remove ${shown(cells[0])}?`, "Remove")) await change(kind.remove(key, cells), "It is removed.")();
          }),
        }, "Remove") : null));
      function edit() {
        const input = h("input", { value, "aria-label": `New value of ${shown(cells[0])}` });
        made.children[last].replaceChildren(h("form", { class: "toolbar", onsubmit: doing(() => change(kind.set(key, cells, input.value), "It is saved.")()) },
          input, h("button", { type: "submit" }, "Save"), h("button", { type: "button", class: "quiet", onclick: () => made.replaceWith(row(cells)) }, "Cancel")));
        input.focus();
      }
      return made;
    }
    await go();
    const inputs = kind.fields.map((name) => h("input", { size: 14, "aria-label": name, placeholder: name }));
    const add = may.add ? h("form", { class: "toolbar", onsubmit: doing(() => change(kind.add(key, inputs.map((one) => one.value)), "It is added.")()) },
      inputs, h("button", { type: "submit", class: "quiet" }, "Add")) : null;
    return h("div", {},
      h("div", { class: "scroll items", tabindex: 0, role: "region", "aria-label": "Items" }, h("table", {}, h("thead", {}, h("tr", {},
        kind.columns.map((title) => h("th", { scope: "col" }, title)), h("th", { scope: "col", class: "number" }, "Actions"))), rows)),
      h("div", { class: "toolbar" }, backButton, nextButton, place), add);
  }
}
