// The filter of a search: from the form to the fields that the service reads.

import { el, isoOf, openWhatIsWrong, pairsOf } from './parts.js';

const OTHER = { infrared: 'visible', visible: 'infrared' };

/** Pairs of names and values, where the form is right; undefined where it is not, and then the form says what is wrong. */
export function filterFields(form, queryModality) {
  const pairs = pairsOf(form.elements.meta);
  if (!form.reportValidity()) return undefined;
  const { among, top, from, until, rerank, k1, k2, lambda } = form.elements;
  const modality = among.value === 'other' ? OTHER[queryModality] : among.value;
  const cameras = [...form.querySelectorAll('#cameras input:checked')].map((box) => box.value);
  const all = [
    ['top', top.value],
    ['among', modality === 'both' ? '' : modality],
    ...cameras.map((camera) => ['camera', camera]),
    ['from', isoOf(from.value)],
    ['until', isoOf(until.value)],
    ...pairs.map(([key, value]) => [`meta.${key}`, value]),
    ['rerank', rerank.checked ? `${k1.value},${k2.value},${lambda.value}` : ''],
  ];
  return all.filter(([name, value]) => value !== '' || name.startsWith('meta.'));
}

/** Offers these cameras, and keeps ticked what was ticked. */
export function offerCameras(form, cameras) {
  const ticked = new Set([...form.querySelectorAll('#cameras input:checked')].map((box) => box.value));
  const box = (camera) =>
    el('label', {}, el('input', { type: 'checkbox', value: camera, checked: ticked.has(camera) }), ` ${camera}`);
  form.querySelector('#cameras').hidden = cameras.length === 0;
  form.querySelector('#cameras .choices').replaceChildren(...cameras.map(box));
}

/** Keeps the form's parts in step with each other. */
export function prepareFilter(form) {
  const { rerank, k1, k2, lambda, meta } = form.elements;
  const follow = () => {
    form.querySelector('#rerank-numbers').hidden = !rerank.checked;
    for (const field of [k1, k2, lambda]) field.disabled = !rerank.checked;
  };
  rerank.addEventListener('change', follow);
  meta.addEventListener('input', () => meta.setCustomValidity(''));
  openWhatIsWrong(form);
  follow();
}
