// The console: which section is shown, and who is using it.

import { logIn, logOut, whoAmI } from "/api.js";
import { keys } from "/keys.js";
import { overview } from "/overview.js";
import { complain, doing, h } from "/page.js";
import { clients, commands, configuration, slowlog } from "/tables.js";

// A section fills its view; what it returns, if anything, is called when it is left.
const SECTIONS = {
  overview: ["Overview", overview],
  keys: ["Keys", keys],
  clients: ["Clients", clients],
  slowlog: ["Slow log", slowlog],
  commands: ["Commands", commands],
  configuration: ["Configuration", configuration],
};

const byId = (id) => document.getElementById(id);
let leave = () => {};
let session = null;

function show({ focus }) {
  const name = location.hash.slice(1) in SECTIONS ? location.hash.slice(1) : "overview";
  const [title, fill] = SECTIONS[name];
  leave();
  leave = () => {};
  const heading = h("h1", { tabindex: -1 }, title);
  const view = h("div");
  byId("main").replaceChildren(heading, view);
  document.title = `${title} – dscache`;
  for (const link of byId("sections").querySelectorAll("a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (session) leave = fill(view, session) ?? leave;
  if (focus) heading.focus();
}

async function begin() {
  session = null;
  try {
    session = await whoAmI();
    byId("version").textContent = session.version;
    byId("user").textContent = `as ${session.user}`;
  } catch (error) {
    byId("user").textContent = "";
    complain(error);
  }
  byId("log-out").hidden = !session?.is_login;
  byId("log-in").hidden = Boolean(session?.is_login);
  show({ focus: false });
}

function askLogin() {
  if (byId("login").open) return;
  byId("login-error").textContent = "";
  byId("login").showModal();
  byId("login-user").select();
}

byId("sections").append(...Object.entries(SECTIONS).map(([name, [title]]) => h("li", {}, h("a", { href: `#${name}` }, title))));
byId("log-in").addEventListener("click", askLogin);
byId("login-cancel").addEventListener("click", () => byId("login").close());
byId("log-out").addEventListener("click", doing(async () => {
  await logOut();
  await begin();
}));
byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await logIn(byId("login-user").value, byId("login-password").value);
    byId("login-password").value = "";
    byId("login").close();
    await begin();
  } catch (error) {
    byId("login-error").textContent = error.message;
  }
});
addEventListener("needs-login", () => {
  leave();
  leave = () => {};
  askLogin();
});
addEventListener("hashchange", (event) => {
  if (location.hash === "#main") return;
  show({ focus: Boolean(event) });
});
begin();
