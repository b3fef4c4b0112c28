// Calls of a page to its own door: what they send, and how a refusal comes back. Every failure is a Problem.

export const OFFLINE = ["网络不通，请检查网络后再试一次。", "No connection. Check the network and try again."];
export const SLOW = ["等待时间过长，请再试一次。", "That took too long. Please try again."];
export const UNEXPECTED = ["出了点问题，请再试一次。", "Something went wrong. Please try again."];

const ORDINARY_MS = 30_000;

/** A refusal that a person can read: `zh` and `en` sentences, the `code` and `detail` of the RFC 9457 problem. */
export class Problem extends Error {
  constructor([zh, en], { status = 0, code = "", detail = "" } = {}) {
    super(en);
    this.name = "Problem";
    this.zh = zh;
    this.en = en;
    this.status = status;
    this.code = code;
    this.detail = detail;
  }
}

export class Api {
  constructor(base, csrfToken) {
    this.base = base;
    this.csrfToken = csrfToken;
  }

  async get(path) { return (await this.#send("GET", path)).json(); }
  async post(path, body) { return (await this.#send("POST", path, JSON.stringify(body))).json(); }
  async postForm(path, form, limit) { return (await this.#send("POST", path, form, limit)).json(); }
  async bytes(path) { return new Uint8Array(await (await this.#send("GET", path)).arrayBuffer()); }

  async #send(method, path, body, limit = ORDINARY_MS) {
    const headers = { Accept: "application/json, application/pdf", "X-CSRF-Token": this.csrfToken };
    if (typeof body === "string") headers["Content-Type"] = "application/json";
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), limit);
    let response;
    try {
      response = await fetch(this.base + path, {
        method, headers, body, signal: patience.signal, credentials: "same-origin", cache: "no-store",
        redirect: "error",  // nothing of a signing may wander to another address
      });
    } catch (cause) {
      throw new Problem(patience.signal.aborted ? SLOW : OFFLINE, { code: "network" });
    } finally {
      clearTimeout(timer);
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

async function problemOf(response) {
  const facts = { status: response.status };
  try {
    const document = await response.json();
    Object.assign(facts, { code: document.code, detail: document.detail ?? "" });
    const english = document.detail || document.title;
    return new Problem([document.zh || UNEXPECTED[0], english[0].toUpperCase() + english.slice(1)], facts);
  } catch {
    return new Problem(UNEXPECTED, facts);  // a proxy's page instead of a problem document
  }
}
