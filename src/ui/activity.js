// Activity: what is in flight, what has ended, how fast it was.
import { count, duration, h, keyed, notice, remember, remembered, setHidden, setText, speed, svg, tick, time } from './dom.js';
import { showCapture } from './capture.js';
import { call, on, state } from './store.js';

const PAGE = 100;

/** The columns of ended requests: how a row reads, and what it is sorted by. */
const COLUMNS = [
	{ id: 'time', label: 'Time', read: row => time(row.timestamp), by: row => row.timestamp },
	{ id: 'model', label: 'Model', read: row => row.model, by: row => row.model },
	{ id: 'path', label: 'Path', read: row => row.path, by: row => row.path },
	{ id: 'status', label: 'Status', read: row => status(row), by: row => row.status },
	{ id: 'prompt', label: 'Prompt', read: row => tokens(row.input_tokens), by: row => row.input_tokens, number: true },
	{ id: 'cached', label: 'Cached', read: row => count(row.cache_tokens), by: row => row.cache_tokens, number: true },
	{ id: 'generated', label: 'Generated', read: row => tokens(row.output_tokens), by: row => row.output_tokens, number: true },
	{ id: 'prompt_speed', label: 'Prompt/s', read: row => speed(row.prompt_per_second), by: row => row.prompt_per_second, number: true },
	{ id: 'speed', label: 'Tokens/s', read: row => speed(row.tokens_per_second), by: row => row.tokens_per_second, number: true },
	{ id: 'queue', label: 'Queue', read: row => duration(row.queue_ms), by: row => row.queue_ms, number: true },
	{ id: 'first', label: 'First token', read: row => duration(row.ttft_ms), by: row => row.ttft_ms, number: true },
	{ id: 'duration', label: 'Duration', read: row => duration(row.duration_ms), by: row => row.duration_ms, number: true },
];

let busy, busyBox, body, head, model, more, tiles, histogram, hiddenColumns, none;
let visible = false;
let timer = 0;
let sort = { column: 'time', down: true };
let limit = PAGE;

const ENDS = { 'the client left': 'client left', 'the request was cancelled': 'cancelled' };

function status(row) {
	const good = row.status < 400 && !row.error;
	const how = ENDS[row.error] ?? (row.status < 400 ? 'broke off' : '');
	return h('span', { class: good ? 'good' : 'bad', title: row.error ?? '' }, good ? String(row.status) : `✕ ${row.status} ${how}`);
}

/** Tokens of a prompt or an answer: 0 says that the server told nothing. */
const tokens = n => count(n || -1);

function create(page) {
	hiddenColumns = new Set(remembered('hiddenColumns', ['path']));
	busy = h('tbody');
	const heads = ['Model', 'Path', 'State', 'Waited', 'Running', 'Tokens', 'Tokens/s', ''].map(label => h('th', { scope: 'col' }, label));
	busyBox = h('div', { class: 'scroll' }, h('table', {}, h('caption', {}, 'In flight'), h('thead', {}, h('tr', {}, ...heads)), busy));
	head = h('tr');
	body = h('tbody');
	none = h('p', { class: 'muted' }, 'No request has ended yet.');
	model = h('select', { 'aria-label': 'Model', onchange: draw });
	more = h('button', { type: 'button', onclick: () => { limit += 4 * PAGE; draw(); } }, 'Show more');
	tiles = h('dl', { class: 'tiles' });
	histogram = svg('svg', { viewBox: '0 0 240 60', role: 'img', class: 'histogram' });
	const chooser = h('details', { class: 'chooser' }, h('summary', {}, 'Columns'), h('div', {}, ...COLUMNS.map(column => {
		const box = h('input', { type: 'checkbox', onchange: () => {
			if (box.checked) hiddenColumns.delete(column.id);
			else hiddenColumns.add(column.id);
			remember('hiddenColumns', [...hiddenColumns]);
			redraw();
		} });
		box.checked = !hiddenColumns.has(column.id);
		return h('label', {}, box, ` ${column.label}`);
	})));
	page.append(h('div', { class: 'bar' }, h('h1', {}, 'Activity'), h('span', { class: 'gap' }), h('label', {}, 'Model ', model), chooser),
		h('div', { class: 'figures' }, tiles, h('figure', {}, histogram, h('figcaption', { class: 'muted' }, 'generated tokens/s'))),
		busyBox, h('div', { class: 'scroll' }, h('table', { class: 'rows' }, h('caption', {}, 'Ended'), h('thead', {}, head), body)), none, more);
	on('rows', draw);
	on('inflight', drawBusy);
}

// ---- in flight

function drawBusy() {
	if (!visible) return;
	setHidden(busyBox, state.inflight.length === 0);
	keyed(busy, state.inflight, request => request.id, request => h('tr', {}, ...Array.from({ length: 7 }, () => h('td')),
		h('td', {}, h('button', { type: 'button', class: 'quiet link', 'aria-label': `Cancel the request for ${request.model}`, onclick: event => cancel(event.currentTarget, request.id) }, 'Cancel'))),
	(node, request) => {
		const place = request.state !== 'waiting' ? request.state : request.position > 1 ? `waiting, number ${request.position} in the queue` : 'waiting';
		const passed = performance.now() - request.seenAt;
		const texts = [request.model, request.path, place, duration(request.queue_ms + (request.state === 'waiting' ? passed : 0)),
			duration(request.duration_ms + (request.state === 'waiting' ? 0 : passed)), count(request.tokens), request.speed > 0 ? speed(request.speed) : '–'];
		texts.forEach((text, i) => setText(node.children[i], text));
	});
}

