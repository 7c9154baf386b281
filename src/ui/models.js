// Models: what there is, what is loaded, and a swap as it happens.
import { duration, h, keyed, notice, remember, remembered, setAttribute, setHidden, setText, speed } from './dom.js';
import { call, idPath, on, root, state } from './store.js';

const WORDS = {
	stopped: 'stopped', starting: 'loading', ready: 'ready', sleepPending: 'falling asleep', asleep: 'asleep', waking: 'waking', stopping: 'stopping', unknown: 'elsewhere',
};
const LEAVING = ['stopping', 'sleepPending'];
const LOADING = ['starting', 'waking'];

let swap, list, peers, peerBox, empty, filter, unlisted, unloadAll, summary;
let visible = false;
let timer = 0;

function create(page) {
	filter = h('input', { type: 'search', placeholder: 'Filter', 'aria-label': 'Filter models', value: '', oninput: draw });
	unlisted = h('input', { type: 'checkbox', onchange: () => { remember('unlisted', unlisted.checked); draw(); } });
	unlisted.checked = remembered('unlisted', false);
	unloadAll = h('button', { type: 'button', class: 'danger', onclick: () => act(unloadAll, 'POST', 'api/models/unload') }, 'Unload all');
	summary = h('p', { class: 'muted', id: 'models-summary' });
	swap = h('ol', { class: 'swap', 'aria-label': 'Swap under way' });
	list = h('ul', { class: 'models', 'aria-label': 'Models' });
	peers = h('ul', { class: 'models', 'aria-label': 'Models of peers' });
	peerBox = h('div', {}, h('h2', {}, 'Models of other servers'), peers);
	empty = h('p', { class: 'muted' });
	page.append(
		h('div', { class: 'bar' }, h('h1', {}, 'Models'), summary, h('span', { class: 'gap' }), filter, h('label', {}, unlisted, ' unlisted'), unloadAll),
		swap, list, empty, peerBox);
	on('models', draw);
	on('inflight', draw);
	on('connection', draw);
}

async function act(button, method, path) {
	if (button.ariaBusy) return;
	button.ariaBusy = 'true';      // and not disabled: it would lose the focus
	try {
		await call(method, path);
	} catch (error) {
		notice(error.message);
	}
	button.ariaBusy = null;
}

// ---- one model

function line(model) {
	const id = idPath(model.id);
	const node = h('li', { class: 'model' });
	const button = (label, title, action) => h('button', { type: 'button', title: `${title} ${model.id}`, 'aria-label': `${label} ${model.id}`, onclick: event => action(event.currentTarget) }, label);
	const parts = {
		word: h('span', { class: 'word' }),
		since: h('span', { class: 'muted since' }),
		name: h('strong', { class: 'name', dir: 'auto' }),
		id: h('code', { class: 'id' }),
		badge: h('span', { class: 'muted' }, 'unlisted'),
		also: h('p', { class: 'muted also' }),
		description: h('p', { class: 'description', dir: 'auto' }),
		facts: h('p', { class: 'muted facts' }),
		busy: h('span', { class: 'busy' }),
		speed: h('span', { class: 'speed' }),
		ttl: h('div', { class: 'ttl' }, h('meter', { min: '0', max: '1', 'aria-label': `Time until ${model.id} is unloaded` }), h('span', { class: 'muted' })),
		load: button('Load', 'Load', each => act(each, 'POST', `api/models/load/${id}`)),
		unload: button('Unload', 'Unload', each => act(each, 'POST', `api/models/unload/${id}`)),
		sleep: button('Sleep', 'Put to sleep', each => act(each, 'POST', `api/models/sleep/${id}`)),
		open: h('a', { href: new URL(`upstream/${id}/`, root).href, target: '_blank', rel: 'noopener', 'aria-label': `Open ${model.id}` }, 'Open'),
		more: h('button', { type: 'button', class: 'quiet', 'aria-expanded': 'false', 'aria-label': `Details of ${model.id}`, onclick: () => details(node, model.id) }, 'Details'),
		details: h('div', { class: 'details', hidden: true }),
	};
	node.parts = parts;
	if (model.peerID) {
		node.append(h('div', { class: 'state', 'data-state': 'unknown' }, h('span', { class: 'dot', 'aria-hidden': 'true' }), parts.word),
			h('div', { class: 'what' }, h('p', {}, parts.name, ' ', parts.id), parts.also));
		return node;
	}
	parts.state = h('div', { class: 'state' }, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('div', {}, parts.word, parts.since));
	node.append(parts.state,
		h('div', { class: 'what' }, h('p', {}, parts.name, ' ', parts.id, ' ', parts.badge), parts.description, parts.also, parts.facts),
		h('div', { class: 'load' }, parts.busy, parts.speed, parts.ttl),
		h('div', { class: 'actions' }, parts.load, parts.unload, parts.sleep, parts.open, parts.more),
		parts.details);
	return node;
}

