// The HTTP service: every request of the page goes through here.

const BASE = 'api/v1/';
const TRIES_WHEN_BUSY = 4;

let token = '';
let askForToken = async () => undefined;
let asking;

/** What the service refused, or that it could not be reached (status 0). */
export class ServiceError extends Error {
  constructor(status, { message, hint }) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

/** `ask(wasWrong)` gives the token that a person typed, or undefined. */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

export const gallery = () => json('gallery');
export const health = async () => (await send('../../health')).json();
export const crops = (fields) => json(`crops?${new URLSearchParams(fields)}`);
export const image = async (id) => (await send(`${crop(id)}/image`)).blob();
export const forget = (id) => json(crop(id), { method: 'DELETE' });
export const search = (form, signal) => json('search', { method: 'POST', body: form, signal });
export const similar = (id, fields, signal) => json(`${crop(id)}/similar?${new URLSearchParams(fields)}`, { signal });
export const add = (form, isTrack) => json(isTrack ? 'tracklets' : 'crops', { method: 'POST', body: form });
export const judge = (judgement) => post('judgements', judgement);
export const judgements = async () => (await json('judgements')).judgements;
export const people = (fields) => json(`people?${new URLSearchParams(fields)}`);
export const person = (number) => json(`people/${encodeURIComponent(number)}`);
export const changePeople = (what, body = {}) => post(`people/${what}`, body);

const crop = (id) => `crops/${encodeURIComponent(id)}`;
const json = async (path, options) => (await send(path, options)).json();
const post = (path, body) =>
  json(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

async function send(path, options = {}) {
  for (let tries = 1; ; tries += 1) {
    const used = token;
    const response = await reach(path, options, used);
    if (response.ok) return response;
    if (response.status === 503 && response.headers.has('retry-after') && tries < TRIES_WHEN_BUSY) {
      await new Promise((done) => setTimeout(done, 1000 * (Number(response.headers.get('retry-after')) || 1)));
    } else if (response.status !== 401 || !(await otherToken(used))) {
      throw await refusal(response);
    }
  }
}

async function reach(path, options, used) {
  const headers = { ...options.headers, ...(used && { authorization: `Bearer ${used}` }) };
  try {
    return await fetch(new URL(BASE + path, document.baseURI), { ...options, headers, cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ServiceError(0, {
      message: 'The service does not answer.',
      hint: 'Look whether it is still running and this device is connected, then try again.',
    });
  }
}

/** Whether there is another token now than the one that was refused. Requests that are refused together ask once. */
async function otherToken(refused) {
  if (token !== refused) return true;
  asking ??= askForToken(refused !== '').finally(() => (asking = undefined));
  token = (await asking) ?? token;
  return token !== refused;
}

async function refusal(response) {
  try {
    return new ServiceError(response.status, (await response.json()).error);
  } catch {
    const message = `The service answered ${response.status} ${response.statusText}.`;
    return new ServiceError(response.status, { message });
  }
}
