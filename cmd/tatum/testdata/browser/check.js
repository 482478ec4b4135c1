// What a page must have for everyone to use it. Gives a list of sentences, empty
// when all is well.
(() => {
  const found = [];
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const seen = (e) => e.checkVisibility({ visibilityProperty: true });
  const name = (e) => (e.getAttribute('aria-label') ||
    (e.getAttribute('aria-labelledby') || '').split(' ').map((id) => document.getElementById(id)?.textContent || '').join('') ||
    [...(e.labels || [])].map((l) => l.textContent).join('') || e.textContent || e.getAttribute('alt') || '').trim() || e.querySelector?.('img[alt]')?.alt || '';
  const html = (e) => e.outerHTML.slice(0, 120);

  if (document.compatMode !== 'CSS1Compat') found.push('quirks mode');
  if (document.documentElement.lang !== 'en') found.push('no language');
  if (!document.title) found.push('no title');
  if (all('main').length !== 1) found.push('not one main');
  if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${innerWidth}`);
  for (const e of all('a[href], button, input, summary')) if (seen(e) && !name(e)) found.push('no name: ' + html(e));
  for (const e of all('img')) {
    if (!e.hasAttribute('alt')) found.push('no words: ' + html(e));
    if (e.complete && e.loading !== 'lazy' && e.naturalWidth === 0) found.push('not drawn: ' + html(e));
  }
  for (const e of all('section, nav, [role=region]')) if (!name(e)) found.push('no name: ' + html(e));
  for (const e of all('[aria-labelledby], [aria-describedby], label[for]')) {
    for (const id of (e.getAttribute('aria-labelledby') || e.getAttribute('aria-describedby') || e.htmlFor).split(' ')) {
      if (!document.getElementById(id)) found.push(`no element ${id}: ` + html(e));
    }
  }
  const ids = all('[id]').map((e) => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push('twice: ' + id);
  let level = 0;
  for (const e of all('h1, h2, h3, h4')) {
    const next = Number(e.tagName[1]);
    if (next > level + 1) found.push(`heading ${next} after ${level}: ` + html(e));
    level = next;
  }
  for (const table of all('table')) {
    if (!table.caption?.textContent) found.push('no caption: ' + html(table));
    if (all('thead th[scope=col]', table).length === 0) found.push('no headers: ' + html(table));
    for (const row of all('tbody tr', table)) if (row.cells.length !== table.tHead.rows[0].cells.length) found.push('cells and headers differ: ' + html(row));
  }
  for (const e of all('[tabindex]')) if (Number(e.getAttribute('tabindex')) > 0) found.push('order of tabs: ' + html(e));
  for (const e of all('.scroll')) if (e.scrollWidth > e.clientWidth && e.tabIndex !== 0) found.push('scrolls without keyboard: ' + html(e));

  // Contrast, as WCAG 2 has it.
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c[3] === 255) return c;
    }
    return [255, 255, 255, 255];
  };
  const bad = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !seen(e) || e.closest('svg')) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(rgba(style.color)), light(ground(e))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) bad.add(`contrast ${ratio.toFixed(2)}: ` + html(e));
  }
  return found.concat([...bad].slice(0, 5));
})()
