// The view that adds a crop, or the crops of one track.

import * as service from './service.js';
import { attempt, byId, complain, count, el, isoOf, pairsOf, say, scalarOf } from './parts.js';
import { guessModality, onFiles, pictureOfFile } from './images.js';

const MOST = 64;
const form = byId('add-form');
const ADDED = { new: 'added', replaced: 'replaced', kept: 'there already, and was kept' };

let files = [];
let galleryChanged;

export function prepareAdd(onChange) {
  galleryChanged = onChange;
  onFiles(byId('add-drop'), takeFiles);
  form.elements.meta.addEventListener('input', () => form.elements.meta.setCustomValidity(''));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    add();
  });
}

async function takeFiles(more) {
  if (files.length + more.length > MOST) {
    complain({ message: `A track has at most ${MOST} crops.`, hint: 'Leave some out.' });
    return;
  }
  const first = files.length === 0;
  files.push(...more);
  showFiles();
  const guess = first && (await guessModality(more[0]));
  if (guess) form.elements.modality.value = guess;
}

function showFiles() {
  const leaveOut = (file) => {
    files = files.filter((other) => other !== file);
    showFiles();
    byId('add-file').focus();
  };
  const item = (file) => {
    const label = `Leave out ${file.name || 'pasted crop'}`;
    const out = el('button', { type: 'button', 'aria-label': label, onclick: () => leaveOut(file) }, '×');
    return el('li', {}, pictureOfFile(file), out);
  };
  byId('chosen').replaceChildren(...files.map(item));
  const words = files.length > 1 ? `Add ${files.length} crops as one track` : 'Add to the gallery';
  form.querySelector('.main').textContent = words;
}

async function add() {
  if (files.length === 0) {
    complain({ message: 'There is nothing to add yet.', hint: 'Choose one crop, or several of one track.' });
    return;
  }
  const { modality, camera, time, id, existing, meta } = form.elements;
  const pairs = pairsOf(meta);
  if (!form.reportValidity()) return;
  const metadata = Object.fromEntries(pairs.map(([key, value]) => [key, scalarOf(value)]));
  const fields = [
    ['modality', modality.value],
    ['camera', camera.value.trim()],
    ['time', isoOf(time.value)],
    ['id', id.value.trim()],
    ['existing', existing.value],
    ['metadata', pairs.length > 0 ? JSON.stringify(metadata) : ''],
  ];
  const body = new FormData();
  for (const file of files) body.append('image', file);
  for (const [name, value] of fields.filter(([, value]) => value !== '')) body.append(name, value);
  const answer = await attempt(() => service.add(body, files.length > 1), form.querySelector('.main'));
  if (!answer) return;
  const track = files.length > 1 ? ` (${count(files.length, 'crop')} of one track)` : '';
  say(`${answer.entry.id}${track} is ${ADDED[answer.added]}`);
  files = [];
  showFiles();
  id.value = '';
  galleryChanged();
}
