// The front camera: opened, looked at, and switched off for certain.

const LONGEST_SIDE = 640;  // pixels; enough for the comparison, small enough for a phone's uplink
const JPEG_QUALITY = 0.85;
const NEXT_FRAME_MS = 600;

export class CameraUnavailable extends Error {
  /** reason: a key of CAMERA_PROBLEMS */
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
// Chat and payment applications show pages in a browser of their own, which often has no camera and never asks.
const IN_APP = /MicroMessenger|AlipayClient|DingTalk|\bQQ\/|Weibo|Feishu|Lark/i;

export class Camera {
  #stream;
  #video;
  #canvas = document.createElement("canvas");
  #ended = new AbortController();

  static async open(video) {
    if (!navigator.mediaDevices?.getUserMedia) throw new CameraUnavailable(elsewhere("unsupported"));
    const camera = new Camera();
    try {
      camera.#stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { facingMode: "user", width: { ideal: 640 }, height: { ideal: 480 } },
      });
    } catch (cause) {
      throw new CameraUnavailable(elsewhere(REASONS[cause.name] ?? "unsupported"));
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

  /** Aborted, with the reason, as soon as frames would prove nothing: the track ended, the page went to the back. */
  get ended() { return this.#ended.signal; }

  /**
   * One frame as JPEG, not mirrored, and when it was drawn: {blob, at}. The canvas writes no EXIF, so nothing but the
   * picture leaves the phone. It waits for the camera's next frame, because a busy phone shows the same one for a while,
   * unless the picture of this very moment is wanted.
   */
  async grab({ now = false } = {}) {
    if (!now) await this.nextFrame();
    this.#draw();
    const at = performance.now();
    const blob = await new Promise((resolve, reject) => {
      this.#canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new CameraUnavailable("busy"))), "image/jpeg", JPEG_QUALITY);
    });
    return { blob, at };
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

  /** Until the camera has brought another picture; not for ever, because some browsers do not say. */
  nextFrame() {
    if (!this.#video.requestVideoFrameCallback) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, NEXT_FRAME_MS);
      this.#video.requestVideoFrameCallback(() => { clearTimeout(timer); resolve(); });
    });
  }

  interrupt(reason) { this.#ended.abort(reason); }

  close() {
    document.removeEventListener("visibilitychange", this.#onHidden);
    screen.orientation?.removeEventListener("change", this.#onRotated);
    this.#stream.getTracks().forEach((track) => track.stop());
    this.#video.srcObject = null;
  }

  #onHidden = () => { if (document.hidden) this.interrupt("interrupted"); };
  #onRotated = () => this.interrupt("rotated");

  #watch() {
    document.addEventListener("visibilitychange", this.#onHidden);
    screen.orientation?.addEventListener("change", this.#onRotated);
    const [track] = this.#stream.getVideoTracks();
    track.addEventListener("ended", () => this.interrupt("interrupted"));
    track.addEventListener("mute", () => this.interrupt("busy"));  // another application took the camera
  }

  #draw() {
    const context = this.#canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    return context;
  }
}

function elsewhere(reason) {
  return IN_APP.test(navigator.userAgent) ? "in-app" : reason;
}
