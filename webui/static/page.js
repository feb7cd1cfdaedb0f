// The page keeps itself fresh without a reload; without this script it reloads by itself instead.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  function forms() {
    document.addEventListener("submit", (event) => {
      const button = event.submitter;
      // The box may not know what day it is: this device's time is a hint, and nothing but that.
      const clock = event.target.querySelector("input[name=clock]");
      if (clock) clock.value = (Date.now() / 1000).toFixed(3);
      // After this turn of the loop, so that the button's own name and value are still sent.
      setTimeout(() => {
        for (const other of event.target.querySelectorAll("button")) other.disabled = true;
        if (button && button.dataset.busy) button.textContent = button.dataset.busy;
      });
    });
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
    // The field itself may come with a later screen.
    document.addEventListener("change", (event) => {
      const photo = event.target;
      if (photo.id !== "photo") return;
      const said = photo.closest("label").querySelector("output");
      said.hidden = !photo.files.length;
      said.textContent = photo.files.length ? photo.dataset.chosen : "";
      photo.closest("label").classList.toggle("chosen", photo.files.length > 0);
    });
    const print = document.querySelector("[data-print]");
    if (print) { print.hidden = false; print.addEventListener("click", () => window.print()); }
  }

  // True when people have typed or chosen something that an exchange of the screen would take from them.
  function touched(main) {
    const typing = document.activeElement && document.activeElement.matches("input[type=text], input[type=password]");
    return typing || [...main.querySelectorAll("textarea, input[type=file]")].some((field) => field.value !== "")
      || [...main.querySelectorAll("input[type=text], input[type=password]")].some((field) => field.value !== field.defaultValue)
      || [...main.querySelectorAll("input[type=radio]")].some((field) => field.checked !== field.defaultChecked);
  }

  // A button that is exchanged between press and release would swallow the click; a release outside of the window is not told.
  let pressed = 0;
  addEventListener("pointerdown", () => { pressed = performance.now() + 4000; });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { pressed = performance.now() + 300; });
  const pressing = () => performance.now() < pressed;

  const REACHED = "a[href], button, input:not([type=hidden]), textarea, summary";
  function show(main, html) {
    const before = document.body.dataset.step;
    const held = [...main.querySelectorAll(REACHED)].indexOf(document.activeElement);
    main.innerHTML = html;
    const screen = main.querySelector(".screen");
    document.body.dataset.step = screen.dataset.step;
    document.body.dataset.phase = screen.dataset.phase;
    // Whoever goes by keyboard, or hears the page, stays where they were.
    if (held >= 0 && before === screen.dataset.step) main.querySelectorAll(REACHED)[held]?.focus({ preventScroll: true });
    if (before !== screen.dataset.step) { scrollTo(0, 0); if (navigator.vibrate) navigator.vibrate(200); }
  }

  function live() {
    const main = document.querySelector("main[data-live]");
    if (!main) return;
    const offline = document.getElementById("offline");
    let tag = '"' + main.dataset.tag + '"', missed = 0;
    async function turn() {
      try {
        const answer = await fetch(main.dataset.live, { headers: { "If-None-Match": tag }, cache: "no-store", signal: AbortSignal.timeout ? AbortSignal.timeout(8000) : undefined });
        if (answer.status === 200) {
          const html = await answer.text();
          const same = html.includes('data-step="' + document.body.dataset.step + '"');
          if (!pressing() && !touched(main) && !(same && main.querySelector("form.question"))) {
            tag = answer.headers.get("ETag");
            show(main, html);
          }
        }
        missed = 0;
      } catch { missed += 1; }
      if (offline) offline.hidden = missed < 2;
      const screen = main.querySelector(".screen");
      const pace = Number(screen && screen.dataset.pace) || 0;
      if (pace) setTimeout(turn, (document.hidden ? 10 : pace) * 1000);
    }
    const pace = Number(main.querySelector(".screen").dataset.pace) || 0;
    if (pace) setTimeout(turn, pace * 1000);
  }

  addEventListener("DOMContentLoaded", () => { forms(); live(); });
})();
