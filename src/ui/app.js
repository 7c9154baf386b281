// The frame: which page is shown, the connection, the theme, the title.
import { count, setHidden, setText } from './dom.js';
import { connect, on, root, state } from './store.js';
import { activity } from './activity.js';
import { chat } from './chat.js';
import { logs } from './logs.js';
import { models } from './models.js';

const PAGES = { models, activity, logs, chat };
const ui = new URL('ui/', root);
const byId = id => document.getElementById(id);
const made = new Map();
let current = null;

// ---- pages

function pageOf(url) {
	const name = url.pathname.slice(ui.pathname.length).replace(/\/$/, '');
	return PAGES[name] ? name : 'models';
}

function show(focus) {
	const name = pageOf(location);
	document.querySelector('dialog')?.close();
	if (!made.has(name)) made.set(name, PAGES[name].create(byId(`page-${name}`)));
	if (current && current !== name) made.get(current).hide?.();
	current = name;
	for (const each of Object.keys(PAGES)) setHidden(byId(`page-${each}`), each !== name);
	for (const link of document.querySelectorAll('nav a')) {
		if (pageOf(new URL(link.href)) === name) link.setAttribute('aria-current', 'page');
		else link.removeAttribute('aria-current');
	}
	if (focus) {
		byId('main').focus({ preventScroll: true });
		scrollTo(0, 0);
	}
	made.get(name).show(new URLSearchParams(location.search));
	title();
}

document.addEventListener('click', event => {
	const link = event.target.closest?.('a[href]');
	if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || link.target) return;
	const url = new URL(link.href);
	if (url.origin !== location.origin || !url.pathname.startsWith(ui.pathname)) return;
	event.preventDefault();
	if (url.href !== location.href) history.pushState(null, '', url);
	show(true);
});
addEventListener('popstate', () => show(true));
byId('skip').addEventListener('click', () => byId('main').focus());

// ---- connection and title

function title() {
	const loaded = state.models.filter(model => model.state === 'ready').map(model => model.id);
	const changing = state.models.find(model => model.state === 'starting' || model.state === 'waking');
	const what = !state.connected ? '✕ not connected' : changing ? `◌ ${changing.id} is loading` : loaded.length ? `● ${loaded.join(', ')}` : '○ nothing loaded';
	const whole = `${what} · ${PAGES[current].title} · llmsnap`;
	if (document.title !== whole) document.title = whole;
}

function connection() {
	byId('connection').dataset.state = state.connected ? 'up' : 'down';
	setText(byId('connection-text'), state.connected ? 'connected' : state.problem || 'connecting');
	if (state.version) setText(byId('version'), `llmsnap ${state.version}`);
	document.body.classList.toggle('stale', !state.connected);
	title();
}

function busy() {
	setText(byId('busy'), count(state.inflight.length));
	setHidden(byId('busy'), state.inflight.length === 0);
}

// ---- theme

const THEMES = ['system', 'light', 'dark'];

function theme(name) {
	if (name === 'system') delete document.documentElement.dataset.theme;
	else document.documentElement.dataset.theme = name;
	setText(byId('theme'), `Theme: ${name}`);
}

byId('theme').addEventListener('click', () => {
	const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? 'system') + 1) % THEMES.length];
	try {
		localStorage.setItem('llmsnap.theme', next);
	} catch {
		// it is forgotten
	}
	theme(next);
});

theme(document.documentElement.dataset.theme ?? 'system');
on('connection', connection);
on('models', title);
on('inflight', busy);
show(false);
connect();
