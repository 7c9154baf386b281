// One model: what it is, what it does, what it can do, its requests, and how long it takes to load.
import {
	barsOf,
	button,
	copy,
	dot,
	gap,
	h,
	keyed,
	setAttribute,
	setHidden,
	setText,
	show,
	svg,
	table,
	tick,
	time,
} from '../dom.js';
import { createActions, updateActions } from '../actions.js';
import { count, duration, inBrief, isFailed, lookOf, since, size, wordOf } from '../format.js';
import { call, idPath, readLog, state } from '../store.js';
import { plain } from '../ansi.js';
import { COLUMNS } from './activity.js';

const ROWS = 50;
const LOADS = 20;
const LINES = 6; // of what it prints while it loads
const BAR = 14; // px from one load to the next

/** Those of the list of all requests, but what is the same in each row. */
const SHOWN = COLUMNS.filter(({ id }) => id !== 'model' && id !== 'cached');

/** How long each of its last loads took, in ms, oldest first. */
function loadsOf(id) {
	const loads = [];
	let begun = 0;
	for (const change of state.changes) {
		if (change.id !== id) continue;
		if (change.state === 'starting') begun = change.at;
		else if (begun && change.state === 'ready') loads.push(change.at - begun);
		if (change.state !== 'starting') begun = 0;
	}
	return loads.slice(-LOADS);
}

function drawLoads(picture, loads) {
	const longest = svg('text', { x: 0, y: 58 }, `longest ${duration(Math.max(...loads))}`);
	picture.replaceChildren(...barsOf(loads, BAR), loads.length ? longest : '');
	picture.ariaLabel = `The last ${loads.length} loads took ${loads.map(duration).join(', ')}`;
}

function canOf({ capabilities: can }) {
	if (!can) return '';
	const parts = [];
	if (can.in?.length) parts.push(`reads ${can.in.join(', ')}`);
	if (can.out?.length) parts.push(`makes ${can.out.join(', ')}`);
	if (can.tools) parts.push('uses tools');
	if (can.reranker) parts.push('reranks');
	if (can.context) parts.push(`takes ${count(can.context)} tokens`);
	return parts.join(' · ');
}

function factsOf(model, listed, explained) {
	const held = Object.entries(model.memory ?? {});
	const memory = held.map(([pool, bytes]) => `${size(bytes)} of ${pool}`).join(', ');
	const kept = model.prompt_cache;
	const went = explained.last_unload;
	return {
		Description: model.description,
		Aliases: model.aliases?.join(', '),
		Can: canOf(listed),
		Group: model.group,
		Memory: memory && `${memory}, ${model.memorySource}`,
		'Prompt cache': kept && (kept.doing || `${count(kept.saved_tokens)} tokens kept`),
		'Unloads after': model.ttl > 0 ? `${duration(model.ttl * 1000)} without a request` : '',
		Process: model.pid ? `${model.pid}, port ${model.port}` : '',
		'Last load': model.load_ms >= 0 ? duration(model.load_ms) : '',
		'Went last': went && `${duration(went.seconds_ago * 1000)} ago: ${inBrief(went.why)}`,
		'For a request': isFailed(model) ? '' : explained.summary,
	};
}

