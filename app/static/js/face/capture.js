// The frames of one challenge, and the form in which they are sent.

import { fromBase64Url, sha256, toHex } from "../bytes.js";
import { CameraUnavailable } from "./camera.js";

export const FACE_MS = 90_000;  // uploads about 2 MB over a phone's uplink, then waits for the comparison
const ANNOUNCE_MS = 1300;  // to read an instruction and begin
const ACTION_MS = 2500;    // to do it
const BACK_MS = 800;       // to look straight again between two actions
// Every colour stays so long that the camera's exposure has settled; 1.4 changes a second is less than half of the
// three flashes that WCAG 2.3.1 allows.
const COLOUR_MS = 700;

/** Wait, unless the capture is interrupted. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const interrupted = () => { clearTimeout(timer); reject(new CameraUnavailable(signal.reason)); };
    const timer = setTimeout(() => { signal.removeEventListener("abort", interrupted); resolve(); }, milliseconds);
    if (signal.aborted) interrupted();
    else signal.addEventListener("abort", interrupted, { once: true });
  });
}

/**
 * Take the frames of a challenge: several while each action is performed; the first action is to look straight.
 * The first frame of every later action is taken with its instruction, before the face can have followed it: it is
 * what the movement is measured from, and a recording that moves already gives itself away. While the person watches
 * colours, one frame is taken at the end of each.
 * guide: {action(index, name), colour(value), back(), progress(fraction)} — what the person sees meanwhile.
 * Answers {meta, blobs}, ready for the upload.
 */
export async function capture(camera, challenge, guide) {
  const { actions, colours = [], frames_per_action: perAction } = challenge;
  const total = (actions.length - (colours.length ? 1 : 0)) * perAction + colours.length;
  const startedAt = performance.now();
  const blobs = [];
  const frames = [];
  const take = async (action, options) => {
    const { blob, at } = await camera.grab(options);
    frames.push({ action, at_ms: Math.round(at - startedAt) });
    blobs.push(blob);
    guide.progress(blobs.length / total);
  };
  const takeSpread = async (action, count, milliseconds) => {
    for (let taken = 0; taken < count; taken += 1) {
      await pause(milliseconds / count, camera.ended);
      await take(action);
    }
  };
  for (const [index, action] of actions.entries()) {
    if (index > 1) {
      guide.back();
      await pause(BACK_MS, camera.ended);
    }
    await camera.nextFrame();
    guide.action(index, action);
    if (action === "watch-colours") {
      for (const colour of colours) {
        guide.colour(colour);
        await pause(COLOUR_MS, camera.ended);
        await take(index);
      }
    } else if (index === 0) {
      await pause(ANNOUNCE_MS, camera.ended);
      await takeSpread(index, perAction, ACTION_MS);
    } else {
      await take(index, { now: true });
      await takeSpread(index, perAction - 1, ANNOUNCE_MS + ACTION_MS);
    }
  }
  return { meta: { nonce: challenge.nonce, chain: await chain(challenge.nonce, blobs), frames }, blobs };
}

/** The multipart form in which a capture is sent. */
export function formOf({ meta, blobs }) {
  const form = new FormData();
  form.append("meta", JSON.stringify(meta));
  blobs.forEach((blob, index) => form.append("frame", blob, `${index}.jpg`));
  return form;
}

/**
 * Hash chain over the frames in their order, begun with the nonce: chain_0 = SHA-256(nonce),
 * chain_i = SHA-256(chain_{i-1} || SHA-256(frame_i)). Frames of another moment or another document do not fit.
 */
export async function chain(nonce, blobs) {
  let link = await sha256(fromBase64Url(nonce));
  for (const blob of blobs) {
    const frame = await sha256(new Uint8Array(await blob.arrayBuffer()));
    link = await sha256(new Uint8Array([...link, ...frame]));
  }
  return toHex(link);
}
