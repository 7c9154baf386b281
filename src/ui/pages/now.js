// Now: who holds the memory, what came before, who waits and why. The timeline is drawn in seconds
// since the page was opened; as time passes it is only shifted.
import {
	button,
	copy,
	dot,
	gap,
	h,
	keyed,
	setAttribute,
	setHidden,
	setText,
	svg,
} from '../dom.js';
import { act, pauseButton, pauseLeft } from '../actions.js';
import {
	LEAVING,
	LOADING,
	NO_MODELS,
	ascending,
	byName,
	clock,
	count,
	duration,
	isFailed,
	isWaiting,
	lookOf,
	percentile,
	size,
	speed,
	wordFor,
	wordOf,
} from '../format.js';
import { idPath, json, state } from '../store.js';
import { curl } from '../code.js';

const WINDOWS = { '5 min': 300, '30 min': 1800, '2 h': 7200 };
const LANE = 34; // px high, of which the base line is at
const BASE = 28;
const HEIGHTS = { ready: 6, asleep: 6, failed: 14 }; // all others: on the move
const MAX_BUSY = 4; // more at once are drawn as high as those
const MAX_TAILS = 3;
const MAX_WIDTH = 1000; // spans per lane: more would be narrower than a pixel
const SHORT = 0.5; // seconds: a shorter wait is none
const FULL_TICKS = 15; // of a second, until all is drawn anew
const ROUNDING = 1e-6; // what is left of a sum of speeds
const begin = Date.now();
const seconds = ms => (ms - begin) / 1000;

const STATES = ['loading', 'ready', 'answering', 'asleep', 'leaving', 'failed'];
const minutes = all => (all < 3600 ? `${all / 60} min` : `${all / 3600} h`);
const kindOf = name =>
	LOADING.includes(name) ? 'loading' : LEAVING.includes(name) ? 'leaving' : name;

/** How much there was at once of spans that each count, or weigh: [from, to, how much]. */
function levelsOf(all, from, step) {
	const edges = [];
	for (const [begins, ends, weight = 1] of all) {
		if (ends < from) continue;
		edges.push([Math.max(begins, from), weight], [ends, -weight]);
	}
	edges.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
	const spans = [];
	let now = 0;
	let at = from;
	for (const [time, change] of edges) {
		if (now > ROUNDING) add(spans, at, Math.max(time, at + step), now, step);
		now += change;
		at = time;
	}
	return spans;
}

/** Adds a span; what is less than a pixel from the last one becomes part of it. */
function add(spans, from, to, level, step) {
	const last = spans.at(-1);
	const near = last && from - last[1] < step && to - last[0] < 2 * step;
	if (near || (last && last[2] === level && from - last[1] < step)) {
		last[1] = Math.max(last[1], to);
		last[2] = Math.max(last[2], level);
	} else spans.push([from, to, level]);
}

/** What a model was in, from a change to the next: [from, to, kind, why]; the last one is open. */
function spansOf(changes) {
	return changes.map((change, i) => [
		seconds(change.at),
		i + 1 < changes.length ? seconds(changes[i + 1].at) : Infinity,
		change.failed ? 'failed' : kindOf(change.state),
		change.why,
	]);
}

const shape = (kind, from, to, height) => {
	const [x, width] = [from.toFixed(1), Math.max(to - from, 0.1).toFixed(1)];
	return { kind, text: `M${x} ${BASE}v${-height}h${width}v${height}z` };
};

function createLane() {
	const moving = svg('g', {});
	const line = svg('line', { x1: 0, x2: 100, y1: BASE, y2: BASE, class: 'base' });
	const picture = svg('svg', { preserveAspectRatio: 'none', 'aria-hidden': 'true' }, line, moving);
	const name = h('a');
	const word = h('span.muted.word');
	const requests = h('a', { tabindex: -1 }, picture);
	const node = h('li.lane', h('div.state', dot(), name, word), requests);
	node.parts = { picture, requests, moving, line, name, word, state: node.firstChild };
	return node;
}

const filled = kind =>
	(kind === 'loading' ? { 'data-kind': kind, fill: 'url(#stripes)' } : { 'data-kind': kind });

