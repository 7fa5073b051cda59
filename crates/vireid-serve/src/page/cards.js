// Answers as cards, and the keys that work on them.

import { count, el, timeOf } from './parts.js';
import { pictureOf } from './images.js';

let made = 0;

/** A card. `actions` are `judge(answer, same)`, `searchWith(answer)` and `forget(answer)`. */
export function cardOf(answer, rank, actions) {
  made += 1;
  const title = `card-${made}`;
  const verb = (text, then, properties = {}) =>
    el('button', { type: 'button', 'aria-describedby': title, onclick: then, ...properties }, text);
  const tone = answer.verdict === 'unknown' ? 'verdict' : 'verdict same';
  const verdict = answer.verdict && el('p', { class: tone }, answer.verdict);
  const card = el(
    'article',
    { class: 'card', tabindex: '0', 'aria-labelledby': title, 'aria-keyshortcuts': 'a r' },
    pictureOf(answer),
    el(
      'div',
      { class: 'told' },
      el('h4', { id: title }, el('span', { class: 'rank' }, `${rank}. `), answer.id),
      verdict,
      factsOf(answer),
    ),
    el(
      'div',
      { class: 'verbs' },
      verb('Accept', () => actions.judge(answer, true), { class: 'accept', 'aria-pressed': 'false' }),
      verb('Reject', () => actions.judge(answer, false), { class: 'reject', 'aria-pressed': 'false' }),
      verb('Search with this one', () => actions.searchWith(answer), { class: 'with' }),
      verb('Delete', () => actions.forget(answer), { class: 'delete' }),
    ),
  );
  return el('li', { 'data-id': answer.id }, card);
}

/** Shows what a person said of an answer: true, false, or nothing yet. */
export function press(item, same) {
  item.querySelector('.accept').setAttribute('aria-pressed', String(same === true));
  item.querySelector('.reject').setAttribute('aria-pressed', String(same === false));
}

function factsOf(answer) {
  const list = el('dl');
  const fact = (name, value) => {
    if (value !== undefined && value !== '') list.append(el('div', {}, el('dt', {}, name), el('dd', {}, value)));
  };
  fact('similarity', answer.similarity?.toFixed(3));
  fact('probability', answer.probability === undefined ? undefined : percent(answer.probability));
  fact('distance', answer.distance?.toFixed(3));
  fact('modality', answer.modality);
  fact('camera', answer.camera);
  fact('time', answer.time && timeOf(answer.time));
  fact('track', answer.crops > 1 ? count(answer.crops, 'crop') : undefined);
  fact('person', answer.person === undefined ? undefined : String(answer.person));
  for (const [key, value] of Object.entries(answer.metadata ?? {})) fact(key, String(value));
  return list;
}

/** Neither 0 nor 100 where it is not quite that. */
function percent(probability) {
  if (probability < 0.001) return 'under 0.1 %';
  return probability > 0.999 ? 'over 99.9 %' : `${(100 * probability).toFixed(1)} %`;
}

/** Arrow keys, Home and End move between the cards of a list; other keys go to `act(key, item)`. */
export function onCardKeys(list, act) {
  list.addEventListener('keydown', (event) => {
    const item = event.target.closest('li');
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = neighbour(list, item, event.key);
    if (next) {
      event.preventDefault();
      next.querySelector('.card').focus();
    } else {
      act(event.key.toLowerCase(), item);
    }
  });
}

function neighbour(list, item, key) {
  const items = [...list.children];
  const at = items.indexOf(item);
  const firstRow = items.filter((other) => other.offsetTop === items[0].offsetTop);
  const to = {
    ArrowLeft: at - 1,
    ArrowRight: at + 1,
    ArrowUp: at - firstRow.length,
    ArrowDown: at + firstRow.length,
    Home: 0,
    End: items.length - 1,
  }[key];
  return items[to];
}
