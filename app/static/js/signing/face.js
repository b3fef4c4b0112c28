// Step 4. One instruction at a time; whatever goes wrong, the camera is switched off and the reason is told.

import { bilingual, element } from "../ui.js";
import { Problem } from "./api.js";
import { byId, say } from "./frame.js";
import { Camera, CameraUnavailable, capture, pause } from "./capture.js";
import { CAMERA_PROBLEMS, FACE_AGAIN, FACE_BACK, FACE_PLACE, FACE_SENDING, MOVES } from "./texts.js";

const COUNTDOWN = 3;
const SECOND_MS = 1000;
const DARK = 55;  // mean luma of 255 below which the comparison becomes unreliable; advice only, the server judges

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
  #camera = null;

  constructor(api) {
    this.#api = api;
    byId("face-cancel").addEventListener("click", () => this.#camera?.interrupt());
  }

  /** The whole check: camera, challenge, capture, upload. Answers the new state; throws a Problem with the reason. */
  async run(wordingSha256) {
    try {
      this.#show(true);
      this.#guide("place", FACE_PLACE);
      byId("stage").scrollIntoView({ block: "center", behavior: "smooth" });
      this.#camera = await Camera.open(byId("camera"));
      await this.#countDown();
      // Asked for only now, so that none of its short life is spent on permission questions.
      const challenge = await this.#api.faceChallenge(wordingSha256);
      this.#layMoves(challenge.actions.length);
      const taken = await capture(this.#camera, challenge, this.#guideFor());
      this.#guide("sending", FACE_SENDING);
      this.#release();
      return await this.#api.face(taken);
    } catch (error) {
      say(byId("face-start-name"), FACE_AGAIN);
      if (error instanceof CameraUnavailable) throw new Problem(CAMERA_PROBLEMS[error.reason], { code: `camera-${error.reason}` });
      throw error;
    } finally {
      this.#release();
      this.#show(false);
    }
  }

  async #countDown() {
    for (let left = COUNTDOWN; left > 0; left -= 1) {
      byId("too-dark").hidden = this.#camera.brightness() >= DARK;
      const figure = element("strong");
      figure.textContent = left;
      byId("cue").replaceChildren(figure);
      await pause(SECOND_MS, this.#camera.ended);
    }
    byId("too-dark").hidden = true;
  }

  #guideFor() {
    return {
      action: (index, name) => {
        this.#markMove(index);
        this.#guide("action", MOVES[name], name);
        navigator.vibrate?.(40);  // felt without reading
      },
      back: () => this.#guide("back", FACE_BACK),
      progress: (fraction) => byId("ring").style.setProperty("stroke-dashoffset", String(RING_EMPTY * (1 - fraction))),
    };
  }

  #guide(phase, words, cue = "") {
    const stage = byId("stage");
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

  #release() {
    this.#camera?.close();
    this.#camera = null;
  }

  #show(live) {
    byId("face-live").hidden = !live;
    byId("face-intro").hidden = live;
    byId("ring").style.setProperty("stroke-dashoffset", String(RING_EMPTY));
    byId("moves").replaceChildren();
  }
}

function arrow(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
