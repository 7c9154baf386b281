// Models: what there is, what is loaded, and a swap as it happens.
import {
	button,
	dot,
	gap,
	h,
	keyed,
	notice,
	checkbox,
	search,
	setAttribute,
	setHidden,
	setText,
	show,
} from '../dom.js';
import { createActions, pauseButton, pauseLeft, unload, updateActions } from '../actions.js';
import {
	LOADING,
	NO_MODELS,
	byName,
	count,
	duration,
	isFailed,
	isWaiting,
	lookOf,
	since,
	size,
	speed,
	wordFor,
	wordOf,
} from '../format.js';
import { call, idPath, json, state } from '../store.js';
import { plain } from '../ansi.js';

/** States that pass by themselves, in the order of a swap. */
const ORDER = { stopping: 1, sleepPending: 1, starting: 2, waking: 2 };
const QUICK_MS = 100;
const MANY = 24; // more models are a line each

function createParts(model) {
	const { id } = model;
	const href = `models/${idPath(id)}`;
	const meter = h('meter', { label: `Time until ${id} is unloaded` });
	return {
		word: h('span.word'),
		since: h('span.muted.since'),
		name: h('a.name', { dir: 'auto', href }),
		id: h('code.id'),
		badge: h('span.muted', 'unlisted'),
		also: h('p.muted.also'),
		description: h('p.description', { dir: 'auto' }),
		facts: h('p.muted.facts'),
		failure: h('p.bad', { dir: 'auto' }),
		busy: h('span.busy'),
		progress: h('progress', { label: `How far ${id} is loaded, as the last time` }),
		speed: h('span.speed'),
		ttl: h('div.ttl', meter, h('span.muted')),
		actions: createActions(() => id),
		more: h('a', { href, label: `Details of ${id}` }, 'Details'),
	};
}

const HIDDEN = { 'aria-hidden': 'true' };

function createModel(model) {
	const parts = createParts(model);
	const node = h('li.model');
	node.parts = parts;
	if (model.peerID) {
		const state = h('div.state', { 'data-state': 'unknown' }, dot(), parts.word);
		node.append(state, h('div.what', h('p', parts.name, ' ', parts.id), parts.also));
		return node;
	}
	parts.state = h('div.state', dot(), h('div', parts.word, parts.since));
	const title = h('p', parts.name, ' ', parts.id, ' ', parts.badge);
	node.append(
		parts.state,
		h('div.what', title, parts.failure, parts.description, parts.also, parts.facts),
		h('div.load', parts.progress, parts.busy, parts.speed, parts.ttl),
		h('div.actions', ...parts.actions.node.children, parts.more),
	);
	return node;
}

function updateModel(node, model) {
	const { parts } = node;
	setText(parts.name, model.name || model.id);
	setText(parts.id, model.id);
	setHidden(parts.id, !model.name);
	setText(parts.word, wordOf(model));
	if (model.peerID) return setText(parts.also, `peer ${model.peerID}`);
	setAttribute(parts.state, 'data-state', lookOf(model));
	show(parts.failure, isFailed(model) ? model.failure : '');
	setHidden(parts.badge, !model.unlisted);
	show(parts.description, model.description);
	show(parts.also, model.aliases.length ? `also ${model.aliases.join(', ')}` : '');
	setText(parts.facts, factsOf(model));
	updateWork(parts, model);
	const loads = model.state === 'starting' && model.load_ms > 0;
	setHidden(parts.progress, !loads);
	updateActions(parts.actions, model);
	const focused = document.activeElement;
	if (focused.hidden && node.contains(focused)) parts.more.focus();
	updateClock(node, model);
}

function factsOf(model) {
	const facts = model.group === '(default)' ? [] : [`group ${model.group}`];
	if (model.pid) facts.push(`port ${model.port}`, `pid ${model.pid}`);
	if (model.load_ms >= 0) facts.push(`loaded in ${duration(model.load_ms)}`);
	for (const [pool, bytes] of Object.entries(model.takes ?? {})) {
		if (bytes) facts.push(`${size(bytes)} of ${pool}, ${model.memorySource}`);
	}
	const kept = model.prompt_cache;
	if (kept?.doing) facts.push(`${kept.doing} …`);
	else if (kept?.saved_tokens > 0) {
		facts.push(`kept ${count(kept.saved_tokens)} tokens of prompts, ${size(kept.bytes)}`);
	}
	return facts.join(' · ');
}

const inFlight = ({ id }) => state.inflight.filter(({ model }) => model === id);

