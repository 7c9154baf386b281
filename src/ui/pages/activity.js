// Activity: what is in flight, what has ended, how fast it was.
import {
	barsOf,
	button,
	copy,
	download,
	gap,
	h,
	keyed,
	notice,
	remember,
	recall,
	search,
	setHidden,
	setText,
	svg,
	table,
	tick,
	time,
} from '../dom.js';
import { act } from '../actions.js';
import {
	ascending,
	count,
	duration,
	inBrief,
	isWaiting,
	percentile,
	since,
	speed,
	statusOf,
	wasLeft,
} from '../format.js';
import { keyLines, shell } from '../code.js';
import { call, json, root, state } from '../store.js';
import { assembled } from '../stream.js';

const PAGE = 100;
const BARS = 12;
const DAYS = 30;

/** Tokens of a prompt or an answer: 0 says that the server told nothing. */
const tokens = n => count(n || -1);

/** The columns of ended requests: id, label, what they are sorted by, and how that reads. */
export const COLUMNS = [
	['time', 'Time', 'timestamp', time],
	['model', 'Model', 'model'],
	['path', 'Path', 'path'],
	['status', 'Status', 'status', (value, row) => status(row)],
	['prompt', 'Prompt', 'input_tokens', tokens],
	['cached', 'Cached', 'cache_tokens', count],
	[
		'generated',
		'Generated',
		'output_tokens',
		(n, { estimated }) => `${estimated ? '~' : ''}${tokens(n)}`,
	],
	['prompt_speed', 'Prompt/s', 'prompt_per_second', speed],
	['speed', 'Tokens/s', 'tokens_per_second', speed],
	['queue', 'Queue', 'queue_ms', duration],
	['first', 'First token', 'ttft_ms', duration],
	['duration', 'Duration', 'duration_ms', duration],
].map(([id, label, key, show = value => value], i) => ({ id, label, key, show, number: i > 3 }));
const BUSY_HEADS = ['Model', 'Path', 'State', 'Waited', 'Running', 'Tokens', 'Tokens/s', ''];

function status(row) {
	const good = row.status < 400 && !row.error;
	const kind = wasLeft(row) ? 'muted' : good ? 'good' : 'bad';
	const said = row.error && !wasLeft(row) ? h('span.muted.why', inBrief(row.error)) : null;
	return h('span', { class: kind, title: row.error ?? '' }, statusOf(row), said);
}

function createBusy({ id, model }) {
	const label = { label: `Cancel the request for ${model}` };
	const stop = button('.quiet.link', 'Cancel', () => act(stop, `api/inflight/${id}/cancel`), label);
	return h('tr', ...BUSY_HEADS.slice(1).map(() => h('td')), h('td', stop));
}

function place(request) {
	if (!isWaiting(request)) return request.state;
	return request.position > 1 ? `waiting, number ${request.position} in the queue` : 'waiting';
}

function updateBusy(node, request) {
	const passed = since(request.seenAt);
	const waiting = isWaiting(request);
	const texts = [
		request.model,
		request.path,
		place(request),
		duration(request.queue_ms + (waiting ? passed : 0)),
		duration(request.duration_ms + (waiting ? 0 : passed)),
		count(request.tokens),
		request.speed > 0 ? speed(request.speed) : '–',
	];
	texts.forEach((text, i) => setText(node.children[i], text));
}

const speedsOf = rows =>
	ascending(rows.map(row => (row.output_tokens > 0 ? row.tokens_per_second : -1)));

function figuresOf(rows) {
	const sum = key => rows.reduce((all, row) => all + Math.max(0, row[key]), 0);
	const speeds = speedsOf(rows);
	const firsts = ascending(rows.map(row => row.ttft_ms));
	return {
		Requests: count(rows.length),
		Failed: count(rows.filter(row => (row.error || row.status >= 400) && !wasLeft(row)).length),
		'Prompt tokens': count(sum('input_tokens')),
		Cached: count(sum('cache_tokens')),
		Generated: count(sum('output_tokens')),
		'Tokens/s, median': speed(percentile(speeds, 0.5)),
		'Tokens/s, slowest 5%': speed(percentile(speeds, 0.05)),
		'First token, median': duration(percentile(firsts, 0.5)),
		'First token, slowest 5%': duration(percentile(firsts, 0.95)),
	};
}

