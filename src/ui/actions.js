// What can be done: with a model, to load, unload, put to sleep; with all of them, to pause.
import { ask, button, gap, h, notice, setAttribute, setHidden, setText } from './dom.js';
import { LEAVING, LOADING, duration, isWaiting } from './format.js';
import { call, idPath, on, root, state } from './store.js';

const answers = n => (n === 1 ? 'An answer is' : `${n} answers are`);

/** Posts, for a button; what is wrong is said. */
export async function act(button, path, options) {
	if (button.ariaBusy) return;
	button.ariaBusy = 'true'; // and not disabled: it would lose the focus
	try {
		await call('POST', path, options);
	} catch (error) {
		notice(error.message);
	}
	button.ariaBusy = null;
}

/** Asks first, where an unload would cut answers off. @param {string} [id] of all without one */
export async function unload(button, path, id) {
	const its = state.inflight.filter(({ model }) => !id || model === id);
	const waiting = its.filter(isWaiting).length;
	const cut = its.length - waiting;
	const more = waiting ? ` ${waiting} more wait, and load models again.` : '';
	const question = `${answers(cut)} under way, and would break off.${more}`;
	if (cut > 0 && !(await ask(question, 'Unload all the same'))) return;
	act(button, path);
}

/** @param {() => string} idOf the model that they are for, when they are used */
export function createActions(idOf) {
	const action = (label, path, does = act) => button('', label, ({ currentTarget }) =>
		does(currentTarget, `api/models/${path}/${idPath(idOf())}`, idOf()));
	const parts = {
		load: action('Load', 'load'),
		unload: action('Unload', 'unload', unload),
		sleep: action('Sleep', 'sleep'),
		open: h('a', { target: '_blank', rel: 'noopener' }, 'Server’s page ↗'),
	};
	parts.node = h('div.actions', parts.load, parts.unload, parts.sleep, parts.open);
	return parts;
}

export function updateActions(parts, { id, state, sleepMode }) {
	const asleep = state === 'asleep';
	const off = state === 'stopped';
	setHidden(parts.load, !(off || asleep || LEAVING.includes(state)));
	setText(parts.load, asleep ? 'Wake' : 'Load');
	setHidden(parts.unload, off || state === 'stopping');
	setText(parts.unload, LOADING.includes(state) ? 'Stop loading' : 'Unload');
	setHidden(parts.open, state !== 'ready');
	setHidden(parts.sleep, sleepMode !== 'enable' || state !== 'ready');
	setAttribute(parts.open, 'href', new URL(`upstream/${idPath(id)}/`, root).href);
	for (const [name, title] of [['load', 'Load'], ['unload', 'Unload'], ['sleep', 'Put to sleep'],
		['open', 'The server’s own web page, of']]) {
		const node = parts[name];
		setAttribute(node, 'aria-label', `${node.textContent} ${id}`);
		setAttribute(node, 'title', `${title} ${id}`);
	}
}

// ---- a pause: the GPU for others, for a while

const LENGTHS = { '15m': '15 minutes', '1h': '1 hour', '4h': '4 hours', '12h': '12 hours' };

/** What begins one. */
export function pauseButton() {
	const begin = async () => {
		const length = h('select', { label: 'How long' },
			Object.entries(LENGTHS).map(([value, label]) => h('option', { value }, label)));
		const reason = h('input', { label: 'Reason', placeholder: 'why, for the others' });
		const box = text => h('label', h('input', { type: 'checkbox' }), ` ${text}`);
		const keep = box('keep what is loaded');
		const refuse = box('refuse requests, instead of letting them wait');
		const question = 'Answers that have begun end; then models go, and requests wait.';
		const fields = [h('p.bar', length, reason), h('p', keep), h('p', refuse)];
		if (!(await ask(question, 'Pause', ...fields))) return;
		const body = JSON.stringify({
			for: length.value,
			reason: reason.value,
			unload: !keep.firstChild.checked,
			refuse: refuse.firstChild.checked,
		});
		act(node, 'api/pause', { body });
	};
	const node = button('', 'Pause …', begin);
	on('pause', () => setHidden(node, Boolean(state.pause)));
	setHidden(node, Boolean(state.pause));
	return node;
}

export const pauseLeft = () => duration(Math.max(0, Date.parse(state.pause.until) - Date.now()));

/** What tells of one, on every page, and ends it. */
export function pauseBanner() {
	const text = h('span');
	const resume = button('.primary', 'Resume', () => act(resume, 'api/resume'));
	const banner = h('p.card.paused.bar', { role: 'status', hidden: true }, text, gap(), resume);

	function update() {
		const { pause } = state;
		setHidden(banner, !pause);
		if (!pause) return;
		const then = pause.refuse ? 'requests are refused' : 'requests wait';
		const why = pause.reason ? ` (${pause.reason})` : '';
		setText(text, `Paused${why}: ${then}, ${pauseLeft()} left.`);
	}
	on('pause', update);
	setInterval(() => state.pause && update(), 1000);
	return banner;
}