/** Draws all of a lane anew. */
function drawLane({ parts }, lane, range) {
	const { picture, moving, line, name, word, state: look } = parts;
	setText(name, lane.id);
	setAttribute(name, 'title', lane.id);
	setAttribute(name, 'href', `models/${idPath(lane.id)}`);
	setAttribute(parts.requests, 'href', `activity?model=${encodeURIComponent(lane.id)}`);
	setAttribute(parts.requests, 'aria-label', `Requests of ${lane.id}`);
	setText(word, lane.word);
	setAttribute(look, 'data-state', lane.look);
	picture.setAttribute('viewBox', `0 0 ${range} ${LANE}`);
	line.setAttribute('x2', range);
	const shapes = [];
	parts.open = null;
	for (const [from, to, kind] of lane.spans.slice(-MAX_WIDTH)) {
		if (kind === 'stopped' || to < lane.from) continue;
		const failed = kind === 'failed'; // a mark: it holds nothing
		const height = HEIGHTS[kind] ?? 14;
		if (to === Infinity && !failed) {
			const looks = { ...filled(kind), x: from, width: lane.to - from, y: BASE - height, height };
			parts.open = svg('rect', looks);
		} else shapes.push(shape(kind, from, failed ? from + range / 200 : to, height));
	}
	for (const [from, to, level] of lane.busy) {
		shapes.push(shape('answering', from, to, 8 + 4 * Math.min(level, MAX_BUSY)));
	}
	const tails = lane.waits.slice(-MAX_TAILS * 20).map(([from, to], i) =>
		`M${from.toFixed(1)} ${6 + (i % MAX_TAILS) * 6}H${to.toFixed(1)}`);
	const paths = [...Map.groupBy(shapes, each => each.kind)].map(([kind, all]) =>
		svg('path', { ...filled(kind), d: all.map(each => each.text).join('') }));
	const open = parts.open ? [parts.open] : [];
	moving.replaceChildren(...open, ...paths, svg('path', { class: 'tail', d: tails.join('') }));
}

/** What was asked in a window that ends now: who was answered, who waited, what was generated. */
function pastOf(range) {
	const to = seconds(Date.now());
	const from = to - range;
	const step = range / 600;
	const requests = new Map();
	const waits = new Map();
	const generated = [];
	const push = (map, id, value) => map.get(id)?.push(value) ?? map.set(id, [value]);
	for (const row of state.rows) {
		const end = seconds(Date.parse(row.timestamp));
		const start = end - row.duration_ms / 1000;
		if (end < from) continue;
		if (row.duration_ms > 0) push(requests, row.model, [start, end]);
		if (row.queue_ms / 1000 > SHORT) push(waits, row.model, [start - row.queue_ms / 1000, start]);
		const first = start + Math.max(0, row.ttft_ms) / 1000;
		const took = Math.max(end - first, SHORT); // else one token would be thousands a second
		if (row.output_tokens > 0) generated.push([first, first + took, row.output_tokens / took]);
	}
	for (const request of state.inflight) {
		const waiting = isWaiting(request);
		const start = waiting ? to : to - request.duration_ms / 1000;
		const queued = request.queue_ms / 1000;
		if (waiting || queued > SHORT) push(waits, request.model, [start - queued, start]);
		if (!waiting) push(requests, request.model, [start, to]);
		if (request.tokens > 0) generated.push([start, to, request.tokens / (to - start)]);
	}
	return { range, from, to, step, requests, waits, generated };
}

function lanesOf({ from, to, step, requests, waits }) {
	const changes = Map.groupBy(state.changes, change => change.id);
	const lanes = [];
	for (const model of state.models) {
		if (model.peerID) continue;
		const spans = spansOf(changes.get(model.id) ?? []);
		const seen = spans.some(([begins, end, kind]) =>
			(kind === 'failed' ? begins : end) > from && kind !== 'stopped');
		const asked = requests.has(model.id) || waits.has(model.id);
		const old = spans.length === 0 && !['stopped'].includes(model.state);
		if (old) spans.push([from, Infinity, kindOf(model.state), '']);
		if (!seen && !asked && !old) continue;
		const busy = levelsOf(requests.get(model.id) ?? [], from, step);
		const { id } = model;
		const word = wordOf(model);
		lanes.push({
			id, from, to, spans, busy, word,
			state: model.state,
			look: lookOf(model),
			waits: waits.get(id) ?? [],
		});
	}
	const rank = ({ state: now }) => (now === 'stopped' ? 1 : 0);
	return lanes.sort((a, b) => rank(a) - rank(b) || byName(a.id, b.id));
}

