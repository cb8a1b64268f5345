// Files can be dropped, and an upload shows its progress. Without this file the form sends them.
"use strict";

const form = document.querySelector("form.upload");
const drop = form.querySelector(".drop");
const files = form.querySelector("#files");
const chosen = form.querySelector("#chosen");
const bar = form.querySelector("progress");

function nameChosen() {
  const all = [...form.querySelectorAll("input[type=file]")].flatMap((field) => [...field.files]);
  const bytes = all.reduce((sum, file) => sum + file.size, 0);
  const names = all.slice(0, 3).map((file) => file.name).join(", ");
  chosen.textContent = all.length ? `${names}${all.length > 3 ? ` and ${all.length - 3} more` : ""} (${(bytes / 1e6).toFixed(1)} MB)` : "";
}

// A folder is read to its end; its files are sent one beside the other.
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return found;
    for (const one of some) found.push(...(await filesOf(one)));
  }
}

drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry());
  const plain = [...event.dataTransfer.files];
  const held = new DataTransfer();
  const found = entries.some((entry) => entry && entry.isDirectory)
    ? (await Promise.all(entries.filter(Boolean).map(filesOf))).flat()
    : plain;
  found.forEach((file) => held.items.add(file));
  files.files = held.files;
  nameChosen();
});
form.addEventListener("change", nameChosen);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const button = event.submitter;
  const call = new XMLHttpRequest();
  call.open("POST", (button && button.getAttribute("formaction")) || form.getAttribute("action"));
  call.upload.addEventListener("progress", (step) => {
    if (step.lengthComputable) bar.value = step.loaded / step.total;
  });
  call.addEventListener("load", () => {
    const went = new URL(call.responseURL);
    if (call.status < 400 && went.pathname !== location.pathname) {
      location.assign(went.pathname);
      return;
    }
    const page = new DOMParser().parseFromString(call.responseText, "text/html");
    const answer = document.querySelector("#answer");
    answer.replaceChildren(...page.querySelector("#main").children);
    show(false);
    answer.focus();
  });
  call.addEventListener("error", () => {
    chosen.textContent = "The upload was interrupted, and nothing was kept. Send the files again.";
    show(false);
  });
  show(true);
  call.send(new FormData(form));
});

function show(isSending) {
  bar.hidden = !isSending;
  bar.value = 0;
  for (const button of form.querySelectorAll("button")) button.disabled = isSending;
}
