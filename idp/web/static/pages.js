/* What pages can do better with scripts. Without them everything works, and these buttons stay hidden. */
"use strict";

for (const button of document.querySelectorAll("button.reveal")) {
  const input = document.getElementById(button.getAttribute("aria-controls"));
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!shown));
    input.focus();
  });
  // A shown password must not be kept by the browser as an ordinary text.
  input.form?.addEventListener("submit", () => { input.type = "password"; });
}

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button.copy")) {
    const word = button.querySelector(".copy-word");
    const status = button.parentElement.querySelector("[role=status]");
    const before = word.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      word.textContent = status.textContent = button.dataset.done;
      setTimeout(() => { word.textContent = before; status.textContent = ""; }, 2500);
    });
  }
}

/* An error summary is where reading should go on. */
document.querySelector(".summary")?.focus();