/** What there is to say of a lane at a moment. */
function sayOf(lane, at) {
	const span = lane.spans.find(([from, to]) => from <= at && at < to);
	const busy = lane.busy.find(([from, to]) => from <= at && at <= to);
	const wait = lane.waits.find(([from, to]) => from <= at && at <= to);
	const parts = [];
	if (span) {
		const [from, to, kind, why] = span;
		const end = Math.min(to, seconds(Date.now()));
		const long = kind === 'failed' ? '' : ` for ${duration((end - from) * 1000)}`;
		parts.push(`${lane.id}: ${kind}${long}${why ? ` (${why})` : ''}`);
	} else parts.push(lane.id);
	if (busy) parts.push(`${busy[2]} answered at once`);
	if (wait) parts.push('a request waits');
	return `${clock(begin + at * 1000)} · ${parts.join(' · ')}`;
}

function createTimeline() {
	let range = 0;
	let lanes = [];
	const list = h('ol.lanes');
	const tip = h('p.tip', { hidden: true });
	const axis = h('div.axis', { 'aria-hidden': 'true' });
	const words = h('ol');
	const text = h('details', h('summary', 'In words'), words);
	const stripe = svg('rect', { height: LANE, 'data-kind': 'stripe' });
	const looks = { id: 'stripes', patternUnits: 'userSpaceOnUse', height: LANE };
	const stripes = svg('pattern', looks, stripe);
	const legend = h('p.legend', STATES.map(kind => h('span', swatch(kind), kind)),
		h('span', h('span.swatch.tail'), 'a request waiting'),
		svg('svg', { width: 0, height: 0 }, stripes));
	const empty = h('p.muted', 'Nothing was loaded in this time.');
	const hint = h('span.muted', 'point for the reason, click for the requests');
	const node = h('section.card', h('h2', 'Who held the memory', gap(), hint),
		list, empty, axis, legend, tip, text);

	function draw(past) {
		range = past.range;
		const marks = range > 3600 ? [4, 3, 2, 1] : [5, 4, 3, 2, 1];
		const labels = marks.map(mark => `−${minutes((range * mark) / marks.length)}`);
		stripes.setAttribute('width', range / 120);
		stripe.setAttribute('width', range / 240);
		axis.replaceChildren(...[...labels, 'now'].map(label => h('span', label)));
		lanes = lanesOf(past);
		keyed(list, lanes, createLane, (lane, item) => drawLane(lane, item, range));
		setHidden(empty, lanes.length > 0);
		shift();
		if (text.open) say();
	}

	/** Time has passed, and nothing else has happened. */
	function shift() {
		const now = seconds(Date.now());
		for (const { parts } of list.children) {
			parts.moving.setAttribute('transform', `translate(${range - now} 0)`);
			if (parts.open) {
				const from = Number(parts.open.getAttribute('x'));
				parts.open.setAttribute('width', Math.max(0, now - from));
			}
		}
	}

	function say() {
		const last = state.changes.slice(-50).reverse();
		words.replaceChildren(...last.map(({ id, at, state: name, why, failed }) => {
			const what = failed ? 'failed' : wordFor(name);
			return h('li', `${clock(at)} ${id}: ${what}${why ? `, ${why}` : ''}`);
		}));
	}

	list.addEventListener('pointermove', event => {
		const picture = event.target.closest('svg');
		const lane = lanes[[...list.children].indexOf(event.target.closest('li'))];
		setHidden(tip, !picture || !lane);
		if (tip.hidden) return;
		const { left, width } = picture.getBoundingClientRect();
		const at = seconds(Date.now()) - range * (1 - (event.clientX - left) / width);
		setText(tip, sayOf(lane, at));
	});
	list.addEventListener('pointerleave', () => setHidden(tip, true));
	text.addEventListener('toggle', () => text.open && say());
	return { node, draw, shift };
}

const swatch = kind => h('span.swatch', { 'data-kind': kind, 'aria-hidden': 'true' });

function createPool() {
	const name = h('strong');
	const total = h('span.muted');
	const bar = h('ol.segments', { 'aria-hidden': 'true' });
	const list = h('ul.legend');
	const node = h('li', h('div.bar', name, gap(), total), bar, list);
	node.parts = { name, total, bar, list };
	return node;
}