function updateWork(parts, model) {
	const mine = inFlight(model);
	const waiting = mine.filter(isWaiting).length;
	const counts = [];
	if (mine.length > waiting) counts.push(`${mine.length - waiting} in flight`);
	if (waiting) counts.push(`${waiting} waiting`);
	setText(parts.busy, counts.join(', '));
	const now = state.speeds.get(model.id) ?? 0;
	setText(parts.speed, now > 0 ? `${speed(now)} tokens/s` : '');
}

function updateClock(node, model) {
	if (model.peerID) return;
	const { parts } = node;
	const passed = Math.max(0, since(model.sinceAt));
	if (!parts.progress.hidden) parts.progress.value = Math.min(1, passed / model.load_ms);
	const whole = passed < 60_000 && !LOADING.includes(model.state);
	const age = whole ? `${Math.floor(passed / 1000)} s` : duration(passed);
	setText(parts.since, model.state === 'stopped' ? troubleOf(model) : age);
	const counts = model.ttl > 0 && (model.state === 'ready' || model.state === 'asleep');
	setHidden(parts.ttl, !counts);
	if (!counts) return;
	const ttl = model.ttl * 1000;
	const busy = inFlight(model).length > 0;
	const left = busy ? ttl : Math.max(0, ttl - since(model.idleAt));
	parts.ttl.firstChild.value = left / ttl;
	const inUse = `ttl ${duration(ttl)}, in use`;
	const unloads = `unloads in ${duration(Math.ceil(left / 1000) * 1000)}`;
	setText(parts.ttl.lastChild, busy ? inUse : unloads);
}

/** How long ago it failed, and when it may be tried again. */
function troubleOf(model) {
	if (!isFailed(model)) return '';
	const wait = model.backOffAt - performance.now();
	const again = wait > 0 ? `, not tried for ${duration(wait)}` : '';
	return `${duration(since(model.failedAt))} ago${again}`;
}

/** One step: who leaves, or who loads, for how long, and how long it took the last time. */
function createStep() {
	return h('li', dot(), h('span'), h('span.muted'), h('progress', HIDDEN), h('code.muted.last'));
}

function updateStep(node, { id, state: now, sinceAt, load_ms: usual, waiting }) {
	const [, what, howLong, bar, last] = node.children;
	const moves = now in ORDER;
	const loads = LOADING.includes(now);
	const passed = Math.max(0, since(sinceAt));
	setAttribute(node, 'data-state', moves ? now : 'waiting');
	const others = loads && waiting ? `, ${waiting} waiting` : '';
	const until = state.pause ? `until the pause ends, in ${pauseLeft()}` : 'for its turn';
	setText(what, moves ? `${id} is ${wordFor(now)}${others}` : `${id} waits ${until}`);
	const before = now === 'starting' && usual >= 0 ? ` of about ${duration(usual)}` : '';
	setText(howLong, moves ? `${(passed / 1000).toFixed(1)} s${before}` : '');
	show(last, printedBy(loads));
	setHidden(bar, now !== 'starting' || usual <= 0);
	if (!bar.hidden) bar.value = Math.min(1, passed / usual);
}

/** The last that a model has printed while it loads, where no other one prints among it. */
function printedBy(loads) {
	const running = state.models.filter(model => !model.peerID && model.state !== 'stopped');
	const { lines, unfinished } = state.logs.upstream;
	const line = unfinished || lines.at(-1) || '';
	return loads && running.length === 1 ? plain(line) : '';
}

function stepsOfSwap() {
	const waiting = new Map();
	for (const { model } of state.inflight.filter(isWaiting)) {
		waiting.set(model, (waiting.get(model) ?? 0) + 1);
	}
	return state.models
		.filter(model => model.state in ORDER || (waiting.has(model.id) && model.state !== 'ready'))
		.map(model => ({ ...model, waiting: waiting.get(model.id) }))
		.sort((a, b) => (ORDER[a.state] ?? 3) - (ORDER[b.state] ?? 3));
}

const asked = model => inFlight(model).length > 0;
const rankOf = model => {
	if (LOADING.includes(model.state) || (model.state === 'stopped' && asked(model))) return 1;
	return model.state !== 'stopped' ? 0 : isFailed(model) ? 2 : 3;
};
const TITLES = ['Loaded', 'Loading, or waiting', 'Failed'];

/** Those that are loaded first, then those that failed; the rest by group where there are some. */
function inSections(models) {
	const groups = new Set(models.map(model => model.group));
	const titleOf = model => {
		const title = TITLES[rankOf(model)];
		if (title) return title;
		return groups.size > 1 ? `Not loaded, group ${model.group}` : 'Not loaded';
	};
	const sections = Map.groupBy(models, titleOf);
	if (sections.size < 2) return models;
	const ranked = [...sections].sort(([, [a]], [, [b]]) => rankOf(a) - rankOf(b));
	return ranked.flatMap(([title, all]) => [{ id: `section ${title}`, title }, ...all]);
}

