// The signing door as the page sees it. Every call answers with the new state or throws a Problem.
//
// state: {step, contract: {title, number, parties: [{name, role, state}], pages, document_sha256},
//         signer: {name_masked}, consent: {version, text_zh, text_en, sha256}, expires_at,
//         closed?: {reason_zh, reason_en}, verification_url?}

import { OFFLINE, SLOW, UNEXPECTED } from "./texts.js";

const ORDINARY_MS = 30_000;
const FACE_MS = 90_000;  // uploads about 2 MB over a phone's uplink, then waits for the comparison

/** A refusal that a person can read: `zh` and `en` sentences, and the `code` of the RFC 9457 problem. */
export class Problem extends Error {
  constructor([zh, en], { status = 0, code = "" } = {}) {
    super(en);
    this.name = "Problem";
    this.zh = zh;
    this.en = en;
    this.status = status;
    this.code = code;
  }
}

export class SigningApi {
  constructor(base, csrfToken) {
    this.base = base;
    this.csrfToken = csrfToken;
  }

  state() { return this.#json("GET", "/state"); }
  identify(identity_last6) { return this.#post("/identify", { identity_last6 }); }
  read(document_sha256) { return this.#post("/read", { document_sha256 }); }
  consent(consent_sha256, document_sha256) {
    return this.#post("/consent", { consent_sha256, document_sha256, agree: true, face_information: true });
  }
  faceChallenge(face_wording_sha256) {
    return this.#post("/face/challenge", { face_wording_sha256, decision: "agree" });
  }
  face({ meta, blobs }) {
    const form = new FormData();
    form.append("meta", JSON.stringify(meta));
    blobs.forEach((blob, index) => form.append("frame", blob, `${index}.jpg`));
    return this.#json("POST", "/face", form, FACE_MS);
  }
  keyChallenge() { return this.#post("/key/challenge", {}); }
  key(spki, proof) { return this.#post("/key", { spki, proof }); }
  signature(signature_id, signature) { return this.#post("/signature", { signature_id, signature }); }
  decline(reason) { return this.#post("/decline", { reason }); }

  async document() { return this.#bytes("/document.pdf"); }
  async signedDocument() { return this.#bytes("/signed.pdf"); }
  pageAddress(number) { return `${this.base}/pages/${number}.png`; }

  #post(path, body) { return this.#json("POST", path, JSON.stringify(body)); }

  async #json(method, path, body, limit) {
    const response = await this.#send(method, path, body, limit);
    return response.json();
  }

  async #bytes(path) {
    const response = await this.#send("GET", path);
    return new Uint8Array(await response.arrayBuffer());
  }

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
    facts.code = document.code;
    const english = document.detail || document.title;
    return new Problem([document.zh || UNEXPECTED[0], english[0].toUpperCase() + english.slice(1)], facts);
  } catch {
    return new Problem(UNEXPECTED, facts);  // a proxy's page instead of a problem document
  }
}
