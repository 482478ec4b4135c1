// Pages work without this script. It searches as one types, loads what takes
// long without leaving the page, and tells what is under the pointer on a map.
'use strict';

// later returns fn, called only once it has not been asked for a while.
function later(fn, milliseconds) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => fn(...args), milliseconds);
  };
}

// element makes an element with text, which is never read as HTML.
function element(name, text, attributes) {
  const e = document.createElement(name);
  e.textContent = text;
  for (const [key, value] of Object.entries(attributes || {})) e.setAttribute(key, value);
  return e;
}

function searchAsTyped() {
  const form = document.querySelector('form.search');
  const input = document.getElementById('q');
  const found = document.getElementById('found');
  const said = document.getElementById('said');
  const most = 8;
  let asked = '';
  const close = () => { found.hidden = true; };

  const show = (text, tracks) => {
    found.replaceChildren();
    for (const t of tracks.slice(0, most)) {
      const a = element('a', t.title || '(no title)', { href: '/track/' + encodeURIComponent(t.track_id), dir: 'auto' });
      a.append(element('small', [t.artist, t.release, t.year].filter(Boolean).join(' · ')));
      found.append(a);
    }
    if (tracks.length > most) found.append(element('a', 'All tracks found', { href: '/search?q=' + encodeURIComponent(text) }));
    found.hidden = tracks.length === 0;
    said.textContent = tracks.length === 0 ? 'No tracks' : tracks.length > most ? 'Many tracks, arrow down for the first' : tracks.length + ' tracks, arrow down for them';
  };

  input.addEventListener('input', later(async () => {
    const text = asked = input.value.trim();
    if (text.length < 2) return close();
    const answer = await fetch('/search.json?q=' + encodeURIComponent(text)).catch(() => null);
    if (!answer || !answer.ok || text !== asked) return;
    show(text, await answer.json());
  }, 150));

  form.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') { close(); input.focus(); }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || found.hidden) return;
    const stops = [input, ...found.querySelectorAll('a')];
    const next = stops[stops.indexOf(document.activeElement) + step];
    if (next) next.focus();
    event.preventDefault();
  });
  form.addEventListener('focusout', (event) => { if (!form.contains(event.relatedTarget)) close(); });
}

// load puts in place what a page keeps for later.
async function load(place) {
  place.replaceChildren(element('span', 'Comparing with all songs… '), element('progress', ''));
  place.setAttribute('aria-busy', 'true');
  const answer = await fetch(place.dataset.load).catch(() => null);
  const page = answer && new DOMParser().parseFromString(await answer.text(), 'text/html');
  const part = page && page.querySelector('[data-part]');
  if (part) place.replaceWith(part);
  else place.replaceChildren(element('a', 'That took too long, or the store is busy. Try again', { href: place.dataset.load }));
}

if (document.getElementById('q')) searchAsTyped();
document.querySelectorAll('[data-load]').forEach(load);
