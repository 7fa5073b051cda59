// The view that shows the gallery's groups as people, and puts right what is wrong with them.

import * as service from './service.js';
import { attempt, byId, confirmed, count, el, openWhatIsWrong, say } from './parts.js';
import { pictureOf } from './images.js';

const PAGE = 50;
const view = byId('view-people');
const form = byId('group-form');
const list = byId('people');
const nobody = byId('nobody');

let next;
let nextNobody;

export function preparePeople() {
  openWhatIsWrong(form);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    group();
  });
  byId('more-people').addEventListener('click', () => attempt(morePeople, byId('more-people')));
  byId('more-nobody').addEventListener('click', () => attempt(moreNobody, byId('more-nobody')));
  byId('merge').addEventListener('click', merge);
  byId('split').addEventListener('click', split);
  byId('remove').addEventListener('click', remove);
  view.addEventListener('change', tellSelected);
}

/** Asks the service anew. */
export function showPeople() {
  return attempt(async () => {
    list.setAttribute('aria-busy', 'true');
    try {
      next = undefined;
      await morePeople(true);
    } finally {
      list.removeAttribute('aria-busy');
    }
  });
}

async function morePeople(anew) {
  const page = await service.people({ limit: PAGE, ...(next !== undefined && { after: next }) });
  if (anew === true) list.replaceChildren();
  list.append(...page.people.map(personItem));
  next = page.next;
  byId('more-people').hidden = next === undefined;
  const known = list.children.length > 0 ? 'The biggest group first' : 'Nobody is known yet';
  byId('people-note').textContent = `${known}; ${leftOver(page.unassigned)}.`;
  nobody.hidden = page.unassigned === 0;
  if (anew === true) forgetNobody();
  tellSelected();
}

function leftOver(crops) {
  return crops === 0 ? 'no crop is left over' : `${count(crops, 'crop belongs', 'crops belong')} to nobody`;
}

function personItem({ person, crops, entries }) {
  const title = `person-${person}`;
  const tiles = el('div', { class: 'tiles' }, ...entries.map(tileOf));
  const showAll = async () => {
    const all = await service.person(person);
    tiles.replaceChildren(...all.entries.map(tileOf));
    more.remove();
    tiles.querySelector('input').focus();
    tellSelected();
  };
  const onMore = { type: 'button', 'aria-describedby': title, onclick: () => attempt(showAll, more) };
  const more = el('button', onMore, `Show all ${crops}`);
  const onSelect = { type: 'checkbox', class: 'person', value: person, 'aria-label': `Select person ${person}` };
  const name = el('label', {}, el('input', onSelect), el('h3', { id: title }, `Person ${person}`));
  const bar = el('div', { class: 'bar' }, name, el('p', { class: 'hint' }, count(crops, 'crop')));
  return el('li', {}, bar, tiles, crops > entries.length ? more : undefined);
}

function tileOf(entry) {
  const told = [entry.modality, entry.camera].filter(Boolean).join(', ');
  return el(
    'label',
    { class: 'tile' },
    pictureOf(entry),
    el('input', { type: 'checkbox', class: 'crop', value: entry.id }),
    el('span', {}, entry.id),
    el('span', { class: 'hint' }, told),
  );
}

function forgetNobody() {
  nextNobody = '';
  nobody.querySelector('.tiles').replaceChildren();
  byId('more-nobody').hidden = false;
  byId('more-nobody').textContent = 'Show them';
}

async function moreNobody() {
  const tiles = [];
  do {
    const page = await service.crops({ limit: 200, ...(nextNobody && { after: nextNobody }) });
    tiles.push(...page.entries.filter(({ person }) => person === undefined).map(tileOf));
    nextNobody = page.next;
  } while (nextNobody && tiles.length < PAGE);
  nobody.querySelector('.tiles').append(...tiles);
  byId('more-nobody').hidden = !nextNobody;
  byId('more-nobody').textContent = 'Show more';
  tiles[0]?.querySelector('input').focus();
}

const ticked = (kind) => [...view.querySelectorAll(`input.${kind}:checked`)].map((box) => box.value);

function tellSelected() {
  const [people, crops] = [ticked('person').length, ticked('crop').length];
  const parts = [people && count(people, 'person', 'people'), crops && count(crops, 'crop')].filter(Boolean);
  byId('selected').textContent = parts.length > 0 ? `${parts.join(' and ')} selected` : 'Nothing selected';
  byId('merge').disabled = people < 2;
  byId('split').disabled = crops < 1;
  byId('remove').disabled = crops < 1;
}

async function group() {
  const question = 'Group the gallery anew? The people there are now, and what was put right by hand, are given up.';
  if (list.children.length > 0 && !(await confirmed(question, 'Group anew'))) return;
  const words = (told) => `${count(told.people, 'person', 'people')} found; ${leftOver(told.unassigned)}`;
  const said = [...new FormData(form)].filter(([, value]) => value !== '');
  const settings = Object.fromEntries(said.map(([name, value]) => [name, Number(value)]));
  await change('cluster', settings, byId('group'), words);
}

function merge() {
  const words = (told) => `Merged into person ${told.person}, ${count(told.crops, 'crop')}`;
  return change('merge', { people: ticked('person').map(Number) }, byId('merge'), words);
}

function split() {
  const words = (told) => `Split off as person ${told.person}, ${count(told.crops, 'crop')}`;
  return change('split', { entries: ticked('crop') }, byId('split'), words);
}

function remove() {
  const entries = ticked('crop');
  return change('remove', { entries }, byId('remove'), () => `${leftOver(entries.length)} now`);
}

/** Changes the people, shows them anew, and says what was done. A complaint stays on show. */
async function change(what, body, button, words) {
  const note = byId('people-note').textContent;
  if (what === 'cluster') byId('people-note').textContent = 'Grouping … this can take a while.';
  const told = await attempt(() => service.changePeople(what, body), button);
  if (!told) {
    byId('people-note').textContent = note;
    return;
  }
  await showPeople();
  byId('people-title').focus();
  say(words(told));
}
