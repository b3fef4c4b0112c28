// The signing door as the page sees it. Every call answers with the new state or throws a Problem.
//
// state: {step, contract: {title, number, parties: [{name, role, state}], pages, document_sha256},
//         signer: {name_masked}, consent and face_consent: {version, text_zh, text_en, sha256}, expires_at,
//         closed?: {reason_zh, reason_en}, verification_url?}

import { Api } from "../api.js";
import { FACE_MS, formOf } from "../face/capture.js";

export class SigningApi extends Api {
  state() { return this.get("/state"); }
  identify(identity_last6) { return this.post("/identify", { identity_last6 }); }
  read(document_sha256) { return this.post("/read", { document_sha256 }); }
  consent(consent_sha256, document_sha256) {
    return this.post("/consent", { consent_sha256, document_sha256, agree: true });
  }
  faceChallenge(face_wording_sha256) { return this.post("/face/challenge", { face_wording_sha256, decision: "agree" }); }
  face(taken) { return this.postForm("/face", formOf(taken), FACE_MS); }
  keyChallenge() { return this.post("/key/challenge", {}); }
  key(spki, proof) { return this.post("/key", { spki, proof }); }
  signature(signature_id, signature) { return this.post("/signature", { signature_id, signature }); }
  decline(reason) { return this.post("/decline", { reason }); }

  document() { return this.bytes("/document.pdf"); }
  signedDocument() { return this.bytes("/signed.pdf"); }
  pageAddress(number) { return `${this.base}/pages/${number}.png`; }
}
