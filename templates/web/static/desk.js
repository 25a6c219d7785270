// Keys for the list of what needs attention. Everything works without this file.
// In the list, up and down arrows go from row to row, Enter opens the row's action (as on any
// link), and "s" snoozes. The keys do nothing outside of the list (WCAG 2.1.4).
"use strict";

const list = document.querySelector("[data-causes]");

function actionOf(row) {
  return row ? row.querySelector("[data-action]") : null;
}

function rowOf(element) {
  return element instanceof Element ? element.closest("[data-cause]") : null;
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  const rows = [...list.querySelectorAll("[data-cause]")];
  const current = rows.indexOf(rowOf(event.target));
  if (current < 0) return;
  if (event.key === "s") {
    const snooze = rows[current].querySelector("[data-snooze]");
    if (snooze) snooze.click();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const action = actionOf(rows[current + (event.key === "ArrowDown" ? 1 : -1)]);
    if (action) action.focus();
  } else {
    return;
  }
  event.preventDefault();
}

// The arrows work at once on a page that was just opened, and from the row that a link names.
function enterList(event) {
  if (event.key !== "ArrowDown" || document.activeElement !== document.body) return;
  const action = actionOf(list.querySelector("[data-cause]"));
  if (!action) return;
  action.focus();
  event.preventDefault();
}

if (list) {
  list.addEventListener("keydown", onKey);
  document.addEventListener("keydown", enterList);
  // Browsers move the focus away when they scroll to the row that a link names.
  addEventListener("load", () => {
    const named = location.hash ? document.getElementById(location.hash.slice(1)) : null;
    const action = actionOf(rowOf(named));
    if (action) action.focus();
  });
}
