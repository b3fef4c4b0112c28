// The face check of a page: consent first, then one instruction at a time. Whatever goes wrong, the camera is switched
// off and the reason is told, with what to do about it.

import { Problem } from "../api.js";
import { bilingual, byId, element, say } from "../ui.js";
import { Camera, CameraUnavailable } from "./camera.js";
import { capture, pause } from "./capture.js";
import { ADVICE, AGAIN, ALLOW, BACK, CAMERA_PROBLEMS, MOVES, PLACE, SENDING } from "./texts.js";

const COUNTDOWN = 3;
const PATIENCE = 8;  // seconds that the countdown waits for more light; then the server judges
const SECOND_MS = 1000;
const DARK = 55;  // mean luma of 255 below which the comparison becomes unreliable

const RING_EMPTY = 104;  // of a path 100 long: the rest hides the round cap of the empty ring

/** Arrow paths on a 24-unit grid. The picture is mirrored, so the person's left is the left of the screen. */
const CUES = {
  "turn-left": "M15 5 8 12l7 7",
  "turn-right": "M9 5l7 7-7 7",
  nod: "M5 9l7 7 7-7",
  "open-mouth": "M12 8.5c3 0 5 1.6 5 3.5s-2 3.5-5 3.5-5-1.6-5-3.5 2-3.5 5-3.5Z",
};

export class FaceCheck {
  #api;
  #wording = null;
  #camera = null;

  /** api: {faceChallenge(wordingSha256), face(taken)}; both answer what the page's door answers. */
  constructor(api) {
    this.#api = api;
    byId("face-cancel").addEventListener("click", () => this.#camera?.interrupt("cancelled"));
    byId("face-agree").addEventListener("change", () => this.#allowStart());
  }

  /** Show the wording of the separate consent; nothing is ticked beforehand. */
  prepare(wording) {
    this.#wording = wording;
    byId("face-consent-zh").textContent = wording.text_zh;
    byId("face-consent-en").textContent = wording.text_en;
    byId("face-consent-version").textContent = wording.version;
    this.#allowStart();
  }

  /** The whole check: camera, challenge, capture, upload. Answers what the door answers; throws a Problem. */
  async run() {
    try {
      this.#show(true);
      this.#guide("place", ALLOW);
      this.#camera = await Camera.open(byId("camera"));
      await this.#countDown();
      // Asked for only now, so that none of its short life is spent on permission questions.
      const challenge = await this.#api.faceChallenge(this.#wording.sha256);
      this.#layMoves(challenge.actions.length);
      const taken = await capture(this.#camera, challenge, this.#guideFor());
      this.#guide("sending", SENDING);
      this.#release();
      return await this.#api.face(taken);
    } catch (error) {
      say(byId("face-start-name"), AGAIN);
      throw told(error);
    } finally {
      this.#release();
      this.#show(false);
    }
  }

  async #countDown() {
    this.#guide("place", PLACE);
    for (let left = COUNTDOWN, patience = PATIENCE; left > 0;) {
      const dark = this.#watchLight() && patience > 0;
      if (dark) patience -= 1;
      const figure = element("strong");
      figure.textContent = dark ? "" : left;
      byId("cue").replaceChildren(figure);
      await pause(SECOND_MS, this.#camera.ended);
      if (!dark) left -= 1;
    }
  }

  #watchLight() {
    const dark = this.#camera.brightness() < DARK;
    byId("too-dark").hidden = !dark;
    return dark;
  }

  #guideFor() {
    return {
      action: (index, name) => {
        this.#watchLight();
        this.#markMove(index);
        this.#guide("action", MOVES[name], name);
        navigator.vibrate?.(40);  // felt without reading
      },
      colour: (value) => {
        byId("too-dark").hidden = true;
        const stage = byId("stage");
        stage.dataset.colour = value;
        stage.style.setProperty("--colour", value);
      },
      back: () => this.#guide("back", BACK),
      progress: (fraction) => byId("ring").style.setProperty("stroke-dashoffset", String(RING_EMPTY * (1 - fraction))),
    };
  }

  #guide(phase, words, cue = "") {
    const stage = byId("stage");
    delete stage.dataset.colour;
    stage.dataset.phase = phase;
    stage.dataset.cue = cue;
    byId("instruction").replaceChildren(bilingual(...words));
    byId("cue").replaceChildren(...(cue in CUES ? [arrow(CUES[cue])] : []));
  }

  #layMoves(count) {
    byId("moves").replaceChildren(...Array.from({ length: count }, () => element("li")));
  }

  #markMove(current) {
    [...byId("moves").children].forEach((dot, index) => {
      dot.className = index < current ? "past" : index === current ? "now" : "";
    });
  }

  #allowStart() { byId("face-start").disabled = !byId("face-agree").checked; }

  #release() {
    this.#camera?.close();
    this.#camera = null;
  }

  #show(live) {
    byId("face-live").hidden = !live;
    byId("face-intro").hidden = live;
    byId("too-dark").hidden = true;
    delete byId("stage").dataset.colour;
    byId("ring").style.setProperty("stroke-dashoffset", String(RING_EMPTY));
    byId("moves").replaceChildren();
    if (live) byId("face-live").scrollIntoView({ block: "center" });
  }
}

/** The reason as a Problem; for a check that did not pass, with what to do better. */
function told(error) {
  if (error instanceof CameraUnavailable) return new Problem(CAMERA_PROBLEMS[error.reason], { code: `camera-${error.reason}` });
  const advice = error.code === "liveness-failed" && ADVICE[error.detail];
  return advice ? new Problem(advice, error) : error;
}

function arrow(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
