"""What a page must not have, as functions for the browser: each returns what it found, [] where all is well."""

from __future__ import annotations

# Text against what is behind it (WCAG 2.2, 1.4.3). Borders, disabled buttons and drawings are not text.
CONTRAST = """() => {
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const light = ([r, g, b]) => { const f = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3])).concat(1);
  const behind = (e) => { let chain = []; for (; e; e = e.parentElement) chain.push(parse(getComputedStyle(e).backgroundColor));
    return chain.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]); };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    const text = [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join('');
    if (!text || !e.checkVisibility() || e.closest('svg, script, noscript')) continue;
    const ground = behind(e), ink = over(parse(getComputedStyle(e).color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(text + ' ' + ratio.toFixed(2));
  }
  return bad;
}"""

# Controls that nothing names (WCAG 2.2, 4.1.2 and 3.3.2).
UNNAMED = """() => {
  const said = (e) => [e.getAttribute('aria-label'), e.title, e.textContent,
      ...(e.getAttribute('aria-labelledby') || '').split(' ').map((x) => document.getElementById(x)?.textContent),
      ...(e.labels ? [...e.labels].map((x) => [...x.childNodes].filter((n) => n !== e).map((n) => n.textContent).join('')) : [])];
  const typed = (e) => e.matches('input, select, textarea');
  return [...document.querySelectorAll('a[href], button, summary, select, textarea, input:not([type=hidden])')]
    .filter((e) => e.checkVisibility())
    .filter((e) => !said(e).filter((_, n) => !(typed(e) && n === 2)).some((x) => x && x.trim()))
    .map((e) => e.outerHTML.slice(0, 120));
}"""


def targets(smallest: int) -> str:
    """Controls that are lower than that many CSS pixels; of one in a label, the label is what a thumb meets, and of a
    card's name on the board the card. Links in running text are not counted (WCAG 2.2, 2.5.8)."""
    return f"""() => [...document.querySelectorAll('a, button, summary, select, textarea, input:not([type=hidden])')]
  .filter((e) => e.checkVisibility() && !(document.documentElement.classList.contains('js') && e.id === 'photo'))
  .filter((e) => !(e.matches('a') && e.closest('p, li, dd, td, small, .note') && getComputedStyle(e).display === 'inline'))
  .map((e) => [e.outerHTML.slice(0, 90), (e.matches('[type=radio], [type=checkbox]') && e.closest('label') || e.matches('.box .head a') && e.closest('.box') || e).getBoundingClientRect().height])
  .filter(([, height]) => height < {smallest})"""
