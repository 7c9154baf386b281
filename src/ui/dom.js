// Building and updating the page. What comes from outside becomes text nodes and attribute values, never HTML.

/** An element. Properties that are functions become listeners (onclick), booleans properties, the rest attributes. */
export function h(tag, props, ...children) {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(props ?? {})) {
		if (value === undefined || value === null) continue;
		if (typeof value === 'function') node.addEventListener(name.slice(2), value);
		else if (typeof value === 'boolean') node[name] = value;
		else node.setAttribute(name, value);
	}
	node.append(...children.flat().filter(child => child !== null && child !== undefined));
	return node;
}

/** An SVG element. */
export function svg(tag, attributes, ...children) {
	const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
	for (const [name, value] of Object.entries(attributes ?? {})) node.setAttribute(name, value);
	node.append(...children);
	return node;
}

export function setText(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

export function setHidden(node, hidden) {
	if (node.hidden !== hidden) node.hidden = hidden;
}

export function setAttribute(node, name, value) {
	if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Makes the children of `parent` those of `items`, in order. The element of a key stays the same, and with it focus and selection. */
export function keyed(parent, items, key, create, update) {
	const known = parent.known ??= new Map();
	const wanted = new Set(items.map(key));
	for (const [id, node] of known) {
		if (wanted.has(id)) continue;
		node.remove();
		known.delete(id);
	}
	let at = parent.firstChild;
	for (const item of items) {
		const id = key(item);
		let node = known.get(id);
		if (!node) known.set(id, node = create(item));
		update?.(node, item);
		if (node === at) at = at.nextSibling;
		else parent.insertBefore(node, at);
	}
}

/** Shows what went wrong until it is dismissed. */
export function notice(text) {
	const all = document.getElementById('notices');
	const node = h('div', { class: 'notice' }, h('p', {}, text), h('button', { type: 'button', class: 'quiet', onclick: () => node.remove() }, 'Dismiss'));
	all.append(node);
	while (all.children.length > 3) all.firstChild.remove();
}

// ---- words for numbers

const whole = new Intl.NumberFormat('en');

export const count = value => value < 0 ? '–' : whole.format(value);

/** Tokens per second. */
export const speed = value => value < 0 ? '–' : value >= 100 ? whole.format(Math.round(value)) : value.toFixed(1);

/** A duration in ms. */
export function duration(ms) {
	if (ms < 0) return '–';
	if (ms < 1000) return `${Math.round(ms)} ms`;
	if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
	const seconds = Math.floor(ms / 1000);
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
	return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
}

/** How long ago, in one unit. */
export function ago(date) {
	const seconds = Math.max(0, (Date.now() - date.getTime()) / 1000);
	if (seconds < 5) return 'just now';
	if (seconds < 60) return `${Math.floor(seconds)} s ago`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
	return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
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
	const link = h('a', { href: URL.createObjectURL(new Blob([text], { type: 'text/plain' })), download: name });
	link.click();
	URL.revokeObjectURL(link.href);
}

/** Copies, and says so on the button for a moment. */
export async function copy(button, text) {
	const label = button.dataset.label ??= button.textContent;
	try {
		await navigator.clipboard.writeText(text);
	} catch {       // over plain HTTP there is only the old way
		const area = h('textarea');
		area.value = text;
		button.after(area);
		area.select();
		document.execCommand('copy');
		area.remove();
	}
	button.textContent = 'Copied';
	setTimeout(() => { button.textContent = label; }, 1500);
}

/** What the browser remembers for us; `fallback` when it does not. */
export function remembered(name, fallback) {
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