function update(node, model) {
	const { parts } = node;
	setText(parts.name, model.name || model.id);
	setText(parts.id, model.id);
	setHidden(parts.id, !model.name);
	setText(parts.word, WORDS[model.state] ?? model.state);
	if (model.peerID) {
		setText(parts.also, `peer ${model.peerID}`);
		return;
	}
	setAttribute(parts.state, 'data-state', model.state);
	setHidden(parts.badge, !model.unlisted);
	setText(parts.description, model.description);
	setHidden(parts.description, !model.description);
	setText(parts.also, model.aliases.length ? `also ${model.aliases.join(', ')}` : '');
	setHidden(parts.also, model.aliases.length === 0);
	const off = model.state === 'stopped';
	const facts = [`group ${model.group}`, `port ${model.port}`];
	if (model.pid) facts.push(`pid ${model.pid}`);
	if (model.load_ms >= 0) facts.push(`loaded in ${duration(model.load_ms)}`);
	setText(parts.facts, facts.join(' · '));
	const mine = state.inflight.filter(request => request.model === model.id);
	const waiting = mine.filter(request => request.state === 'waiting').length;
	setText(parts.busy, [mine.length > waiting && `${mine.length - waiting} in flight`, waiting && `${waiting} waiting`].filter(Boolean).join(', '));
	const now = state.speeds.get(model.id) ?? 0;
	setText(parts.speed, now > 0 ? `${speed(now)} tokens/s` : '');
	setHidden(parts.load, !(off || model.state === 'asleep' || LEAVING.includes(model.state)));
	const load = model.state === 'asleep' ? 'Wake' : 'Load';
	setText(parts.load, load);
	setAttribute(parts.load, 'aria-label', `${load} ${model.id}`);
	setHidden(parts.unload, off || model.state === 'stopping');
	setHidden(parts.sleep, !(model.sleepMode === 'enable' && model.state === 'ready'));
	const focused = document.activeElement;
	if (focused.hidden && node.contains(focused)) parts.more.focus();
	if (node.mark !== model.state && !parts.details.hidden) explain(parts.details, model.id);
	node.mark = model.state;
	clock(node, model, mine.length);
}

/** What changes by itself as time passes. */
function clock(node, model, busy) {
	if (model.peerID) return;
	const { parts } = node;
	const now = performance.now();
	const passed = Math.max(0, now - model.sinceAt);
	setText(parts.since, model.state === 'stopped' ? '' : passed < 60_000 && !LOADING.includes(model.state) ? `${Math.floor(passed / 1000)} s` : duration(passed));
	const counts = model.ttl > 0 && (model.state === 'ready' || model.state === 'asleep');
	setHidden(parts.ttl, !counts);
	if (!counts) return;
	const left = busy ? model.ttl * 1000 : Math.max(0, model.ttl * 1000 - (now - model.idleAt));
	parts.ttl.firstChild.value = left / (model.ttl * 1000);
	setText(parts.ttl.lastChild, busy ? `ttl ${duration(model.ttl * 1000)}, in use` : `unloads in ${duration(Math.ceil(left / 1000) * 1000)}`);
}

function details(node, id) {
	const { more, details: box } = node.parts;
	box.hidden = !box.hidden;
	more.setAttribute('aria-expanded', String(!box.hidden));
	if (!box.hidden) explain(box, id);
}