async function cancel(button, id) {
	button.disabled = true;
	try {
		await call('POST', `api/inflight/${id}/cancel`);
	} catch (error) {
		notice(error.message);
		button.disabled = false;
	}
}

// ---- ended

function drawHead() {
	keyed(head, [...COLUMNS.filter(column => !hiddenColumns.has(column.id)), { id: 'capture' }], column => column.id, column => {
		if (column.id === 'capture') return h('td');
		return h('th', { scope: 'col', class: column.number ? 'number' : '' }, h('button', { type: 'button', class: 'quiet', onclick: () => {
			sort = { column: column.id, down: sort.column === column.id ? !sort.down : column.number || column.id === 'time' };
			draw();
		} }, column.label));
	}, (node, column) => {
		const mine = sort.column === column.id;
		if (column.by) node.setAttribute('aria-sort', mine ? sort.down ? 'descending' : 'ascending' : 'none');
	});
}

function line(row) {
	const cells = COLUMNS.filter(column => !hiddenColumns.has(column.id)).map(column => {
		const content = column.read(row);
		return h('td', { class: column.number ? 'number' : '', title: content.at && content }, content);
	});
	const button = row.has_capture ? h('button', { type: 'button', class: 'quiet link', 'aria-label': `What was said in request ${row.id}`, onclick: () => showCapture(row) }, 'Open') : '';
	return h('tr', {}, ...cells, h('td', {}, button));
}

function redraw() {
	body.replaceChildren();
	body.known = new Map();
	head.replaceChildren();
	head.known = new Map();
	draw();
}

function draw() {
	if (!visible) return;
	drawBusy();
	drawHead();
	const names = [...new Set(state.rows.map(row => row.model))].sort();
	keyed(model, ['', ...names], name => name, name => h('option', { value: name }, name || 'all'));
	const rows = model.value ? state.rows.filter(row => row.model === model.value) : state.rows.slice();
	const { by } = COLUMNS.find(column => column.id === sort.column);
	const direction = sort.down ? -1 : 1;
	if (sort.column === 'time' && sort.down) rows.reverse();
	else rows.sort((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : a.id - b.id) * direction);
	keyed(body, rows.slice(0, limit), row => `${row.timestamp} ${row.id}`, line);
	setHidden(more, rows.length <= limit);
	setText(more, `Show more (${count(rows.length - limit)} left)`);
	setHidden(none, rows.length > 0);
	figures(rows);
}

// ---- figures

function percentile(sorted, share) {
	return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] : -1;
}

function figures(rows) {
	const sum = of => rows.reduce((all, row) => all + Math.max(0, of(row)), 0);
	const sorted = of => rows.map(of).filter(value => value >= 0).sort((a, b) => a - b);
	const speeds = sorted(row => row.output_tokens > 0 ? row.tokens_per_second : -1);
	const firsts = sorted(row => row.ttft_ms);
	const all = {
		Requests: count(rows.length), Failed: count(rows.filter(row => row.error || row.status >= 400).length),
		'Prompt tokens': count(sum(row => row.input_tokens)), Cached: count(sum(row => row.cache_tokens)), Generated: count(sum(row => row.output_tokens)),
		'Tokens/s, median': speed(percentile(speeds, 0.5)), 'Tokens/s, slowest 5%': speed(percentile(speeds, 0.05)),
		'First token, median': duration(percentile(firsts, 0.5)), 'First token, slowest 5%': duration(percentile(firsts, 0.95)),
	};
	keyed(tiles, Object.keys(all), name => name, name => h('div', {}, h('dt', {}, name), h('dd')), (node, name) => setText(node.lastChild, all[name]));
	drawHistogram(speeds);
}

/** How often which speed, in twelve bars. */
function drawHistogram(speeds) {
	setHidden(histogram.parentNode, speeds.length < 2);
	if (speeds.length < 2) return;
	const [low, high] = [speeds[0], speeds.at(-1)];
	const bars = new Array(12).fill(0);
	for (const value of speeds) bars[Math.min(11, Math.floor((value - low) / (high - low || 1) * 12))]++;
	const most = Math.max(...bars);
	histogram.setAttribute('aria-label', `Generated tokens per second of ${speeds.length} requests, from ${speed(low)} to ${speed(high)}`);
	histogram.replaceChildren(
		...bars.map((n, i) => svg('rect', { x: 20 * i + 1, y: 46 - 44 * n / most, width: 18, height: 44 * n / most, rx: 1 })),
		svg('text', { x: 0, y: 58 }, speed(low)), svg('text', { x: 240, y: 58, 'text-anchor': 'end' }, speed(high)));
}

export const activity = {
	title: 'Activity',
	create(page) {
		create(page);
		return {
			show() {
				visible = true;
				draw();
				clearInterval(timer);
				timer = setInterval(() => { tick(body); drawBusy(); }, 1000);
			},
			hide() {
				visible = false;
				clearInterval(timer);
			},
		};
	},
};