/** What is drawn as a histogram: its caption, the values of rows, and how one reads. */
const CHARTS = [
	['generated tokens/s', rows => speedsOf(rows), speed],
	['prompt tokens/s', rows => ascending(rows.map(row => row.prompt_per_second || -1)), speed],
	['queue and load', rows => ascending(rows.map(row => row.queue_ms || -1)), duration],
	['first token', rows => ascending(rows.map(row => row.ttft_ms)), duration],
];

function createHistogram([caption]) {
	const picture = svg('svg', { viewBox: '0 0 240 60', role: 'img', class: 'histogram' });
	return h('figure', picture, h('figcaption.muted', caption));
}

function updateHistogram(figure, [caption, , write], values) {
	const few = values.length < 5 || values[0] === values.at(-1);
	setHidden(figure, few);
	if (few) return;
	const [low, high] = [values[0], values.at(-1)];
	const bars = new Array(BARS).fill(0);
	for (const value of values) {
		const share = (value - low) / (high - low || 1);
		bars[Math.min(BARS - 1, Math.floor(share * BARS))]++;
	}
	const most = Math.max(...bars);
	const histogram = figure.firstChild;
	const range = `from ${write(low)} to ${write(high)}, at most ${most} in one of ${BARS} parts`;
	histogram.ariaLabel = `${caption} of ${values.length} requests, ${range}`;
	const text = (value, props) => svg('text', { y: 58, ...props }, value);
	const axis = svg('line', { x1: 0, x2: 240, y1: 46.5, y2: 46.5, class: 'base' });
	histogram.replaceChildren(
		...barsOf(bars, 20),
		axis,
		text(write(low)),
		text(write(high), { x: 240, 'text-anchor': 'end' }),
		text(count(most), { x: 240, y: 9, 'text-anchor': 'end' }),
	);
}

/** Whether a row has a text in what people look for. */
function fitting(text) {
	const wanted = text.trim().toLowerCase();
	const fits = value => value !== undefined && String(value).toLowerCase().includes(wanted);
	return row =>
		!wanted || SEARCHED.some(key => fits(row[key]));
}

const SEARCHED = ['model', 'requested_model', 'key', 'path', 'status', 'error', 'cause'];

