// The view of now updates itself, and its squares can be walked with the arrow keys. Both only help: links and a reload do the same.
"use strict";
{
  const EVERY_MS = 60_000;
  let stream = null;

  const live = () => document.getElementById("live");
  const squares = () => document.getElementById("squares");

  // Read the view again. htmx merges the answer into the page, so what is scrolled, open or focused stays so.
  const refresh = () => {
    if (!document.hidden) htmx.trigger(live(), "news");
  };

  // Browsers open few connections to one host, so a page in the background gives its own back.
  const follow = () => {
    stream?.close();
    stream = null;
    if (document.hidden) return;
    stream = new EventSource(live().dataset.events);
    stream.addEventListener("news", refresh);
  };
  document.addEventListener("visibilitychange", () => {
    follow();
    refresh();
  });
  addEventListener("pagehide", () => stream?.close());
  setInterval(refresh, EVERY_MS);
  follow();

  // One square takes part in the order of tabs; the arrow keys move on from it.
  const settle = (chosen) => {
    const all = squares()?.querySelectorAll(".sqs a") ?? [];
    const here = chosen ?? squares()?.querySelector(".sqs a[data-here]") ?? all[0];
    for (const each of all) {
      if (each.tabIndex !== -1) each.tabIndex = -1;
      if (each.dataset.here) delete each.dataset.here;
    }
    if (here) {
      here.tabIndex = 0;
      here.dataset.here = "1";
    }
  };
  const say = (square) => {
    const id = decodeURIComponent(square.getAttribute("href").split("/").pop());
    const usual = square.closest("[data-usual]").dataset.usual;
    const state = square.className ? square.textContent.split(" ").pop() : usual;
    square.title = document.getElementById("readout").textContent = `${id} is ${state}`;
  };
  // The square nearest to a point `rows` lines further down.
  const below = (from, rows) => {
    const box = from.getBoundingClientRect();
    const x = box.x + box.width / 2;
    const found = [...squares().querySelectorAll(".sqs a")]
      .map((each) => ({ each, at: each.getBoundingClientRect() }))
      .filter(({ at }) => (rows > 0 ? at.y > box.y + 1 : at.y < box.y - 1))
      .map(({ each, at }) => ({ each, down: Math.abs(at.y - box.y), aside: Math.abs(at.x + at.width / 2 - x) }))
      .sort((a, b) => a.down - b.down || a.aside - b.aside);
    return found.find(({ aside }) => aside <= box.width)?.each;
  };
  document.addEventListener("keydown", (event) => {
    const here = event.target.closest?.("#squares .sqs a");
    if (!here || event.altKey || event.ctrlKey || event.metaKey) return;
    const all = [...squares().querySelectorAll(".sqs a")];
    const at = all.indexOf(here);
    const next = {
      ArrowRight: () => all[at + 1],
      ArrowLeft: () => all[at - 1],
      ArrowDown: () => below(here, 1),
      ArrowUp: () => below(here, -1),
      Home: () => all[0],
      End: () => all.at(-1),
    }[event.key];
    if (!next) return;
    event.preventDefault();
    const square = next();
    if (square) {
      settle(square);
      square.focus();
    }
  });
  for (const kind of ["mouseover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const square = event.target.closest?.("#squares .sqs a");
      if (square) say(square);
    });
  }
  // What the reader has opened stays open, and a focused square keeps the focus if it had to be made again.
  let opened = [];
  let focused = null;
  document.addEventListener("htmx:before:swap", () => {
    opened = [...document.querySelectorAll("#live details[open]")].map((each) => each.id);
    focused = document.activeElement?.closest?.("#live a")?.getAttribute("href");
  });
  document.addEventListener("htmx:after:swap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    settle();
    if (focused && document.activeElement === document.body) {
      live().querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    }
    const here = document.activeElement?.closest?.("#squares .sqs a");
    if (here) say(here);
  });
  settle();
}
