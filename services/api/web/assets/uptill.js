// Small comforts. Every page works without this file.
"use strict";

// A menu closes when something else gets the focus or a click, and with Escape.
for (const menu of document.querySelectorAll("details.menu")) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}

// What is chosen is shown at once.
for (const field of document.querySelectorAll(".tools select, [data-submit]")) {
  field.addEventListener("change", () => field.form.requestSubmit());
}
