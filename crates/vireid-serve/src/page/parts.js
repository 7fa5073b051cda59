// Small parts that all views are made of: elements, messages, questions, and how values are written.

export const byId = (id) => document.getElementById(id);

/** An element. `on...` are listeners; other properties attributes, left out where they are false or undefined. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

let quiet;

/** Tells a person what was done. */
export function say(text) {
  clearTimeout(quiet);
  byId('status').replaceChildren(el('p', {}, text));
  quiet = setTimeout(hush, 10_000);
}

export const hush = () => byId('status').replaceChildren();

/** Tells a person what went wrong, and what helps. */
export function complain(error) {
  const hint = error.hint && el('p', {}, error.hint);
  const close = el('button', { type: 'button', 'aria-label': 'Close this message', onclick: calm }, '×');
  hush();
  byId('alert').replaceChildren(el('div', {}, el('p', {}, error.message), hint || ''), close);
}

export const calm = () => byId('alert').replaceChildren();

/** Does something that may fail, and says so if it does. A button can't begin it again meanwhile. */
export async function attempt(work, button) {
  if (button?.getAttribute('aria-disabled') === 'true') return undefined;
  button?.setAttribute('aria-disabled', 'true');
  calm();
  try {
    return await work();
  } catch (error) {
    if (error.name !== 'AbortError') complain(error);
    return undefined;
  } finally {
    button?.removeAttribute('aria-disabled');
  }
}

/** Asks before something that can't be taken back. */
export function confirmed(question, yes) {
  const dialog = byId('confirm');
  byId('confirm-text').textContent = question;
  dialog.querySelector('.yes').textContent = yes;
  return answerOf(dialog, () => true);
}

/** Asks for the service's token. */
export function askToken(wasWrong) {
  const dialog = byId('token-dialog');
  byId('token').value = '';
  byId('token-note').textContent = wasWrong ? 'The service does not accept that token.' : '';
  return answerOf(dialog, () => byId('token').value.trim() || undefined);
}

/** Shows a dialog; what `answer` gives where a person agrees, undefined where not. */
function answerOf(dialog, answer) {
  return new Promise((resolve) => {
    const ends = new AbortController();
    const listen = (node, event, then) => node?.addEventListener(event, then, { signal: ends.signal });
    let given;
    const yes = (event) => {
      event.preventDefault();
      given = answer();
      dialog.close();
    };
    listen(dialog.querySelector('form'), 'submit', yes);
    listen(dialog.querySelector('.yes'), 'click', yes);
    listen(dialog.querySelector('.no'), 'click', () => dialog.close());
    listen(dialog, 'close', () => {
      ends.abort();
      byId('token').value = '';
      resolve(given);
    });
    dialog.showModal();
  });
}

/** A field in a closed part of a form can't be focused to say what is wrong with it: opens the part. */
export function openWhatIsWrong(form) {
  form.addEventListener('invalid', (event) => event.target.closest('details')?.setAttribute('open', ''), true);
}

/** A number of things in words: `3 crops`. */
export const count = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

/** A time as people here write it; the exact one is in `datetime`. */
export function timeOf(iso) {
  const local = new Date(iso).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
  return el('time', { datetime: iso, title: iso }, local);
}

/** What a `datetime-local` field says, as the service reads it. */
export const isoOf = (local) => (local ? new Date(local).toISOString() : '');

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i;

/** Lines of `key=value` as pairs of texts; a line that is none makes the field invalid. */
export function pairsOf(field) {
  const lines = field.value.split('\n').map((line) => line.trim());
  const pairs = lines.filter(Boolean).map((line) => {
    const at = line.indexOf('=');
    return [line.slice(0, at).trim(), line.slice(at + 1).trim(), at > 0];
  });
  const wrong = pairs.some(([key, , isPair]) => !isPair || !key);
  field.setCustomValidity(wrong ? 'Each line must be key=value.' : '');
  return pairs.map(([key, value]) => [key, value]);
}

/** A value of metadata as what it reads as: true, false, a number of JSON, or a text; the service reads filters so. */
export function scalarOf(text) {
  if (text === 'true' || text === 'false') return text === 'true';
  return NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}
