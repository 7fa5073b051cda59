// The page: its views, and what is said of the gallery as a whole.

import * as service from './service.js';
import { askToken, attempt, byId, calm, el, hush } from './parts.js';
import { offerCameras } from './filter.js';
import { prepareSearch } from './search.js';
import { prepareAdd } from './add.js';
import { preparePeople, showPeople } from './people.js';

const VIEWS = { search: 'Search', add: 'Add', people: 'People' };

let shown;

function showView() {
  const asked = location.hash.slice(1);
  const view = Object.hasOwn(VIEWS, asked) ? asked : 'search';
  for (const name of Object.keys(VIEWS)) {
    byId(`view-${name}`).hidden = name !== view;
    const link = document.querySelector(`nav a[href="#${name}"]`);
    if (name === view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${VIEWS[view]} · vireid`;
  if (shown && shown !== view) {
    calm();
    hush();
    scrollTo(0, 0);
    byId(`${view}-title`).focus({ preventScroll: true });
  }
  shown = view;
  if (view === 'people') showPeople();
}

async function tellGallery() {
  await attempt(async () => {
    const [gallery, health] = await Promise.all([service.gallery(), service.health()]);
    const [visible, infrared] = [gallery.visible, gallery.infrared].map((number) => number.toLocaleString());
    byId('counts').textContent = `${visible} visible, ${infrared} infrared`;
    offerCameras(byId('search-form'), gallery.cameras);
    byId('camera-names').replaceChildren(...gallery.cameras.map((camera) => el('option', { value: camera })));
    byId('notices').replaceChildren(...noticesOf(gallery, health));
  });
}

function noticesOf(gallery, health) {
  const notices = [];
  const notice = (...parts) => notices.push(el('p', { class: 'notice' }, ...parts));
  if (gallery.visible + gallery.infrared === 0) {
    notice('The gallery is empty. ', el('a', { href: '#add' }, 'Add crops'), ' first.');
  }
  if (!gallery.calibrated) {
    notice('The network is not calibrated: answers have a similarity, but no probability and no verdict.');
  }
  if (!gallery.keeps_images) notice('This gallery keeps no images: answers are shown without.');
  if (health.status === 'read-only') notice('The gallery can be read only: nothing can be added, changed or deleted.');
  return notices;
}

function start() {
  service.onTokenNeeded(askToken);
  prepareSearch(tellGallery);
  prepareAdd(tellGallery);
  preparePeople();
  addEventListener('hashchange', showView);
  showView();
  tellGallery();
}

start();