/** As a table reads it: nothing in it is worked out, whatever it begins with. */
function quoted(value) {
	const harmless = /^[=+@\t-]/.test(value) && Number.isNaN(Number(value)) ? `'${value}` : value;
	return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function csvOf(rows) {
	const keys = [...new Set(rows.flatMap(row => Object.keys(row)))];
	const line = row => keys.map(key => quoted(String(row[key] ?? ''))).join(',');
	return [keys.join(','), ...rows.map(line)].join('\r\n');
}

/** The last days, of which the server may have kept rows. */
function createDays() {
	const days = [h('option', { value: '' }, 'since the start')];
	for (let i = 0; i < DAYS; i++) {
		const day = new Date(Date.now() - i * 86_400_000).toLocaleDateString('sv');
		days.push(h('option', { value: day }, day));
	}
	return days;
}

// ---- what was said in one request: headers and bodies, made readable

const MAX_SHOWN = 200_000;

function decode(base64) {
	const bytes = Uint8Array.from(atob(base64), each => each.charCodeAt(0));
	return bytes.includes(0)
		? `(binary, ${count(bytes.length)} bytes)`
		: new TextDecoder().decode(bytes);
}

function pretty(text) {
	try {
		return JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
}

function curl(capture, body) {
	const named = Object.entries(capture.req_headers);
	const type = named.find(([name]) => name.toLowerCase() === 'content-type')?.[1];
	const url = new URL(capture.req_path.replace(/^\/+/, ''), root).href;
	const header = `  -H ${shell(`Content-Type: ${type ?? 'application/json'}`)}`;
	const lines = [`curl -N ${shell(url)}`, header, ...keyLines(), `  --data-raw ${shell(body)}`];
	return lines.join(' \\\n');
}

function shorten(text) {
	if (text.length <= MAX_SHOWN) return text || '(nothing)';
	const more = count(text.length - MAX_SHOWN);
	return `${text.slice(0, MAX_SHOWN)}\n… ${more} more characters; copy shows all`;
}

function block(title, text, open) {
	const copies = button('.quiet', 'Copy', event => copy(event.currentTarget, text));
	const shown = h('pre.wrap', { tabindex: '0' }, shorten(text));
	return h('details', { open }, h('summary', title), copies, shown);
}

function headers(all) {
	const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
	return lines.join('\n');
}

function blocks(capture) {
	const response = decode(capture.resp_body);
	const read = assembled(response);
	const whole = read === null;
	return [
		block('Request headers', headers(capture.req_headers), false),
		block('Request body', pretty(decode(capture.req_body)), true),
		block('Answer headers', headers(capture.resp_headers), false),
		whole ? null : block('Answer, put together', read, true),
		block(whole ? 'Answer' : 'Answer as it came', whole ? pretty(response) : response, whole),
	];
}

/** `gone` is called when there is none any more. */
async function showCapture(row, gone) {
	let capture;
	try {
		capture = await json('GET', `api/captures/${row.id}`);
	} catch (error) {
		if (error.status === 404) gone();
		return notice(error.message);
	}
	const copyCurl = event => copy(event.currentTarget, curl(capture, decode(capture.req_body)));
	const curlButton = button('', 'Copy as curl', copyCurl);
	const close = button('', 'Close', () => dialog.close());
	const title = h('h2', `${row.model} · ${capture.req_path}`);
	const tokens = count(row.output_tokens || -1);
	const took = duration(row.duration_ms);
	const figures = `status ${row.status}, ${took}, ${tokens} tokens generated`;
	const dialog = h(
		'dialog.capture',
		{ label: `Request ${row.id}`, onclose: () => dialog.remove() },
		h('div.bar', title, gap(), curlButton, close),
		h('p.muted', figures),
		row.error ? h('pre.wrap.bad', row.error) : null,
		...blocks(capture),
	);
	document.body.append(dialog);
	dialog.showModal();
}

// ---- the page

function create(page) {
	const hiddenColumns = new Set(recall('hiddenColumns', ['path']));
	const sort = { column: 'time', down: true };
	const busy = h('tbody');
	const busyBox = table(BUSY_HEADS, busy, {}, 'In flight');
	const head = h('tr');
	const body = h('tbody');
	const none = h('p.muted', 'No request has ended yet.');
	const model = h('select', { label: 'Model', onchange: update });
	const filter = search('Filter requests', 'Filter', update);
	const older = h('select', { label: 'Period', onchange: readHistory });
	const more = button('', 'Show more', showMore);
	const tiles = h('dl.tiles');
	const charts = CHARTS.map(createHistogram);
	let limit = PAGE;
	let asked = ''; // the model that a link named
	let period = null; // rows of a day that has gone

	const shownColumns = () => COLUMNS.filter(each => !hiddenColumns.has(each.id));

	function showMore() {
		limit += 4 * PAGE;
		update();
	}

	function chooseColumn(id, shown) {
		if (shown) hiddenColumns.delete(id);
		else hiddenColumns.add(id);
		remember('hiddenColumns', [...hiddenColumns]);
		for (const part of [body, head]) {
			part.replaceChildren();
			part.known = new Map();
		}
		update();
	}

	function chooser() {
		const boxes = COLUMNS.map(({ id, label }) => {
			const onchange = event => chooseColumn(id, event.currentTarget.checked);
			const box = h('input', { type: 'checkbox', onchange });
			box.checked = !hiddenColumns.has(id);
			return h('label', box, ` ${label}`);
		});
		const summary = h('summary', 'Columns');
		return h('details.chooser', summary, h('div', ...boxes));
	}

	function sortBy(each) {
		const first = each.number || each.id === 'time';
		sort.down = sort.column === each.id ? !sort.down : first;
		sort.column = each.id;
		update();
	}

	function createHead(each) {
		if (!each.key) return h('td');
		const sorts = button('.quiet', each.label, () => sortBy(each));
		return h('th', { scope: 'col', class: each.number ? 'number' : '' }, sorts);
	}

	function updateHead(node, each) {
		if (!each.key) return;
		const direction = sort.down ? 'descending' : 'ascending';
		node.ariaSort = sort.column === each.id ? direction : 'none';
	}

	function createRow(row) {
		const cells = shownColumns().map(({ key, show, number }) => {
			const content = show(row[key], row);
			const title = typeof content === 'string' ? content : null;
			return h('td', { class: number ? 'number' : '', title }, content);
		});
		const label = { label: `What was said in request ${row.id}` };
		const gone = h('span.muted', { title: 'It has made room for newer ones' }, 'gone');
		const show = () => showCapture(row, () => open.replaceWith(gone));
		const open = button('.quiet.link', 'What was said', show, label);
		let copy = row.has_capture ? open : '';
		if (row.capture_gone) copy = gone;
		return h('tr', ...cells, h('td', copy));
	}

	function sorted(rows) {
		if (sort.column === 'time') return sort.down ? [...rows].reverse() : rows;
		const { key } = COLUMNS.find(each => each.id === sort.column);
		const direction = sort.down ? -1 : 1;
		const compare = (a, b) => {
			if (a[key] === b[key]) return a.id - b.id;
			return a[key] < b[key] ? -1 : 1;
		};
		return [...rows].sort((a, b) => compare(a, b) * direction);
	}

	/** The rows of the period: those that come, or of a day that has gone. */
	const all = () => period ?? state.rows;

	function chosen() {
		const fits = fitting(filter.value);
		return all().filter(row => (!model.value || row.model === model.value) && fits(row));
	}

	async function readHistory() {
		period = null;
		if (older.value) {
			const day = older.value;
			const query = `from=${day}T00:00&to=${day}T23:59:59.999`;
			try {
				const text = await (await call('GET', `api/history?${query}`)).text();
				if (older.value !== day) return;
				period = text.split('\n').filter(Boolean).map(line => JSON.parse(line));
			} catch (error) {
				notice(error.message);
				older.value = '';
			}
		}
		update();
	}

	function save(type) {
		const rows = chosen();
		const text = type === 'csv' ? csvOf(rows) : JSON.stringify(rows, null, '\t');
		download(`llmsnap-requests.${type}`, text);
	}

	function updateFlight() {
		setHidden(busyBox, state.inflight.length === 0);
		keyed(busy, state.inflight, createBusy, updateBusy);
	}

	function updateFigures(rows) {
		const all = figuresOf(rows);
		const createTile = name => h('div', h('dt', name), h('dd'));
		const updateTile = (node, name) => setText(node.lastChild, all[name]);
		keyed(tiles, Object.keys(all), createTile, updateTile);
		charts.forEach((figure, i) => updateHistogram(figure, CHARTS[i], CHARTS[i][1](rows)));
	}

	function update() {
		updateFlight();
		keyed(head, [...shownColumns(), { id: 'capture' }], createHead, updateHead);
		const names = [...new Set([...all().map(row => row.model), asked])].filter(Boolean).sort();
		const createName = name => h('option', { value: name }, name || 'all');
		keyed(model, ['', ...names], createName);
		setHidden(older, !state.history);
		const rows = chosen();
		const listed = sorted(rows).slice(0, limit);
		keyed(body, listed, createRow, null, row => `${row.timestamp} ${row.id}`);
		setHidden(more, rows.length <= limit);
		setText(more, `Show more (${count(rows.length - limit)} left)`);
		setHidden(none, rows.length > 0);
		updateFigures(rows);
	}

	page.append(
		h('div.bar', h('h1', 'Activity'), gap(), h('label', 'Model ', model), filter, older,
			button('', 'CSV', () => save('csv')), button('', 'JSON', () => save('json')), chooser()),
		h('div.figures', tiles),
		h('div.figures', charts),
		busyBox,
		table(head, body, { class: 'rows' }, 'Ended'),
		none,
		more,
	);
	return {
		topics: ['rows', 'inflight'],
		draw: topic => (topic === 'inflight' ? updateFlight() : update()),
		tick() {
			tick(body);
			updateFlight();
		},
		show(query) {
			if (!period) older.replaceChildren(...createDays()); // there may be a new one
			if (!query.has('model')) return;
			asked = query.get('model');
			update();
			model.value = asked;
		},
	};
}

export const activity = { title: 'Activity', create };
