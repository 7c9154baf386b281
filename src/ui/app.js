// The frame: which page is shown, the connection, the theme, the title.
import { dot, h, keyed, setAttribute, setHidden, setText } from './dom.js';
import { pauseBanner } from './actions.js';
import { LOADING, byName, clock, count, isWaiting, wordOf } from './format.js';
import { connect, idPath, looked, on, root, state } from './store.js';
import { activity } from './pages/activity.js';
import { chat } from './pages/chat.js';
import { logs } from './pages/logs.js';
import { model } from './pages/model.js';
import { models } from './pages/models.js';
import { now } from './pages/now.js';
import { settings } from './pages/settings.js';
import { tries } from './pages/try.js';

/**
 * By name. Each makes, with its element: `topics` at which it is to `draw` itself while it is seen,
 * and perhaps `show` and `hide`, a `tick` for each second, and a `title` of its own.
 */
const PAGES = { now, models, model, activity, logs, chat, try: tries, settings };
/** Pages that are reached from another one. */
const PARENTS = { model: 'models', try: 'chat' };
const ui = new URL('ui/', root);
const byId = id => document.getElementById(id);
const made = new Map();
let current = null;

function decoded(part) {
	try {
		return decodeURIComponent(part);
	} catch {
		return part; // somebody has typed it
	}
}

/** The page of an address, and what it is about. */
function pageOf(url) {
	const path = url.pathname.slice(ui.pathname.length).replace(/\/$/, '');
	const [name, ...rest] = path.split('/');
	if (name === 'models' && rest.length) return ['model', rest.map(decoded).join('/')];
	return [PAGES[name] && name !== 'model' ? name : 'now'];
}

function create(name) {
	const page = PAGES[name].create(byId(`page-${name}`));
	for (const topic of page.topics) on(topic, () => current === name && page.draw(topic));
	made.set(name, page);
}

function show(focus) {
	const [name, about] = pageOf(location);
	document.querySelector('dialog')?.close();
	if (!made.has(name)) create(name);
	if (current && current !== name) made.get(current).hide?.();
	current = name;
	for (const each of Object.keys(PAGES)) setHidden(byId(`page-${each}`), each !== name);
	for (const link of document.querySelectorAll('header nav a')) {
		const [its] = pageOf(new URL(link.href));
		link.ariaCurrent = its === (PARENTS[name] ?? name) ? 'page' : null;
	}
	if (focus) {
		byId('main').focus({ preventScroll: true });
		scrollTo(0, 0);
	}
	const page = made.get(name);
	page.show?.(new URLSearchParams(location.search), about);
	page.draw();
	title();
}

document.addEventListener('click', event => {
	const link = event.target.closest?.('a[href]');
	const { button, ctrlKey, metaKey, shiftKey } = event;
	if (!link || link.target || button || ctrlKey || metaKey || shiftKey) return;
	const url = new URL(link.href);
	if (url.origin !== location.origin || !url.pathname.startsWith(ui.pathname)) return;
	event.preventDefault();
	if (url.href !== location.href) history.pushState(null, '', url);
	show(true);
});
addEventListener('popstate', () => show(true));
byId('skip').addEventListener('click', () => byId('main').focus());

function whatIs() {
	if (!state.connected) return '✕ not connected';
	const changing = state.models.find(({ state: now }) => LOADING.includes(now));
	if (changing) return `◌ ${changing.id} is loading`;
	const ready = state.models.filter(model => model.state === 'ready').map(({ id }) => id);
	return ready.length ? `● ${ready.join(', ')}` : '○ nothing loaded';
}

function title() {
	const where = made.get(current).title?.() ?? PAGES[current].title;
	const whole = `${whatIs()} · ${where} · llmsnap`;
	if (document.title !== whole) document.title = whole;
}

/** With a key that is for models only there is only what can be tried. */
function limit() {
	if (!state.limited) return;
	for (const link of document.querySelectorAll('header nav a')) {
		setHidden(link, pageOf(new URL(link.href))[0] !== 'chat');
	}
	if (current === 'chat' || current === 'try') return;
	history.replaceState(null, '', new URL('chat', ui));
	show(false);
}

function connection() {
	byId('connection').dataset.state = state.connected ? 'up' : 'down';
	setText(byId('connection-text'), state.connected ? 'connected' : state.problem || 'connecting');
	if (state.version) setText(byId('version'), `llmsnap ${state.version}`);
	document.body.classList.toggle('stale', !state.connected);
	const lost = state.lostAt && `The server has not been reachable since ${clock(state.lostAt)}.`;
	setText(byId('refused'), state.refused || lost || '');
	setHidden(byId('refused'), !state.refused && !lost);
	limit();
	title();
}

function busy() {
	setText(byId('busy'), count(state.inflight.length));
	setHidden(byId('busy'), state.inflight.length === 0);
}

const MAX_SIDE = 12;

/** What holds memory, beside every page. */
function side() {
	const held = state.models.filter(model => !model.peerID && model.state !== 'stopped')
		.sort((a, b) => byName(a.id, b.id));
	const requests = Map.groupBy(state.inflight, request => request.model);
	keyed(byId('loaded'), held.slice(0, MAX_SIDE), createSide, (node, model) => {
		const { name, word } = node.parts;
		setAttribute(node, 'data-state', model.state);
		setText(name, model.id);
		setAttribute(name, 'href', `models/${idPath(model.id)}`);
		const busy = requests.get(model.id)?.filter(each => !isWaiting(each)).length;
		setAttribute(name, 'title', model.id);
		const at = model.state === 'ready' ? '' : wordOf(model);
		setText(word, busy ? `${count(busy)} at work` : at);
	});
	setHidden(byId('side'), held.length === 0);
}

function createSide() {
	const name = h('a', { dir: 'auto' });
	const word = h('span.muted');
	const node = h('li', dot(), name, word);
	node.parts = { name, word };
	return node;
}

const THEMES = ['system', 'light', 'dark'];
const { dataset } = document.documentElement;

function theme(name) {
	if (name === 'system') delete dataset.theme;
	else dataset.theme = name;
	setText(byId('theme'), `Theme: ${name}`);
}

byId('theme').addEventListener('click', () => {
	const next = THEMES[(THEMES.indexOf(dataset.theme ?? 'system') + 1) % THEMES.length];
	theme(next);
	localStorage.setItem('llmsnap.theme', next);
});

byId('notices').after(pauseBanner());
theme(dataset.theme ?? 'system');
on('connection', connection);
on('models', title);
on('models', side);
on('inflight', busy);
on('inflight', side);
show(false);
setInterval(() => made.get(current).tick?.(), 1000);
document.addEventListener('visibilitychange', looked);
connect();
