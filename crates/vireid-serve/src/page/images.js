// Images: those that the gallery keeps, and those that a person brings.

import * as service from './service.js';
import { complain, el } from './parts.js';

// A grey image that went through JPEG has channels that differ a little.
const NO_COLOUR = 10;

const wanted = new WeakMap();
const watch = new IntersectionObserver(
  (seen) => {
    for (const { target } of seen.filter((box) => box.isIntersecting)) {
      watch.unobserve(target);
      fetchInto(target, wanted.get(target));
    }
  },
  { rootMargin: '300px' },
);

/** The image of an entry, fetched when it comes into sight; a placeholder where none is kept. */
export function pictureOf(entry) {
  const box = placeholder(entry.has_image ? '' : 'no image');
  if (entry.has_image) {
    wanted.set(box, entry);
    watch.observe(box);
  }
  return box;
}

function placeholder(text) {
  return el('div', { class: 'picture' }, el('span', {}, text));
}

async function fetchInto(box, entry) {
  try {
    await show(box, await service.image(entry.id), `${entry.modality} crop`);
  } catch {
    box.replaceChildren(el('span', {}, 'no image'));
  }
}

async function show(box, blob, alt) {
  const url = URL.createObjectURL(blob);
  try {
    const img = el('img', { src: url, alt });
    await img.decode();
    box.replaceChildren(img);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The picture of a file that a person brought. */
export function pictureOfFile(file) {
  const box = placeholder('');
  show(box, file, file.name || 'chosen crop').catch(() => {
    box.replaceChildren(el('span', {}, 'this browser can’t show it'));
  });
  return box;
}

/** `infrared` where no pixel has a colour, `visible` where one has, undefined where the browser can't read the file. */
export async function guessModality(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, 256 / Math.max(bitmap.width, bitmap.height));
    const size = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    const [width, height] = size;
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    for (let at = 0; at < data.length; at += 4) {
      const rgb = [data[at], data[at + 1], data[at + 2]];
      if (Math.max(...rgb) - Math.min(...rgb) > NO_COLOUR) return 'visible';
    }
    return 'infrared';
  } catch {
    return undefined;
  }
}

/** Files that are chosen, dropped on `zone`, or pasted while it is on show, go to `take`. */
export function onFiles(zone, take) {
  const input = zone.querySelector('input');
  const offer = async (files) => {
    const read = await readAll([...files].filter(isImage));
    if (read.length > 0) take(read);
  };
  input.addEventListener('change', async () => {
    await offer(input.files);
    input.value = '';
  });
  document.addEventListener('paste', (event) => {
    if (zone.offsetParent && event.clipboardData.files.length > 0) {
      event.preventDefault();
      offer(event.clipboardData.files);
    }
  });
  document.addEventListener('dragover', (event) => {
    if (!zone.offsetParent) return;
    event.preventDefault();
    zone.classList.add('over');
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) zone.classList.remove('over');
  });
  document.addEventListener('drop', (event) => {
    if (!zone.offsetParent) return;
    event.preventDefault();
    zone.classList.remove('over');
    offer(event.dataTransfer.files);
  });
}

function isImage(file) {
  const fits = !file.type || file.type.startsWith('image/');
  if (!fits) complain({ message: `${file.name} is not an image.`, hint: 'A crop of one person is wanted.' });
  return fits;
}

/** Their bytes, now: a file may be changed or gone when it is sent. */
async function readAll(files) {
  try {
    return await Promise.all(
      files.map(async (file) => new File([await file.arrayBuffer()], file.name, { type: file.type })),
    );
  } catch {
    complain({ message: 'A file can’t be read.', hint: 'Look whether it is still there, then choose it again.' });
    return [];
  }
}
