"use strict";
const live = document.getElementById("live");
const away = document.getElementById("away");
async function refresh() {
  try {
    const answer = await fetch("live", { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (live.innerHTML !== text) live.innerHTML = text;
    away.hidden = true;
  } catch {
    away.hidden = false;
  }
}
setInterval(refresh, Number(document.body.dataset.refresh));
