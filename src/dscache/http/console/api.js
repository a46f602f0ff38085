// What the console asks of the server. Words and strings are JavaScript strings, or {base64} if they are not UTF-8.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function request(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Dscache": "1" },
    body: JSON.stringify(body),
  };
  let response;
  let answer;
  try {
    response = await fetch(path, { ...options, cache: "no-store" });
    answer = await response.json();
  } catch {
    // Also if it ended in the middle of its answer, or something else answers in its place.
    throw new ApiError(0, "The server does not answer.");
  }
  if (!response.ok) {
    if (response.status === 401 && path !== "/api/login") dispatchEvent(new Event("needs-login"));
    throw new ApiError(response.status, answer.error);
  }
  return answer;
}

export const logIn = (user, password) => request("/api/login", { user, password });
export const logOut = () => request("/api/logout", {});
export const whoAmI = () => request("/api/session");
export const figures = (names = []) => request(`/api/figures?history=${names.join(",")}`);

let explained;
export const reference = () => (explained ??= request("/api/reference"));

/** The reply to one command; throws its error. */
export async function call(args, db = 0) {
  const answer = await request("/api/command", { args, db });
  if (answer.error !== undefined) throw new ApiError(200, answer.error);
  return answer.reply;
}

/** Several commands in one request: {reply} or {error} for each. */
export async function callAll(batch, db = 0) {
  return batch.length ? (await request("/api/command", { batch, db })).replies : [];
}

/** For each command, whether the user might call it. */
export async function allowed(batch) {
  return (await request("/api/allowed", { batch })).allowed;
}
