// What can be done with a model: load, unload, put to sleep, open its own page.
import { button, h, notice, setAttribute, setHidden, setText } from './dom.js';
import { call, idPath, root } from './store.js';

const LEAVING = ['stopping', 'sleepPending'];

export async function act(button, path) {
	if (button.ariaBusy) return;
	button.ariaBusy = 'true'; // and not disabled: it would lose the focus
	try {
		await call('POST', path);
	} catch (error) {
		notice(error.message);
	}
	button.ariaBusy = null;
}

/** @param {() => string} idOf the model that they are for, when they are used */
export function createActions(idOf) {
	const action = (label, path) => button('', label, event =>
		act(event.currentTarget, `api/models/${path}/${idPath(idOf())}`));
	const parts = {
		load: action('Load', 'load'),
		unload: action('Unload', 'unload'),
		sleep: action('Sleep', 'sleep'),
		open: h('a', { target: '_blank', rel: 'noopener' }, 'Open'),
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
	setHidden(parts.sleep, sleepMode !== 'enable' || state !== 'ready');
	setAttribute(parts.open, 'href', new URL(`upstream/${idPath(id)}/`, root).href);
	for (const [name, title] of [['load', 'Load'], ['unload', 'Unload'], ['sleep', 'Put to sleep'],
		['open', 'The web page of']]) {
		const node = parts[name];
		setAttribute(node, 'aria-label', `${node.textContent} ${id}`);
		setAttribute(node, 'title', `${title} ${id}`);
	}
}
