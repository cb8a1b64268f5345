// Draws the diagrams of a page. Their library is large, so a page without diagrams does not load it.
(() => {
  const here = document.currentScript.src;
  const diagrams = document.querySelectorAll(".diagram");
  if (!diagrams.length) return;
  const library = document.createElement("script");
  library.src = new URL("mermaid/mermaid.min.js", here).href;
  library.onload = () => {
    const dark = document.body.dataset.mdColorScheme === "slate";
    mermaid.initialize({ startOnLoad: false, theme: dark ? "dark" : "neutral" });
    mermaid.run({ nodes: diagrams });
  };
  document.head.append(library);
})();
