// HQ's pages: the board keeps itself fresh and counts its seconds; every page works without this script.
(() => {
  "use strict";
  const EVERY = 2000;

  function duration(seconds, words) {
    const whole = Math.max(Math.floor(seconds), 0);
    const fill = (text, n) => text.replace("%(n)d", n);
    if (whole < 60) return fill(words.second, whole);
    if (whole < 3600) return fill(words.minute, Math.floor(whole / 60));
    if (whole < 172800) return fill(words.hour, Math.floor(whole / 3600));
    return fill(words.day, Math.floor(whole / 86400));
  }

  // What is exchanged between press and release would swallow the click; a release outside of the window is not told.
  let pressed = 0;
  addEventListener("pointerdown", () => { pressed = performance.now() + 4000; });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { pressed = performance.now() + 300; });
  const pressing = () => performance.now() < pressed;

  function board(live) {
    const offline = document.getElementById("offline");
    let tag = live.dataset.tag, misses = 0;
    // HQ's clock, carried on by this machine's steady one: its own time of day does not matter.
    let now = Number(live.dataset.now), read = performance.now();

    function count() {
      const moment = now + (performance.now() - read) / 1000;
      for (const time of live.querySelectorAll("time[data-at]")) {
        const text = live.dataset.ago.replace("%(time)s", duration(moment - Number(time.dataset.at), live.dataset));
        if (time.textContent !== text) time.textContent = text;
      }
    }

    async function refresh() {
      try {
        const answer = await fetch(live.dataset.live, {
          headers: { "If-None-Match": '"' + tag + '"', "X-Noroshi-Fetch": "1" },
          cache: "no-store", signal: AbortSignal.timeout(8000), redirect: "error",
        });
        if (answer.status === 401) { location.reload(); return; }
        if (answer.status !== 200 && answer.status !== 304) throw new Error(String(answer.status));
        if (answer.status === 200 && !pressing()) {
          const focus = live.contains(document.activeElement) ? document.activeElement.id : "";
          live.innerHTML = await answer.text();
          tag = (answer.headers.get("ETag") || "").replaceAll('"', "").replace("W/", "");
          if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
        }
        now = Number(answer.headers.get("Noroshi-Now")); read = performance.now();
        misses = 0;
        count();
      } catch { misses += 1; }
      offline.hidden = misses < 3;
      setTimeout(refresh, document.hidden ? 5 * EVERY : EVERY);
    }

    setInterval(count, 1000);
    setTimeout(refresh, EVERY);
  }

  // A page that is only read: its parts are exchanged where they changed. What somebody opened stays open, and a part with
  // a form that somebody opened is left alone.
  function exchange(part, html) {
    if (html === shown.get(part) || pressing() || part.querySelector("details[open] form")) return false;
    const open = [...part.querySelectorAll("details")].map((x) => x.open);
    const held = [...part.querySelectorAll(REACHED)].indexOf(document.activeElement);
    part.innerHTML = html;
    shown.set(part, html);
    part.querySelectorAll("details").forEach((x, n) => { x.open = Boolean(open[n]); });
    if (held >= 0) part.querySelectorAll(REACHED)[held]?.focus({ preventScroll: true });
    return true;
  }

  const REACHED = "a[href], button, summary";
  const shown = new WeakMap(); // as it was fetched: an opened part is another than it was
  function fresh(address) {
    const offline = document.getElementById("offline");
    let misses = 0;
    for (const part of document.querySelectorAll("[data-part]")) shown.set(part, part.innerHTML);
    async function refresh() {
      try {
        const answer = await fetch(address, { headers: { "X-Noroshi-Fetch": "1" }, cache: "no-store", signal: AbortSignal.timeout(8000) });
        if (answer.status === 401) { location.reload(); return; }
        if (!answer.ok) throw new Error(String(answer.status));
        misses = 0;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-part]")) {
          const other = page.getElementById(part.id);
          if (other && exchange(part, other.innerHTML) && other.dataset.state) part.dataset.state = other.dataset.state;
        }
      } catch { misses += 1; }
      offline.hidden = misses < 2;
      setTimeout(refresh, document.hidden ? 30000 : 5000);
    }
    setTimeout(refresh, 5000);
  }

  function copying(button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const field = document.getElementById(button.dataset.copy);
      field.select();
      // On plain http there is no clipboard API; the old command still works.
      if (navigator.clipboard) navigator.clipboard.writeText(field.value); else document.execCommand("copy");
      button.textContent = button.dataset.done;
    });
  }

  const live = document.getElementById("live");
  if (live) board(live);
  const page = document.querySelector("main[data-fresh]");
  if (page) fresh(page.dataset.fresh);
  document.querySelectorAll("[data-copy]").forEach(copying);
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
  document.addEventListener("submit", (event) => {
    // After this turn, so that the button's own name and value are still sent; a saved file leaves the page as is.
    const buttons = event.target.querySelectorAll("button");
    setTimeout(() => { for (const button of buttons) button.disabled = true; });
    setTimeout(() => { for (const button of buttons) button.disabled = false; }, 3000);
  });
})();
