// The key of one signature. It is made here, cannot be exported, signs twice and is gone:
// only the signer ever controls it (Electronic Signature Law of the PRC, Article 13).

import { Problem } from "../api.js";
import { toBase64 } from "../bytes.js";
import { MALFORMED_ATTRIBUTES } from "./texts.js";

const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" };  // WebCrypto answers r||s (IEEE P1363), 64 bytes
const DER_SET_OF = 0x31;

export function canMakeKeys() {
  return Boolean(window.isSecureContext && window.crypto?.subtle);
}

export class OneTimeKey {
  #privateKey;
  #publicKey;

  static async make() {
    const extractable = false;  // concerns the private key; a public key can always be exported
    const pair = await crypto.subtle.generateKey(CURVE, extractable, ["sign"]);
    const key = new OneTimeKey();
    key.#privateKey = pair.privateKey;
    key.#publicKey = pair.publicKey;
    return key;
  }

  /** SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), base64. */
  async spki() {
    return toBase64(new Uint8Array(await crypto.subtle.exportKey("spki", this.#publicKey)));
  }

  /** Proof of possession. A challenge that could pass for signed attributes would let the server sign in our name. */
  prove(challenge) {
    if (challenge.length > 64) throw new Problem(MALFORMED_ATTRIBUTES, { code: "challenge-too-long" });
    return this.#sign(challenge);
  }

  /** Sign CMS signed attributes: the DER of a SET OF Attribute (RFC 5652 §5.4), and nothing else. */
  signAttributes(attributes) {
    if (attributes[0] !== DER_SET_OF || attributes.length <= 64) throw new Problem(MALFORMED_ATTRIBUTES, { code: "not-signed-attributes" });
    return this.#sign(attributes);
  }

  drop() {
    this.#privateKey = null;
    this.#publicKey = null;
  }

  async #sign(bytes) {
    return toBase64(new Uint8Array(await crypto.subtle.sign(SIGNATURE, this.#privateKey, bytes)));
  }
}