const createItem = item => (item.title ? h('li.section', h('h2', item.title)) : createModel(item));
const updateItem = (node, item) => item.title || updateModel(node, item);

/** The choice of a profile; hidden where there is none to choose. */
function createProfiles() {
	const choice = h('select', { label: 'Profile', hidden: true, title: 'What names stand for' });
	const load = async () => {
		if (!state.connected || state.limited) return;
		try {
			const { profiles, active } = await json('GET', 'api/profiles');
			choice.replaceChildren(
				h('option', { value: '' }, 'no profile'),
				...profiles.map(each => h('option', { value: each.id, title: each.description }, each.id)),
			);
			choice.value = active ?? '';
			choice.hidden = profiles.length === 0;
		} catch (error) {
			notice(error.message);
		}
	};
	choice.addEventListener('change', async () => {
		try {
			const body = JSON.stringify({ id: choice.value || null });
			await call('PUT', 'api/profiles/active', { body });
		} catch (error) {
			notice(error.message);
		}
		load();
	});
	return { choice, load };
}

function create(page) {
	const profiles = createProfiles();
	const filter = search('Filter models', 'Filter', update);
	const unlisted = checkbox('unlisted', false, update);
	const unloadAll = button('.danger', 'Unload all', () => unload(unloadAll, 'api/models/unload'));
	const summary = h('p.muted', { id: 'models-summary' });
	const swap = h('ol.swap', { label: 'Swap under way' });
	const list = h('ul.models', { label: 'Models' });
	const peers = h('ul.models', { label: 'Models of peers' });
	const peerBox = h('div', h('h2', 'Models of other servers'), peers);
	const empty = h('p.muted');
	let timer = 0;

	function updateSwap() {
		const steps = stepsOfSwap();
		keyed(swap, steps, createStep, updateStep);
		setHidden(swap, steps.length === 0);
		return steps.some(model => model.state in ORDER);
	}

	function tick() {
		updateSwap();
		for (const model of state.models) {
			const node = list.known?.get(model.id);
			if (node) updateClock(node, model);
		}
	}

	/** Whether the clocks go quickly: while something is on the move. */
	function hurry(quick) {
		if (quick) return (timer ||= setInterval(tick, QUICK_MS));
		clearInterval(timer);
		timer = 0;
	}

	function fits(model) {
		const wanted = filter.value.trim().toLowerCase();
		const texts = [model.id, model.name, model.description, model.group, ...(model.aliases ?? [])];
		return !wanted || texts.some(text => text?.toLowerCase().includes(wanted));
	}

	function isShown(model) {
		return fits(model) && (unlisted.checked || !model.unlisted || model.state !== 'stopped');
	}

	function update() {
		const own = state.models.filter(model => !model.peerID);
		const shown = own.filter(isShown).sort((a, b) => byName(a.id, b.id));
		const theirs = state.models.filter(model => model.peerID && fits(model));
		list.classList.toggle('many', shown.length > MANY);
		keyed(list, inSections(shown), createItem, updateItem);
		keyed(peers, theirs, createModel, updateModel);
		setHidden(peerBox, theirs.length === 0);
		setHidden(empty, shown.length > 0 || !state.known);
		const none = filter.value.trim() ? 'No model fits the filter.' : 'All models are unlisted.';
		setText(empty, own.length === 0 ? NO_MODELS : none);
		const ready = own.filter(model => model.state === 'ready').length;
		const failed = own.filter(isFailed).length;
		setText(summary, `${own.length} in all, ${ready} ready${failed ? `, ${failed} failed` : ''}`);
		unloadAll.disabled = own.every(model => model.state === 'stopped');
		hurry(updateSwap());
	}

	const label = h('label', unlisted, ' show unlisted');
	const title = h('h1', 'Models');
	const bar = h('div.bar', title, summary, profiles.choice, gap(), filter, label, pauseButton(),
		unloadAll);
	page.append(bar, swap, list, empty, peerBox);
	return {
		topics: ['models', 'inflight', 'connection'],
		draw(topic) {
			if (topic === 'connection') profiles.load();
			update();
		},
		tick,
		show(query) {
			if (query.has('q')) filter.value = query.get('q');
			profiles.load();
		},
		hide: () => hurry(false),
	};
}

export const models = { title: 'Models', create };