function create(page) {
	let id = '';
	let listed = {};
	let explained = {};
	let mark = ''; // what was asked for last: the model, its state, whether there was a connection
	const word = h('span.word');
	const title = h('h1', { dir: 'auto' });
	const looks = h('div.state', dot(), title);
	const subtitle = h('code.muted');
	const actions = createActions(() => id);
	const none = h('p.muted');
	const trouble = h('pre.wrap.bad');
	const failure = h('section.card', { hidden: true }, h('h2', 'Failure'), trouble);
	const at = h('p');
	const bar = h('progress', { label: 'How far it is loaded, as the last time' });
	const last = h('pre.wrap.muted');
	const loading = h('section.card', { hidden: true }, h('h2', 'Loading'), at, bar, last);
	const facts = h('dl.facts');
	const command = h('pre.wrap');
	const copies = button('.quiet', 'Copy', event => copy(event.currentTarget, command.textContent));
	const loads = svg('svg', { viewBox: '0 0 280 60', role: 'img', class: 'histogram' });
	const loadBox = h('section.card', h('h2', 'Last loads'), loads);
	const body = h('tbody');
	const quiet = h('p.muted', 'No request has ended yet.');
	const log = h('a', 'Its log');
	const all = h('a', 'All requests');
	const frame = h('div', failure, loading,
		h('div.cards', h('section.card', h('h2', 'What it is'), facts),
			h('section.card', h('h2', 'Command', gap(), copies), command, h('p', log)), loadBox),
		h('section.card', h('h2', 'Requests', gap(), all),
			table(SHOWN.map(({ label }) => label), body), quiet));

	const model = () => state.models.find(each => each.id === id && !each.peerID);

	async function ask() {
		const asked = id;
		const path = encodeURIComponent(id);
		try {
			const [one, two] = await Promise.all([
				call('GET', `v1/models/${idPath(id)}`), call('GET', `api/explain?model=${path}`),
			]);
			const both = [await one.json(), await two.json()];
			if (asked !== id) return;
			[listed, explained] = both;
		} catch {
			if (asked !== id) return;
			[listed, explained] = [{}, {}]; // it is gone, or the connection is, which is seen
		}
		draw();
	}

	/** How long it has been loading, and the last that it has printed. */
	function load(now) {
		setHidden(loading, now?.state !== 'starting');
		if (loading.hidden) return;
		const passed = Math.max(0, since(now.sinceAt));
		const usual = now.load_ms > 0;
		setText(at, duration(passed) + (usual ? ` of about ${duration(now.load_ms)}` : ''));
		setHidden(bar, !usual);
		if (usual) bar.value = Math.min(1, passed / now.load_ms);
		readLog(id);
		const printed = state.logs[`model ${id}`]?.lines ?? [];
		setText(last, plain(printed.slice(-LINES).join('\n')));
	}

	function draw() {
		if (page.hidden) return;
		const now = model();
		frame.hidden = actions.node.hidden = !now;
		show(none, now || !state.known ? '' : 'There is no such model; see all under Models.');
		setText(title, now?.name || id);
		if (!now) return;
		const wanted = `${id} ${now.state} ${state.connected}`;
		if (mark !== wanted && state.connected) {
			mark = wanted;
			ask();
		}
		setText(subtitle, now.name ? now.id : '');
		setAttribute(looks, 'data-state', lookOf(now));
		show(trouble, isFailed(now) ? (explained.failure ?? now.failure) : '');
		setHidden(failure, trouble.hidden);
		load(now);
		setText(word, wordOf(now));
		updateActions(actions, now);
		const known = Object.entries(factsOf(now, listed, explained)).filter(([, value]) => value);
		keyed(facts, known, ([name]) => h('div', h('dt', name), h('dd', { dir: 'auto' })),
			(node, [, value]) => setText(node.lastChild, String(value)), ([name]) => name);
		setText(command, explained.cmd ?? '');
		const times = loadsOf(id);
		loadBox.hidden = times.length === 0;
		drawLoads(loads, times);
		const rows = state.rows.filter(row => row.model === id).slice(-ROWS).reverse();
		quiet.hidden = rows.length > 0;
		const cells = row => SHOWN.map(each => h('td', each.show(row[each.key], row)));
		keyed(body, rows, row => h('tr', cells(row)), null,
			row => `${row.timestamp} ${row.id}`);
		const query = encodeURIComponent(id);
		log.href = `logs?source=${query}`;
		all.href = `activity?model=${query}`;
	}

	page.append(h('div.bar', looks, subtitle, word, gap(), actions.node), none,
		frame);
	return {
		topics: ['models', 'rows', 'timeline', 'connection'],
		draw,
		tick() {
			tick(body);
			load(model());
		},
		show(query, name) {
			if (name !== id) [listed, explained, mark] = [{}, {}, ''];
			id = name;
		},
		hide: () => readLog(''),
		title: () => id,
	};
}

export const model = { title: 'Model', create };
