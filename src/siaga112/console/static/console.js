// What the pages need beside htmx: ages that go on counting, a line that is gone, printing. All works without.
"use strict";
(() => {
  const spell = (millis) => {
    const seconds = Math.max(0, Math.floor(millis / 1000));
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60);
    if (hours >= 48) return document.body.dataset.days.replace("#", String(Math.floor(hours / 24)));
    return hours ? `${hours}:${two(minutes % 60)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  };
  const count = () => {
    for (const one of document.querySelectorAll("[data-since]")) {
      const text = spell(Date.now() - Number(one.dataset.since));
      if (one.textContent !== text) one.textContent = text;
    }
  };
  const gone = (on) => {
    for (const one of document.querySelectorAll(".offline")) one.hidden = !on;
    document.body.classList.toggle("stale", on);
  };
  document.body.addEventListener("htmx:sseError", () => gone(true));
  document.body.addEventListener("htmx:sseOpen", () => gone(false));
  document.body.addEventListener("htmx:afterSwap", count);
  for (const one of document.querySelectorAll("[data-print]")) {
    one.hidden = false;
    one.addEventListener("click", () => window.print());
  }
  count();
  setInterval(count, 1000);
})();