function updatePool({ parts }, pool) {
	const known = new Map(state.models.map(model => [model.id, model.state]));
	const all = Object.entries(pool.models).map(([id, bytes]) => ({
		id, bytes, kind: kindOf(known.get(id) ?? 'ready'),
	}));
	if (pool.others > 0) all.push({ id: 'other programs', bytes: pool.others, kind: 'others' });
	const used = all.reduce((sum, { bytes }) => sum + bytes, 0);
	const free = Math.max(0, pool.total - used - pool.reserve);
	setText(parts.name, pool.pool);
	setText(parts.total, `${size(used)} of ${size(pool.total)}, ${size(free)} free to use`);
	all.push({ id: 'free to use', bytes: free, kind: 'free' });
	if (pool.reserve > 0) all.push({ id: 'kept free', bytes: pool.reserve, kind: 'reserve' });
	keyed(parts.bar, all, () => h('li'), (node, { id, bytes, kind }) => {
		setAttribute(node, 'title', `${id} ${size(bytes)}`);
		setAttribute(node, 'data-kind', kind);
		node.style.flexBasis = `${(100 * bytes) / pool.total}%`;
	});
	const named = all.filter(({ kind }) => kind !== 'free');
	keyed(parts.list, named, ({ kind }) => h('li', swatch(kind), h('span')), (node, each) => {
		setAttribute(node.firstChild, 'data-kind', each.kind);
		setText(node.lastChild, `${each.id} ${size(each.bytes)}`);
	});
}

/** A number, and a small picture of it in the window. */
function createChart(title, unit, words) {
	const big = h('span.big');
	const small = h('span.muted');
	const path = svg('path', { class: 'spark' });
	const looks = { viewBox: '0 0 1 60', preserveAspectRatio: 'none', class: 'chart', role: 'img' };
	const picture = svg('svg', looks, path);
	const note = h('span.muted');
	const node = h('section.card', h('h2', title, gap(), note), h('p', big, ' ', small), picture);

	function draw(now, spans, { range, from, step }) {
		const levels = levelsOf(spans, from, step);
		const most = Math.max(now, ...levels.map(([, , level]) => level));
		setText(big, words(now));
		setText(small, `${unit}, highest ${words(most)} in the last ${minutes(range)}`);
		picture.setAttribute('aria-label', small.textContent);
		const across = at => ((at - from) / range).toFixed(4);
		const drawn = levels.map(([begins, ends, level]) =>
			`M${across(begins)} 60V${60 - (56 * level) / most}H${across(ends)}V60`);
		path.setAttribute('d', drawn.join('') || 'M0 60');
	}
	return { node, note, draw };
}

function createWaiting(again) {
	const chart = createChart('Waiting', 'now', count);
	const list = h('ul.waits');
	const none = h('p.muted', 'Nobody waits.');
	const node = chart.node;
	node.append(list, none);

	let mark = '';
	let reasons = new Map(); // by model: what the server says of it

	/** Asks what they wait for, whenever that may have changed. */
	async function explain(ids) {
		const working = state.inflight.filter(request => !isWaiting(request));
		const now = [...state.models, ...working].map(each => each.state + each.model).join() + ids;
		if (mark === now) return;
		mark = now;
		const told = await Promise.all(ids.map(async id => {
			try {
				const query = encodeURIComponent(id);
				return [id, await json('GET', `api/explain?model=${query}`)];
			} catch {
				return [id, {}]; // then its place in the queue has to do
			}
		}));
		if (mark !== now) return; // a later one is on its way
		reasons = new Map(told);
		again();
	}

	function draw(past) {
		const waiting = state.inflight.filter(isWaiting);
		chart.draw(waiting.length, [...past.waits.values()].flat(), past);
		const byModel = [...Map.groupBy(waiting, request => request.model)].map(([id, all]) => ({
			id, all, model: state.models.find(model => model.id === id),
		}));
		keyed(list, byModel, () => h('li'), (row, { id, all, model }) => {
			const { summary, must_go: leave = [], busy = [] } = reasons.get(id) ?? {};
			const room = leave.length ? `${leave.join(', ')} has to go` : summary;
			const brief = busy.length ? `until ${busy.join(', ')} has answered` : room;
			const reason = brief || `number ${all[0].position} in the queue`;
			const moves = model?.state === 'stopped' ? reason : wordOf(model ?? {});
			const why = state.pause ? `until the pause ends, in ${pauseLeft()}` : moves;
			setText(row, `${id} × ${all.length}: ${why}`);
			setAttribute(row, 'title', summary ?? '');
		});
		explain(byModel.filter(each => each.model?.state === 'stopped').map(({ id }) => id));
		const most = Math.max(0, ...waiting.map(request => request.queue_ms));
		setText(chart.note, waiting.length ? `longest ${duration(most)}` : '');
		setHidden(none, waiting.length > 0);
	}
	return { node, draw };
}

