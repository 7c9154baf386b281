// What can be done with a model: load, unload, put to sleep, open its own page.
import { ask, button, h, notice, setAttribute, setHidden, setText } from './dom.js';
import { call, idPath, root, state } from './store.js';
import { LEAVING, LOADING } from './words.js';

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
	const waiting = its.filter(request => request.state === 'waiting').length;
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
		open: h('a', { target: '_blank', rel: 'noopener' }, 'Its own page'),
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
		['open', 'The web page of']]) {
		const node = parts[name];
		setAttribute(node, 'aria-label', `${node.textContent} ${id}`);
		setAttribute(node, 'title', `${title} ${id}`);
	}
}
