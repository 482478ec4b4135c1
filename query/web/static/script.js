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
  place.replaceChildren(element('span', place.dataset.wait + ' '), element('progress', '', { 'aria-label': place.dataset.wait }));
  place.setAttribute('aria-busy', 'true');
  const answer = await fetch(place.dataset.load).catch(() => null);
  const page = answer && new DOMParser().parseFromString(await answer.text(), 'text/html');
  const part = page && page.querySelector('[data-part]');
  if (part) place.replaceWith(part);
  else place.replaceChildren(element('a', 'That took too long, or the store is busy. Try again', { href: place.dataset.load }));
}

// onMap names the track under the pointer, and asks for the part of the map that a
// rectangle is drawn around.
function onMap(link) {
  const tip = link.parentElement.querySelector('.tip');
  const at = (event) => {
    const edge = link.querySelector('img').getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top].map(Math.round);
  };
  let pointed = '';
  const name = later(async (x, y) => {
    const asked = pointed = x + ',' + y;
    const answer = await fetch(link.href.replace('/at?', '/at.json?') + asked).catch(() => null);
    const tracks = answer && answer.ok ? await answer.json() : [];
    if (asked !== pointed) return;
    tip.hidden = tracks.length === 0;
    if (tip.hidden) return;
    tip.replaceChildren(element('bdi', tracks[0].title || tracks[0].track_id), ' – ', element('bdi', tracks[0].artist));
    tip.style.left = link.offsetLeft + x + 14 + 'px';
    tip.style.top = link.offsetTop + y + 14 + 'px';
  }, 80);

  let from = null;
  let box = null;
  let drawn = false;
  link.addEventListener('pointerdown', (event) => { if (event.button === 0) from = at(event); drawn = false; });
  link.addEventListener('dragstart', (event) => event.preventDefault());
  link.addEventListener('pointermove', (event) => {
    const to = at(event);
    if (!from) return name(...to);
    tip.hidden = true;
    if (!box && Math.hypot(to[0] - from[0], to[1] - from[1]) > 8) box = link.appendChild(element('span', '', { class: 'box' }));
    if (!box) return;
    const [x, y] = [0, 1].map((i) => Math.min(from[i], to[i]));
    Object.assign(box.style, { left: x + 'px', top: y + 'px', width: Math.abs(to[0] - from[0]) + 'px', height: Math.abs(to[1] - from[1]) + 'px' });
  });
  addEventListener('pointerup', (event) => {
    if (box) {
      drawn = true;
      box.remove();
      location.assign(link.href + from + '&to=' + at(event));
    }
    from = box = null;
  });
  link.addEventListener('click', (event) => { if (drawn) event.preventDefault(); });
  link.addEventListener('pointerleave', () => { pointed = ''; tip.hidden = true; });
}

if (document.getElementById('q')) searchAsTyped();
document.querySelectorAll('[data-load]').forEach(load);
document.querySelectorAll('.map > a').forEach(onMap);
