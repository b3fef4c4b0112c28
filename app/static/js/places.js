// Choosing where a seal goes: select a party, click on the picture of a page. Without this script, corners do.

const form = document.getElementById("placement");
const sheets = document.getElementById("sheets");
let picking = null;

function fieldOf(place, name) {
  const which = place.dataset.place;
  return form.elements[which === "bank" ? `bank_${name}` : `${name}_${which}`];
}

function pick(place) {
  for (const other of form.querySelectorAll("[data-place]")) other.classList.toggle("picking", other === place);
  picking = place;
  sheets.classList.toggle("picking", place !== null);
  if (place) sheets.scrollIntoView({ block: "nearest" });
}

function put(place, picture, x, y) {
  const page = picture.dataset.page;
  fieldOf(place, "page").value = page;
  fieldOf(place, "x").value = x.toFixed(4);
  fieldOf(place, "y").value = y.toFixed(4);
  place.querySelector("[data-picked]").textContent = `第 ${page} 页 · Page ${page}：${Math.round(x * 100)}%, ${Math.round(y * 100)}%`;
}

if (form) {
  for (const place of form.querySelectorAll("[data-place]")) {
    const button = place.querySelector("[data-pick]");
    button.hidden = false;
    button.addEventListener("click", () => pick(place));
    // A corner or a page that is chosen by hand takes the place of a point.
    for (const name of ["corner", "page"]) {
      fieldOf(place, name).addEventListener("input", () => {
        fieldOf(place, "x").value = fieldOf(place, "y").value = "";
        place.querySelector("[data-picked]").textContent = "";
      });
    }
  }
  sheets.addEventListener("click", ({ target, clientX, clientY }) => {
    if (!picking || !target.dataset.page) return;
    const box = target.getBoundingClientRect();
    put(picking, target, (clientX - box.left) / box.width, (clientY - box.top) / box.height);
    pick(null);
  });
}
