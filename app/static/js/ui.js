// Progressive enhancement for every page: all of them work without it.

const BEIJING = new Intl.DateTimeFormat("sv-SE", {
  timeZone: "Asia/Shanghai", dateStyle: "short", timeStyle: "medium",  // Swedish dates are ISO 8601: 2026-01-31 09:30:00
});

export function beijingTime(iso) {
  return BEIJING.format(new Date(iso));
}

/** Show instants in the one time zone that Chinese contracts use; the exact UTC instant stays in the tooltip. */
export function enhanceTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = `${time.dateTime} · 北京时间 Beijing time`;
    time.textContent = beijingTime(time.dateTime);
  }
}

/** Copy buttons come hidden and appear only where the clipboard can be written (a secure context). */
export function enhanceCopyButtons(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.dataset.copied = "";
  button.setAttribute("aria-label", "已复制 Copied");
  setTimeout(() => {
    delete button.dataset.copied;
    button.setAttribute("aria-label", "复制 Copy");
  }, 1600);
});

/** Ask before a form is sent by a button with data-confirm; a `<dialog>` because window.confirm cannot be styled or bilingual. */
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button?.dataset.confirm || button.dataset.confirmed !== undefined) return;
  event.preventDefault();
  const dialog = confirmDialog(button);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue !== "yes") return button.focus();
    button.dataset.confirmed = "";
    button.form.requestSubmit(button);
  });
  document.body.append(dialog);
  dialog.showModal();
});

function confirmDialog(button) {
  const dialog = element("dialog", "dialog");
  const form = element("form");
  form.method = "dialog";
  const question = element("p");
  question.append(bilingual(button.dataset.confirm, button.dataset.confirmEn));
  const actions = element("div", "form-actions");
  const cancel = element("button", "button secondary");
  cancel.value = "no";
  cancel.append(bilingual("取消", "Cancel"));
  const confirm = element("button", button.classList.contains("danger") ? "button danger" : "button");
  confirm.value = "yes";
  confirm.append(bilingual("确认", "Confirm"));
  actions.append(cancel, confirm);
  form.append(question, actions);
  dialog.append(form);
  return dialog;
}

/** The same markup as the t() macro. */
export function bilingual(zh, en) {
  const pair = element("span", "t");
  const chinese = element("span");
  chinese.lang = "zh-CN";
  chinese.textContent = zh;
  pair.append(chinese);
  if (en) {
    const english = element("span", "en");
    english.lang = "en";
    english.textContent = en;
    pair.append(" ", english);
  }
  return pair;
}

export const byId = (id) => document.getElementById(id);

/** Replace what an element says. */
export function say(target, [zh, en]) {
  target.replaceChildren(bilingual(zh, en));
}

export function element(name, className = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  return made;
}

function enhanceFilters(root) {
  for (const box of root.querySelectorAll("[data-filter-for]")) {
    const table = document.getElementById(box.dataset.filterFor);
    const rows = [...table.tBodies[0].rows];
    const nothing = element("p", "no-match");
    nothing.append(bilingual("没有符合的记录", "No match"));
    nothing.hidden = true;
    table.after(nothing);
    box.hidden = false;
    box.querySelector("input").addEventListener("input", (event) => {
      const wanted = event.target.value.trim().toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
      nothing.hidden = rows.some((row) => !row.hidden);
    });
  }
}

/** The strip of the navigation scrolls sideways on a phone: begin with the place where one is in sight. */
function showCurrentPlace() {
  document.querySelector(".site-nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

showCurrentPlace();
enhanceTimes(document);
enhanceCopyButtons(document);
enhanceFilters(document);
