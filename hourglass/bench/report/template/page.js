"use strict";
{
  const all = (query, within = document) => [...within.querySelectorAll(query)];

  // Pictures: each is in the page once, however often it is shown.
  const pictures = JSON.parse(document.getElementById("picture-data").textContent);
  const show = (room) => {
    for (const image of all("img[data-picture]", room)) {
      if (!image.src) image.src = `data:image/webp;base64,${pictures[image.dataset.picture]}`;
    }
  };
  all(".room:not([hidden])").forEach(show);
  for (const select of all("select[data-wing]")) {
    const choose = () => {
      for (const room of all(".room", document.getElementById(select.dataset.wing))) {
        room.hidden = room.dataset.case !== select.value;
        if (!room.hidden) show(room);
      }
    };
    select.addEventListener("change", choose);
    choose(); // a browser may remember the choice
  }
  for (const slider of all(".compare input")) {
    const move = () => slider.parentElement.style.setProperty("--at", `${slider.value}%`);
    slider.addEventListener("input", move);
    move();
  }

  // Tables sort by their headings; the order of rows that are equal stays.
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b
      : typeof a === "number" ? -1
      : typeof b === "number" ? 1
      : a.localeCompare(b, "en", { numeric: true });
  for (const table of all("table.sortable")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const body = table.tBodies[0];
        const rows = [...body.rows].sort((a, b) => (down ? -1 : 1) * compare(key(a, column), key(b, column)));
        body.append(...rows);
      });
    });
  }

  // What a mark stands for, at the pointer or at the mark that has the focus.
  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  const tell = (mark, left, top) => {
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    tip.style.left = `${Math.max(8, Math.min(left - tip.offsetWidth / 2, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${top - tip.offsetHeight - 16 > 0 ? top - tip.offsetHeight - 16 : top + 20}px`;
  };
  const tellFocused = () => {
    const mark = document.activeElement;
    if (!mark?.dataset.tip) return hide();
    const place = mark.getBoundingClientRect();
    tell(mark, place.left + place.width / 2, place.top);
  };
  for (const kind of ["pointerover", "pointermove"]) {
    document.addEventListener(kind, (event) => {
      const mark = event.target.closest?.("[data-tip]");
      if (mark) tell(mark, event.clientX, event.clientY);
      else hide();
    });
  }
  document.addEventListener("focusin", tellFocused);
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", () => { if (!tip.hidden) tellFocused(); }, true);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // A link to a case opens it.
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.(`a[href="${CSS.escape(location.hash)}"]`)) open();
  });
  open();
}
