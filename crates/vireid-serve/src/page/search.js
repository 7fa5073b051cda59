// The view that searches with a crop, or with an entry, and takes judgements.

import * as service from './service.js';
import { attempt, byId, complain, confirmed, count, el, say } from './parts.js';
import { guessModality, onFiles, pictureOf, pictureOfFile } from './images.js';
import { cardOf, onCardKeys, press } from './cards.js';
import { filterFields, prepareFilter } from './filter.js';

const form = byId('search-form');
const answers = byId('answers');
const note = byId('answers-note');

// What is searched with: a file, or an entry of the gallery.
let query;
// What the answers on show are answers to.
let answered;
let running = new AbortController();
let galleryChanged;

export function prepareSearch(onChange) {
  galleryChanged = onChange;
  prepareFilter(form);
  onFiles(byId('search-drop'), takeFile);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    search();
  });
  byId('query-modality').addEventListener('change', () => query && search());
  onCardKeys(answers, (key, item) => {
    if (key === 'a') item.querySelector('.accept').click();
    if (key === 'r') item.querySelector('.reject').click();
  });
}

async function takeFile([file]) {
  const guess = await guessModality(file);
  if (guess) form.elements.modality.value = guess;
  setQuery({ file }, pictureOfFile(file), file.name || 'pasted crop');
  search();
}

function searchWith(entry) {
  form.elements.modality.value = entry.modality;
  setQuery({ entry }, pictureOf(entry), entry.id);
  byId('answers-title').focus();
  search();
}

function setQuery(next, picture, name) {
  query = next;
  byId('query-modality').disabled = next.entry !== undefined;
  byId('query').replaceChildren(picture, el('figcaption', {}, el('span', { class: 'hint' }, 'Searched with '), name));
  byId('query').hidden = false;
}

async function search() {
  if (!query) {
    complain({ message: 'There is nothing to search with yet.', hint: 'Choose a crop, or drop or paste one.' });
    return;
  }
  const modality = form.elements.modality.value;
  const fields = filterFields(form, modality);
  if (!fields) return;
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const asked = { ...query, modality };
  answers.setAttribute('aria-busy', 'true');
  note.textContent = 'Searching …';
  const found = await attempt(() => ask(asked, fields, signal));
  if (signal.aborted) return;
  answers.removeAttribute('aria-busy');
  if (found) showAnswers(found, asked);
  else note.textContent = answers.children.length > 0 ? 'These are the answers of the search before.' : 'No answers.';
}

async function ask({ file, entry, modality }, fields, signal) {
  if (entry) {
    const [found, said] = await Promise.all([service.similar(entry.id, fields, signal), saidBefore(entry.id)]);
    return { answers: found.answers, said };
  }
  const body = new FormData();
  body.append('image', file);
  body.append('modality', modality);
  for (const [name, value] of fields) body.append(name, value);
  return { answers: (await service.search(body, signal)).answers, said: new Map() };
}

/** What was said earlier of answers to this entry; nothing where the gallery keeps no judgements. */
async function saidBefore(id) {
  try {
    const judgements = await service.judgements();
    return new Map(judgements.filter(({ query: of }) => of === id).map(({ answer, same }) => [answer, same]));
  } catch {
    return new Map();
  }
}

function showAnswers({ answers: found, said }, asked) {
  answered = asked;
  const actions = { judge, searchWith, forget };
  const items = found.map((answer, at) => cardOf(answer, at + 1, actions));
  for (const item of items) press(item, said.get(item.dataset.id));
  answers.replaceChildren(...items);
  const all = `${count(found.length, 'answer')}, the most similar first.`;
  note.textContent = found.length > 0 ? all : 'Nothing in the gallery fits this filter.';
  say(count(found.length, 'answer'));
  const title = byId('answers-title');
  if (title.getBoundingClientRect().top > innerHeight) title.scrollIntoView();
}

const itemOf = (id) => [...answers.children].find((item) => item.dataset.id === id);

async function judge(answer, same) {
  const item = itemOf(answer.id);
  const button = item.querySelector(same ? '.accept' : '.reject');
  if (button.getAttribute('aria-pressed') === 'true') return;
  const { entry, modality } = answered;
  const of = entry ? { query: entry.id } : { query_modality: modality, similarity: answer.similarity };
  const kept = await attempt(() => service.judge({ ...of, answer: answer.id, same }), button);
  if (!kept) return;
  press(item, same);
  say(`${answer.id} is ${same ? 'accepted' : 'rejected'}`);
}

async function forget(answer) {
  const what = `Delete ${answer.id} from the gallery, with its image and all that was said of it?`;
  const question = `${what} This can’t be taken back.`;
  if (!(await confirmed(question, 'Delete'))) return;
  const done = await attempt(() => service.forget(answer.id));
  if (!done) return;
  const item = itemOf(answer.id);
  const next = item?.nextElementSibling ?? item?.previousElementSibling;
  item?.remove();
  (next?.querySelector('.card') ?? byId('answers-title')).focus();
  say(`${answer.id} is deleted`);
  galleryChanged();
}
