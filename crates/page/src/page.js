"use strict";
// Asks every second whether what is shown is still so. What is being typed is never taken away: then it is only said.
const shown = document.body.dataset.version;
const state = document.getElementById("state");
const typing = () => [...document.querySelectorAll("input:not([type=hidden])")].some((input) => input.value !== "");
async function look() {
  try {
    const answer = await fetch("/version", { cache: "no-store" });
    if (!answer.ok) throw new Error();
    const now = await answer.text();
    state.textContent = "";
    if (now.trim() !== shown) {
      if (!typing()) return location.reload();
      state.textContent = "something changed meanwhile: reload this page";
    }
  } catch {
    state.textContent = "nothing is shown any more: fumehood holds --page has ended";
  }
  setTimeout(look, 1000);
}
if (shown !== "") setTimeout(look, 1000);