async function explain(box, id) {
	try {
		const facts = await (await call('GET', `api/explain?model=${encodeURIComponent(id)}`)).json();
		const why = facts.last_unload;
		box.replaceChildren(h('p', {}, facts.summary),
			why ? h('pre', { class: 'wrap' }, `went ${duration(why.seconds_ago * 1000)} ago: ${why.why}`) : '',
			h('pre', { class: 'wrap' }, facts.cmd),
			h('p', {}, h('a', { href: new URL(`ui/logs?source=${encodeURIComponent(id)}`, root).href }, `Log of ${id}`)));
	} catch (error) {
		box.replaceChildren(h('p', {}, error.message));
	}
}

// ---- the swap

/** One step of the swap: who leaves, or who loads, for how long, and how long it took the last time. */
const step = () => h('li', {}, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span'), h('span', { class: 'muted' }), h('progress', { max: '1', 'aria-hidden': 'true' }));

function stepUpdate(node, { id, state: now, sinceAt, load_ms: last, waiting }) {
	const [, what, howLong, bar] = node.children;
	const moves = now in ORDER;
	const loads = LOADING.includes(now);
	const passed = Math.max(0, performance.now() - sinceAt);
	setAttribute(node, 'data-state', moves ? now : 'waiting');
	setText(what, moves ? `${id} is ${WORDS[now]}${loads && waiting ? `, ${waiting} waiting` : ''}` : `${id} waits for its turn`);
	setText(howLong, moves ? `${(passed / 1000).toFixed(1)} s${now === 'starting' && last >= 0 ? ` of about ${duration(last)}` : ''}` : '');
	setHidden(bar, now !== 'starting' || last <= 0);
	if (!bar.hidden) bar.value = Math.min(1, passed / last);
}

const ORDER = { stopping: 1, sleepPending: 1, starting: 2, waking: 2 };

/** Draws who leaves, who loads and who waits for that. @return whether something is on the move */
function drawSwap() {
	const waiting = { __proto__: null };
	for (const request of state.inflight) if (request.state === 'waiting') waiting[request.model] = (waiting[request.model] ?? 0) + 1;
	const steps = state.models.filter(model => model.state in ORDER || waiting[model.id] && model.state !== 'ready')
		.map(model => ({ ...model, waiting: waiting[model.id] })).sort((a, b) => (ORDER[a.state] ?? 3) - (ORDER[b.state] ?? 3));
	keyed(swap, steps, model => model.id, step, stepUpdate);
	setHidden(swap, steps.length === 0);
	return steps.some(model => model.state in ORDER);
}

// ---- all

function draw() {
	if (!visible) return;
	const wanted = filter.value.trim().toLowerCase();
	const fits = model => !wanted || [model.id, model.name, model.description, model.group, ...(model.aliases ?? [])].some(text => text?.toLowerCase().includes(wanted));
	const own = state.models.filter(model => !model.peerID);
	const shown = own.filter(model => fits(model) && (unlisted.checked || !model.unlisted || model.state !== 'stopped'));
	const theirs = state.models.filter(model => model.peerID && fits(model));
	keyed(list, shown, model => model.id, line, update);
	keyed(peers, theirs, model => model.id, line, update);
	setHidden(peerBox, theirs.length === 0);
	setHidden(empty, shown.length > 0 || !state.known);
	setText(empty, own.length === 0 ? 'There are no models in the configuration.' : wanted ? 'No model fits the filter.' : 'All models are unlisted.');
	const ready = own.filter(model => model.state === 'ready').length;
	setText(summary, `${own.length} in all, ${ready} ready`);
	unloadAll.disabled = own.every(model => model.state === 'stopped');
	run(drawSwap());
}

/** Keeps the clocks going: quickly while something is on the move. */
function run(moving) {
	const wanted = moving ? 100 : 1000;
	if (timer.every === wanted) return;
	clearInterval(timer.id);
	timer = { every: wanted, id: setInterval(() => {
		drawSwap();
		for (const model of state.models) {
			const node = list.known?.get(model.id);
			if (node) clock(node, model, state.inflight.some(request => request.model === model.id));
		}
	}, wanted) };
}

export const models = {
	title: 'Models',
	create(page) {
		create(page);
		return {
			show() { visible = true; draw(); },
			hide() {
				visible = false;
				clearInterval(timer.id);
				timer = 0;
			},
		};
	},
};
