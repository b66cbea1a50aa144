/* Puts the widget into the form, once it knows which worker does the proof: the page's policy allows no script that is
   not a file of ours. */
"use strict";

for (const place of document.querySelectorAll("[data-altcha]")) {
  globalThis.$altcha.algorithms.set("PBKDF2/SHA-256", () => new Worker(place.dataset.worker));
  const widget = document.createElement("altcha-widget");
  widget.setAttribute("challenge", place.dataset.altcha);
  widget.setAttribute("language", place.dataset.language);
  widget.setAttribute("name", "altcha");
  widget.setAttribute("auto", "onload");
  widget.setAttribute("configuration", JSON.stringify({ hideLogo: true, hideFooter: true }));
  place.append(widget);
}
