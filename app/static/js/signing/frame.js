// What surrounds the steps: the summary above, the progress bar, the one place for problems, the step shown.

import { Problem, UNEXPECTED } from "../api.js";
import { beijingTime, byId, element, say } from "../ui.js";
import { ROLES, STEP_NAMES } from "./texts.js";

const STEPS = Object.keys(STEP_NAMES);
export function showMatter({ contract, expires_at }) {
  byId("contract-title").textContent = contract.title;
  byId("contract-number").textContent = contract.number;
  byId("parties").replaceChildren(...contract.parties.map(partyRow));
  const until = beijingTime(expires_at).slice(0, 16);
  say(byId("expires"), [`有效期至 ${until}（北京时间）`, `Open until ${until}, Beijing time`]);
}

function partyRow({ name, role, state }) {
  const row = element("li");
  const who = element("span");
  const part = element("span", "role");
  say(part, ROLES[role] ?? [role]);
  who.append(name, part);
  const badge = byId(`badge-${state}`);
  row.append(who, badge ? badge.content.cloneNode(true) : state);
  return row;
}

export function showStep(step, { focus = true } = {}) {
  for (const section of document.querySelectorAll("[data-step]")) section.hidden = section.dataset.step !== step;
  showProgress(step);
  byId("leave").hidden = !(step in STEP_NAMES);
  byId("matter-details").open = false;
  if (!focus) return;
  document.querySelector(`[data-step="${step}"] h2`).focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
}

function showProgress(step) {
  const position = STEPS.indexOf(step);
  byId("progress").hidden = position < 0;
  if (position < 0) return;
  say(byId("progress-count"), [`第 ${position + 1} 步，共 ${STEPS.length} 步`, `Step ${position + 1} of ${STEPS.length}`]);
  const next = STEP_NAMES[STEPS[position + 1]];
  byId("progress-next").textContent = next ? `下一步：${next[0]}` : "";
  document.querySelectorAll("#progress li").forEach((mark, index) => {
    mark.className = index < position ? "past" : "";
    if (index === position) mark.setAttribute("aria-current", "step");
    else mark.removeAttribute("aria-current");
  });
}

/** Show why something did not work, in Chinese with English below; a programming error shows no inside. */
export function showProblem(error) {
  const { zh, en } = error instanceof Problem ? error : new Problem(UNEXPECTED);
  if (!(error instanceof Problem)) console.error(error);
  const box = byId("problem");
  const frame = element("div", "alert error");
  frame.append(icon("error"), element("div"));
  say(frame.lastChild, [zh, en]);
  box.replaceChildren(frame);
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });
}

export function clearProblem() {
  byId("problem").hidden = true;
}

/** An icon of the sprite that the page's own icons come from. */
export function icon(name) {
  const sprite = document.querySelector("svg.icon use").getAttribute("href").split("#")[0];
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${sprite}#${name}`);
  picture.append(use);
  return picture;
}

/** Run an act behind a button: pressed twice it still happens once. */
export async function whileBusy(button, act) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  clearProblem();
  try {
    await act();
  } finally {
    button.removeAttribute("aria-busy");
  }
}
