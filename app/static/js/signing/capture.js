// The camera and the frames of one liveness challenge.

import { fromBase64Url, sha256, toHex } from "./bytes.js";

const LONGEST_SIDE = 640;  // pixels; enough for the comparison, small enough for a phone's uplink
const JPEG_QUALITY = 0.85;
const ANNOUNCE_MS = 1300;  // to read an instruction and begin
const ACTION_MS = 2500;    // to do it
const BACK_MS = 1000;      // to look straight again between two actions

export class CameraUnavailable extends Error {
  /** reason: refused | missing | busy | unsupported | interrupted (keys of CAMERA_PROBLEMS) */
  constructor(reason) {
    super(reason);
    this.name = "CameraUnavailable";
    this.reason = reason;
  }
}

const REASONS = {
  NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "missing",
  OverconstrainedError: "missing", NotReadableError: "busy", AbortError: "busy",
};

export class Camera {
  #stream;
  #video;
  #canvas = document.createElement("canvas");
  #ended = new AbortController();

  static async open(video) {
    if (!navigator.mediaDevices?.getUserMedia) throw new CameraUnavailable("unsupported");
    const camera = new Camera();
    try {
      camera.#stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { facingMode: "user", width: { ideal: 640 }, height: { ideal: 480 } },
      });
    } catch (cause) {
      throw new CameraUnavailable(REASONS[cause.name] ?? "unsupported");
    }
    camera.#video = video;
    camera.#watch();
    video.srcObject = camera.#stream;
    await video.play();
    const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
    camera.#canvas.width = Math.round(video.videoWidth * scale);
    camera.#canvas.height = Math.round(video.videoHeight * scale);
    return camera;
  }

  /** Aborted when the track ends or the page leaves the foreground: frames taken then would prove nothing. */
  get ended() { return this.#ended.signal; }

  /** One frame as JPEG, not mirrored. The canvas writes no EXIF, so nothing but the picture leaves the phone. */
  grab() {
    this.#draw();
    return new Promise((resolve, reject) => {
      this.#canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new CameraUnavailable("busy"))), "image/jpeg", JPEG_QUALITY);
    });
  }

  /** Mean luma of the middle of the picture, 0 to 255. */
  brightness() {
    const context = this.#draw();
    const { width, height } = this.#canvas;
    const { data } = context.getImageData(width / 4, height / 4, width / 2, height / 2);
    let sum = 0;
    let count = 0;
    for (let i = 0; i < data.length; i += 64, count += 1) sum += 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
    return sum / count;
  }

  interrupt() { this.#ended.abort(); }

  close() {
    document.removeEventListener("visibilitychange", this.#onHidden);
    this.#stream.getTracks().forEach((track) => track.stop());
    this.#video.srcObject = null;
  }

  #onHidden = () => { if (document.hidden) this.interrupt(); };

  #watch() {
    document.addEventListener("visibilitychange", this.#onHidden);
    this.#stream.getVideoTracks()[0].addEventListener("ended", () => this.interrupt());
  }

  #draw() {
    const context = this.#canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    return context;
  }
}

/** Wait, unless the capture is interrupted. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const interrupted = () => { clearTimeout(timer); reject(new CameraUnavailable("interrupted")); };
    const timer = setTimeout(() => { signal.removeEventListener("abort", interrupted); resolve(); }, milliseconds);
    if (signal.aborted) interrupted();
    else signal.addEventListener("abort", interrupted, { once: true });
  });
}

/**
 * Take the frames of a challenge: several while each action is performed; the first action is to look straight.
 * The first frame of every later action is taken with its instruction, before the face can have followed it: it is
 * what the movement is measured from, and a recording that moves already gives itself away.
 * guide: {action(index, name), back(), progress(fraction)} — what the person sees meanwhile.
 * Answers {meta, blobs}, ready for the upload.
 */
export async function capture(camera, challenge, guide) {
  const { actions, frames_per_action: perAction } = challenge;
  const startedAt = performance.now();
  const blobs = [];
  const frames = [];
  const take = async (action) => {
    frames.push({ action, at_ms: Math.round(performance.now() - startedAt) });
    blobs.push(await camera.grab());
    guide.progress(blobs.length / (actions.length * perAction));
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
    guide.action(index, action);
    if (index === 0) {
      await pause(ANNOUNCE_MS, camera.ended);
      await takeSpread(index, perAction, ACTION_MS);
    } else {
      await take(index);
      await takeSpread(index, perAction - 1, ANNOUNCE_MS + ACTION_MS);
    }
  }
  return { meta: { nonce: challenge.nonce, chain: await chain(challenge.nonce, blobs), frames }, blobs };
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