/** What to do first, where nothing has happened so far. */
function createWelcome() {
	const line = h('code');
	const path = () => `api/models/load/${idPath(load.value)}`;
	const load = button('.primary', 'Load it', () => act(load, path()));
	const none = h('p.card', NO_MODELS);
	const node = h('section.card', h('h2', 'A first request'), h('pre.wrap', line),
		h('p.bar', button('', 'Copy', event => copy(event.currentTarget, line.textContent)), load));

	function draw() {
		const first = state.models.find(model => !model.peerID && !model.unlisted);
		const used = state.changes.length > 0 || state.rows.length > 0 || state.inflight.length > 0;
		setHidden(node, used || !first);
		setHidden(none, first || !state.known);
		if (node.hidden) return;
		const messages = [{ role: 'user', content: 'Hello' }];
		setText(line, curl({ path: 'chat/completions', body: { model: first.id, messages } }));
		load.value = first.id;
		setText(load, `Load ${first.id}`);
	}
	return { node, none, draw };
}

const ofAll = speeds => [...speeds.values()].reduce((sum, each) => sum + each, 0);

function create(page) {
	const summary = h('p.muted', { id: 'now-summary' });
	const failures = h('a.bad', { href: 'models', hidden: true });
	const timeline = createTimeline();
	const pools = h('ul.pools');
	const memory = h('section.card', h('h2', 'Memory'), pools);
	const generated = createChart('Generated', 'tok/s now', speed);
	const waiting = createWaiting(soon);
	const welcome = createWelcome();
	const choices = Object.entries(WINDOWS).map(([label, value]) =>
		button('', label, () => choose(value), { 'data-range': value }));
	let range = 0;
	let asked = 0;
	let ticks = 0;

	function choose(value) {
		range = value;
		for (const each of choices) each.ariaPressed = String(Number(each.dataset.range) === range);
		soon();
	}

	function drawCharts(past) {
		generated.draw(ofAll(state.speeds), past.generated, past);
		const first = ascending(state.rows.slice(-50).map(row => row.ttft_ms));
		const median = `first token after ${duration(percentile(first, 0.5))}, median`;
		setText(generated.note, first.length ? median : '');
		waiting.draw(past);
	}

	function draw() {
		asked = 0;
		const { models, inflight } = state;
		const past = pastOf(range);
		const waits = inflight.filter(isWaiting).length;
		const ready = models.filter(model => model.state === 'ready').length;
		const atWork = `${count(inflight.length - waits)} in flight · ${count(waits)} waiting`;
		setText(summary, `${count(ready)} ready · ${atWork} · ${speed(ofAll(state.speeds))} tok/s`);
		const failed = models.filter(isFailed).length;
		setHidden(failures, failed === 0);
		setText(failures, `${count(failed)} failed`);
		timeline.draw(past);
		requestAnimationFrame(() => drawCharts(past)); // a frame of their own: neither is long
		welcome.draw();
		keyed(pools, state.memory, createPool, updatePool, pool => pool.pool);
		setHidden(memory, state.memory.length === 0);
	}

	function soon() {
		asked ||= requestAnimationFrame(draw);
	}

	function tick() {
		// What has left the window goes now and then.
		if (state.inflight.length > 0 || ++ticks % FULL_TICKS === 0) return soon();
		timeline.shift();
		drawCharts(pastOf(range));
	}
	page.append(h('div.bar', h('h1', 'Now'), summary, failures, gap(),
		h('span.choices', choices), pauseButton()),
		welcome.none, welcome.node, timeline.node,
		h('div.cards', memory, generated.node, waiting.node));
	choose(WINDOWS['5 min']);
	return { topics: ['models', 'rows', 'inflight', 'timeline', 'memory'], draw: soon, tick };
}

export const now = { title: 'Now', create };
