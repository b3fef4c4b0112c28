// Step 5. One key, one certificate, one signature, in this order; a failure on the way begins again with a new key.

import { fromBase64, fromBase64Url } from "../bytes.js";
import { OneTimeKey } from "./keys.js";

/** Sign the contract; `climb(rung)` tells the page which rung of the ladder is reached. Answers the new state. */
export async function sign(api, climb) {
  climb("key");
  const key = await OneTimeKey.make();
  try {
    const { challenge } = await api.keyChallenge();
    const proof = await key.prove(fromBase64Url(challenge));

    climb("certificate");
    let pending = await api.key(await key.spki(), proof);

    climb("signature");
    for (;;) {
      const signature = await key.signAttributes(fromBase64(pending.signed_attributes));
      const state = await api.signature(pending.signature_id, signature);
      if (!state.again) {
        key.drop();
        climb("drop");
        return state;
      }
      pending = state.again;  // another party signed in between: the same signature upon the newer revision
    }
  } finally {
    key.drop();
  }
}
