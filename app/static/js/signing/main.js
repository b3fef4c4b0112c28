// The signing page, from top to bottom as the person meets it. The server decides every step; this page only shows
// the step of the last state and sends the act that belongs to it.

import { Problem } from "../api.js";
import { sha256, toHex } from "../bytes.js";
import { FaceCheck } from "../face/check.js";
import { byId, say } from "../ui.js";
import { SigningApi } from "./api.js";
import { clearProblem, showMatter, showProblem, showStep, whileBusy } from "./frame.js";
import { canMakeKeys } from "./keys.js";
import { Reader } from "./read.js";
import { sign } from "./sign.js";
import { UNSUITABLE_BROWSER } from "./texts.js";

const page = byId("signing");
const api = new SigningApi(page.dataset.base, document.querySelector('meta[name="csrf-token"]').content);
const reader = new Reader(api);
const faceCheck = new FaceCheck(api);
let state = JSON.parse(byId("state").textContent);

function show(next, options) {
  state = next;
  showMatter(state);
  prepare[state.step]?.();
  showStep(state.step, options);
}

/** What a step needs on the screen before it is shown. */
const prepare = {
  identify: () => { byId("signer-name").textContent = state.signer.name_masked; },
  read: () => reader.show(state.contract.pages),
  consent: () => {
    byId("consent-zh").textContent = state.consent.text_zh;
    byId("consent-en").textContent = state.consent.text_en;
    byId("consent-version").textContent = state.consent.version;
  },
  face: () => faceCheck.prepare(state.face_consent),
  sign: () => climb(""),
  done: () => {
    if (state.verification_url) byId("verify").href = state.verification_url;
    showFingerprint().catch(showProblem);
  },
  closed: () => { if (state.closed) say(byId("closed-reason"), [state.closed.reason_zh, state.closed.reason_en]); },
};

/** Do the act of a step and show what comes next. A refusal is told; a conflict also shows where the server stands. */
async function act(button, doIt) {
  await whileBusy(button, async () => {
    try {
      show(await doIt());
    } catch (error) {
      if ([409, 410].includes(error.status)) await catchUp();
      showProblem(error);
    }
  });
}

async function catchUp() {
  try {
    show(await api.state());
  } catch {
    // The first problem says more than this one would.
  }
}

// 1 Identify
byId("identify-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = byId("identity");
  const wrong = !input.validity.valid;
  byId("identity-error").hidden = !wrong;
  input.setAttribute("aria-invalid", String(wrong));
  if (wrong) return input.focus();
  act(event.submitter ?? event.target.querySelector("button"), async () => {
    const next = await api.identify(input.value.toUpperCase());
    input.value = "";
    return next;
  });
});

// 2 Read
byId("read-button").addEventListener("click", (event) => {
  if (event.currentTarget.getAttribute("aria-disabled")) return;
  if (!reader.finished) return reader.advance();
  act(event.currentTarget, async () => api.read(await reader.verify(state.contract.document_sha256)));
});

// 3 Consent
const consentForm = byId("consent-form");
consentForm.addEventListener("change", () => { byId("consent-button").disabled = !consentForm.checkValidity(); });
consentForm.addEventListener("submit", (event) => {
  event.preventDefault();
  act(byId("consent-button"), () => api.consent(state.consent.sha256, state.contract.document_sha256));
});

// 4 Face
byId("face-start").addEventListener("click", (event) => act(event.currentTarget, () => faceCheck.run()));

// 5 Sign
byId("sign-button").addEventListener("click", (event) => {
  act(event.currentTarget, async () => {
    try {
      return await sign(api, climb);
    } catch (error) {
      climb("");
      throw error;
    }
  });
});

function climb(rung) {
  const rungs = [...document.querySelectorAll("#ladder [data-rung]")];
  const current = rungs.findIndex((item) => item.dataset.rung === rung);
  rungs.forEach((item, index) => { item.className = index < current ? "past" : index === current ? "now" : ""; });
}

// 6 Done
/** The fingerprint is computed here from the bytes received, so that it says something about them. */
async function showFingerprint() {
  const digest = toHex(await sha256(await api.signedDocument()));
  byId("fingerprint-value").textContent = digest.match(/.{8}/g).join(" ");
  const copy = byId("fingerprint-copy");
  copy.dataset.copy = digest;
  copy.hidden = !navigator.clipboard;
  byId("fingerprint").hidden = false;
}

// Decline, possible at every step
const decline = byId("decline");
byId("decline-open").addEventListener("click", () => { clearProblem(); decline.showModal(); });
byId("decline-cancel").addEventListener("click", () => decline.close());
byId("decline-form").addEventListener("submit", (event) => {
  event.preventDefault();
  act(byId("decline-confirm"), () => api.decline(byId("decline-reason").value.trim()).finally(() => decline.close()));
});

page.hidden = false;
show(state, { focus: false });
if (!canMakeKeys()) showProblem(new Problem(UNSUITABLE_BROWSER, { code: "no-webcrypto" }));
