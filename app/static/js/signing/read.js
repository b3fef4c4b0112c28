// Step 2. Every page must have been on the screen before the person can say that the contract was read.

import { Problem } from "../api.js";
import { sha256, toHex } from "../bytes.js";
import { byId, element, say } from "../ui.js";
import { DOCUMENT_DIFFERS, PAGE_FAILED, READ_DONE, READ_ON, RELOAD } from "./texts.js";

const COVERED = "80px";  // of the screen's bottom, by the bar with the button
const CHANGED_MS = 700;  // a tap meant for "read on" must not fall on "I have read it all" as the words change under it
const ZOOMS = ["100", "150", "200"];  // per cent; an A4 page on a phone is too small at the first for many eyes

export class Reader {
  #api;
  #pages = [];
  #seen = new Set();

  constructor(api) {
    this.#api = api;
    byId("zoom").addEventListener("click", () => this.#zoom());
  }

  /** Lay out the pages once; images load as they come near. */
  show(count) {
    if (this.#pages.length) return;
    this.#pages = Array.from({ length: count }, (_, index) => this.#page(index + 1, count));
    byId("pages").replaceChildren(...this.#pages);
    // Seen means: loaded, and its lower part was on the screen. A page is taller than a phone, so a share of it would not do.
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) this.#see(entry.target);
    }, { rootMargin: `0px 0px -${COVERED}` });
    for (const page of this.#pages) watcher.observe(page.querySelector(".page-foot"));
    this.#tell();
  }

  get finished() { return this.#seen.size === this.#pages.length; }

  /** Bring the next unread part into view. */
  advance() {
    const page = this.#pages.find((candidate) => !this.#seen.has(candidate));
    const foot = page.getBoundingClientRect().bottom - window.innerHeight + 110;
    const screenful = window.innerHeight * 0.75;
    window.scrollBy({ top: Math.min(foot, screenful), behavior: "smooth" });
  }

  /** Check on this device that the document is the one whose digest is signed. Throws a Problem if not. */
  async verify(documentSha256) {
    const actual = toHex(await sha256(await this.#api.document()));
    if (actual !== documentSha256) throw new Problem(DOCUMENT_DIFFERS, { code: "document-differs" });
    return actual;
  }

  #page(number, count) {
    const item = element("li", "page");
    const image = element("img");
    image.alt = `第 ${number} 页，共 ${count} 页 Page ${number} of ${count}`;
    image.loading = number === 1 ? "eager" : "lazy";
    image.addEventListener("load", () => { item.dataset.loaded = ""; if (item.dataset.reached !== undefined) this.#see(item); });
    image.addEventListener("error", () => this.#offerReload(item, image, number));
    image.src = this.#api.pageAddress(number);
    item.append(image, element("span", "page-foot"));
    return item;
  }

  #see(target) {
    const page = target.closest(".page");
    page.dataset.reached = "";
    if (page.dataset.loaded === undefined) return;
    this.#seen.add(page);
    this.#tell();
  }

  #offerReload(item, image, number) {
    const notice = element("div", "failed");
    const words = element("span");
    say(words, PAGE_FAILED);
    const again = element("button", "button small");
    again.type = "button";
    say(again, RELOAD);
    again.addEventListener("click", () => { notice.remove(); image.src = `${this.#api.pageAddress(number)}?again=${Date.now()}`; });
    notice.append(words, again);
    item.append(notice);
  }

  #zoom() {
    const pages = byId("pages");
    const next = ZOOMS[(ZOOMS.indexOf(pages.dataset.zoom ?? ZOOMS[0]) + 1) % ZOOMS.length];
    pages.dataset.zoom = next;
    byId("zoom-name").textContent = `${next}%`;
  }

  #tell() {
    const count = this.#pages.length;
    say(byId("read-count"), [`已看 ${this.#seen.size} / ${count} 页`, "pages seen"]);
    const button = byId("read-button");
    if (this.finished && button.dataset.ready === "no") {
      button.setAttribute("aria-disabled", "true");
      setTimeout(() => button.removeAttribute("aria-disabled"), CHANGED_MS);
    }
    button.dataset.ready = this.finished ? "yes" : "no";
    button.classList.toggle("secondary", !this.finished);
    say(button, this.finished ? READ_DONE : READ_ON);
  }
}
