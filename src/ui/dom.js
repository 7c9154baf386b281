// Building and updating the page. What comes from outside becomes text nodes and attribute values,
// never HTML.
import { ago } from './format.js';

/**
 * An element of a tag and perhaps a class, `p.muted`. Properties, if there are any, that are
 * functions become listeners (onclick), booleans properties, the rest attributes; `label` is the
 * one that is read out.
 */
export function h(tag, props, ...children) {
	if (props?.constructor !== Object) return h(tag, {}, props, ...children);
	const [name, ...classes] = tag.split('.');
	const node = document.createElement(name);
	node.classList.add(...classes);
	for (const [key, value] of Object.entries(props)) {
		if ((value ?? null) === null) continue;
		if (typeof value === 'function') node.addEventListener(key.slice(2), value);
		else if (typeof value === 'boolean') node[key] = value;
		else node.setAttribute(key === 'label' ? 'aria-label' : key, value);
	}
	node.append(...children.flat().filter(child => (child ?? null) !== null));
	return node;
}

/** A button; `kind` is its classes, with dots. */
export const button = (kind, text, onclick, props) =>
	h('button' + kind, { type: 'button', onclick, ...props }, text);

export const search = (label, placeholder, oninput) =>
	h('input', { type: 'search', label, placeholder, oninput });

export const gap = () => h('span.gap');

/** A table in a box that scrolls, of a list of heads and lists of cells, or of a row and a body. */
export function table(heads, rows, props = {}, caption) {
	const row = (tag, cells) => h('tr', cells.map(cell => h(tag, cell)));
	const head = h('thead', Array.isArray(heads) ? row('th', heads) : heads);
	const body = Array.isArray(rows) ? h('tbody', rows.map(cells => row('td', cells))) : rows;
	return h('div.scroll', h('table', props, caption && h('caption', caption), head, body));
}

export function svg(tag, attributes, ...children) {
	const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
	for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
	node.append(...children);
	return node;
}

/** The bars of a chart, which is 60 high. */
export function barsOf(values, pitch) {
	const most = Math.max(...values, 1);
	return values.map((value, i) => {
		const height = value && Math.max(1, (38 * value) / most);
		return svg('rect', { x: pitch * i + 1, y: 46 - height, width: pitch - 2, height, rx: 1 });
	});
}

export const dot = () => h('span.dot', { 'aria-hidden': 'true' });

export function setText(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

export function setHidden(node, hidden) {
	if (node.hidden !== hidden) node.hidden = hidden;
}

export function show(node, text) {
	setText(node, text ?? '');
	setHidden(node, !text);
}

export function setAttribute(node, name, value) {
	if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** How long a page may draw at a time, and how many it draws in any case. */
const FRAME_MS = 8;
const AT_LEAST = 20;

/**
 * Makes the children of `parent` those of `items`, in order. The element of a key (of an id, unless
 * told) stays the same, and with it focus and selection. Many new ones come over several frames.
 */
export function keyed(parent, items, create, update, key = each => each.id ?? each) {
	cancelAnimationFrame(parent.later);
	const end = performance.now() + FRAME_MS;
	const known = (parent.known ??= new Map());
	const wanted = new Set(items.map(key));
	for (const [id, node] of known) {
		if (wanted.has(id)) continue;
		node.remove();
		known.delete(id);
	}
	let at = parent.firstChild;
	let created = 0;
	for (const item of items) {
		const id = key(item);
		let node = known.get(id);
		if (!node && ++created > AT_LEAST && performance.now() > end) {
			const goOn = () => keyed(parent, items, create, update, key);
			parent.later = requestAnimationFrame(goOn);
			return;
		}
		if (!node) known.set(id, (node = create(item)));
		update?.(node, item);
		if (node === at) at = at.nextSibling;
		else parent.insertBefore(node, at);
	}
}

export function notice(text) {
	const all = document.getElementById('notices');
	const dismiss = button('.quiet', 'Dismiss', () => node.remove());
	const node = h('div.notice', h('p', text), dismiss);
	all.append(node);
	while (all.children.length > 3) all.firstChild.remove();
}

/** Asks before something is done, perhaps with fields. @returns whether it is to be done */
export function ask(question, label, ...fields) {
	return new Promise(answer => {
		const yes = h('button.primary', { value: 'yes' }, label);
		const bar = h('p.bar', yes, h('button', { value: '' }, 'Cancel'));
		const onclose = () => {
			dialog.remove();
			answer(dialog.returnValue === 'yes');
		};
		const form = h('form', { method: 'dialog' }, h('p', question), ...fields, bar);
		const dialog = h('dialog.ask', { onclose, label: question }, form);
		document.body.append(dialog);
		dialog.showModal();
	});
}

/** A relative time, the exact one on hover. */
export function time(iso) {
	const date = new Date(iso);
	return h('time', { datetime: iso, title: date.toLocaleString() }, ago(date));
}

/** Brings the relative times below `node` up to date. */
export function tick(node) {
	for (const each of node.querySelectorAll('time')) setText(each, ago(new Date(each.dateTime)));
}

export function download(name, text) {
	const href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
	h('a', { href, download: name }).click();
	URL.revokeObjectURL(href);
}

export async function copy(button, text) {
	const label = (button.dataset.label ??= button.textContent);
	try {
		await navigator.clipboard.writeText(text);
	} catch {
		// over plain HTTP there is only the old way
		const area = h('textarea');
		area.value = text;
		button.after(area);
		area.select();
		document.execCommand('copy');
		area.remove();
	}
	button.textContent = 'Copied';
	setTimeout(setText, 1500, button, label);
}

/** What the browser remembers for us; `fallback` when it does not. */
export function recall(name, fallback) {
	try {
		return JSON.parse(localStorage.getItem('llmsnap.' + name)) ?? fallback;
	} catch {
		return fallback;
	}
}

/** @return whether there was room for it */
export function remember(name, value) {
	try {
		localStorage.setItem('llmsnap.' + name, JSON.stringify(value));
		return true;
	} catch {
		return false;
	}
}

/** A checkbox whose state stays. */
export function checkbox(name, otherwise, changed) {
	const onchange = () => {
		remember(name, box.checked);
		changed();
	};
	const box = h('input', { type: 'checkbox', onchange });
	box.checked = recall(name, otherwise);
	return box;
}
