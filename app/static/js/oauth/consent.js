// The consent page: the face check confirms what the page shows, then the approval is sent by the page's own form.

import { Api } from "../api.js";
import { FACE_MS, formOf } from "../face/capture.js";
import { FaceCheck } from "../face/check.js";
import { showProblem, whileBusy } from "../signing/frame.js";
import { byId } from "../ui.js";

const consent = byId("consent");
const query = location.search;  // names the platform's request, as the page's own address does

class ConsentApi extends Api {
  faceChallenge(face_wording_sha256) {
    return this.post(`/face/challenge${query}`, { face_wording_sha256, decision: "agree" });
  }
  face(taken) { return this.postForm(`/face${query}`, formOf(taken), FACE_MS); }
}

const api = new ConsentApi(consent.dataset.base, document.querySelector('meta[name="csrf-token"]').content);
const check = new FaceCheck(api);
check.prepare(JSON.parse(byId("face-wording").textContent));

byId("face-start").addEventListener("click", (event) => whileBusy(event.currentTarget, async () => {
  try {
    await check.run();
    const approve = byId("approve");
    approve.form.requestSubmit(approve);
  } catch (error) {
    showProblem(error);
  }
}));
