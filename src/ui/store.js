// What the page knows, fed by the one stream of events; pages listen to topics and draw what has
// changed: models, rows, inflight, timeline, memory, pause, log, connection.

/** Where the server is, also under a sub-path of a reverse proxy. */
export const root = new URL('..', import.meta.url);

const MAX_LINES = 50_000;
const MAX_LINE = 10_000;
const MAX_ROWS = 1_000;
const MAX_CHANGES = 4_000;
const MEASURE_MS = 400;
const KEY_NEEDED =
	'A key is needed: load this page again and log in with any name and the key as password.';

export class LogText {
	lines = [];
	first = 0; // how many lines have gone before those
	#begun = ''; // the last line, which has no end yet
	#tail = []; // the last lines, also when they were cleared

	append(text) {
		this.#add(this.#split(text));
	}

	#split(text) {
		const parts = (this.#begun + text).split('\n');
		this.#begun = parts.pop();
		if (this.#begun.length > 2 * MAX_LINE) this.#begun = this.#begun.slice(0, MAX_LINE + 1);
		return parts.map(part => shorten(part.slice(part.lastIndexOf('\r', part.length - 2) + 1)));
	}

	#add(lines) {
		for (const line of lines) this.lines.push(line);
		this.#tail = [...this.#tail, ...lines.slice(-20)].slice(-20);
		const over = this.lines.length - MAX_LINES;
		if (over <= 0) return;
		const go = Math.max(over, MAX_LINES / 10); // seldom and many: each time moves all lines
		this.lines.splice(0, go);
		this.first += go;
	}

	/** After a lost connection: adds what is new in it, or all of it behind a mark. */
	resume(history) {
		this.#begun = '';
		const lines = this.#split(history);
		const { length } = this.#tail;
		let at = lines.length;
		while (at >= length && !this.#tail.every((line, i) => line === lines[at - length + i])) at--;
		this.#add(at >= length ? lines.slice(length && at) : ['--- connected again ---', ...lines]);
	}

	/** The line that is still being written, as a terminal would show it now. */
	get unfinished() {
		return shorten(this.#begun.slice(this.#begun.lastIndexOf('\r', this.#begun.length - 2) + 1));
	}

	clear() {
		this.first += this.lines.length;
		this.lines = [];
	}
}

function shorten(line) {
	line = line.replace(/\r$/, '');
	return line.length <= MAX_LINE ? line : `${line.slice(0, MAX_LINE)} … (cut here)`;
}

export const state = {
	connected: false,
	problem: '', // why there is no connection
	lostAt: 0, // since when there is none, after there was one
	models: [], // by id; peers' models too
	rows: [], // finished requests, oldest first
	inflight: [],
	changes: [], // of models' states, in the last two hours, oldest first
	memory: [], // pools, and who holds what of them
	pause: null, // the one that is on
	speeds: new Map(), // tokens per second now, by model
	logs: { __proto__: null, proxy: new LogText(), upstream: new LogText() },
};

const listeners = new Map();

export function on(topic, listener) {
	if (!listeners.has(topic)) listeners.set(topic, []);
	listeners.get(topic).push(listener);
}

function tell(topic) {
	for (const listener of listeners.get(topic) ?? []) listener();
}

/** A request to the server. A refusal becomes an Error with the server's own sentence. */
export async function call(method, path, options) {
	let answer;
	try {
		answer = await fetch(new URL(path, root), { method, redirect: 'error', ...options });
	} catch (error) {
		if (error.name === 'AbortError') throw error;
		throw new Error('the server cannot be reached');
	}
	if (answer.ok) return answer;
	const text = await answer.text();
	let sentence = text.slice(0, 2000);
	try {
		const { error } = JSON.parse(text);
		sentence = error.message ?? error;
	} catch {
		// not JSON: the text itself has to do
	}
	if (answer.status === 401) sentence = KEY_NEEDED;
	throw Object.assign(new Error(`${sentence} (${answer.status})`), { status: answer.status });
}

/** The same, its answer read as JSON. */
export const json = async (...request) => (await call(...request)).json();

/** An id in a path: its slashes stay. */
export const idPath = id => id.split('/').map(encodeURIComponent).join('/');

let attempts = 0;
let fresh = null; // what has not come yet since the stream was opened

const byId = list => new Map(list.map(each => [each.id, each]));

/** Turns the times of models, which count from when they were sent, into moments here. */
function timed(list) {
	const now = performance.now();
	const before = byId(state.models);
	for (const model of list) {
		model.sinceAt = now - (model.since_ms ?? 0);
		model.idleAt = now - (model.idle_ms ?? 0);
		model.failedAt = now - (model.failed_ms ?? 0);
		model.backOffAt = now + (model.back_off_ms ?? 0);
		const old = before.get(model.id);
		const same = old?.state === model.state && old.pid === model.pid;
		if (same) model.idleAt = Math.max(model.idleAt, old.idleAt);
	}
	return list;
}

const take = {
	modelStatus(list) {
		state.models = timed(list);
		state.known = true;
		tell('models');
	},

	modelChange(list) {
		const changed = byId(timed(list));
		state.models = state.models.map(model => changed.get(model.id) ?? model);
		tell('models');
	},

	metrics(rows) {
		if (fresh.delete('metrics')) state.rows = [];
		state.rows = [...state.rows, ...rows].slice(-MAX_ROWS);
		tell('rows');
	},

	timeline(changes) {
		if (fresh.delete('timeline')) state.changes = [];
		state.changes = [...state.changes, ...changes].slice(-MAX_CHANGES);
		tell('timeline');
	},

	memory(pools) {
		state.memory = pools;
		tell('memory');
	},

	pause(pause) {
		state.pause = pause.paused ? pause : null;
		tell('pause');
	},

	logData({ source: name, data }) {
		const log = state.logs[name];
		if (!log) return;
		if (fresh.delete(name)) log.resume(data);
		else log.append(data);
		tell('log');
	},

	inflight(list) {
		const now = performance.now();
		const before = byId(state.inflight);
		const speeds = (state.speeds = new Map());
		for (const request of list) {
			measure(request, before.get(request.id), now);
			const { state: doing, model, speed } = request;
			if (doing === 'answering') speeds.set(model, (speeds.get(model) ?? 0) + speed);
		}
		const busy = new Set(list.map(request => request.model));
		const left = new Set(state.inflight.map(({ model }) => model));
		for (const model of state.models) {
			if (left.has(model.id) && !busy.has(model.id)) model.idleAt = now;
		}
		state.inflight = list;
		tell('inflight');
	},
};

/** Works a request's speed out, over a moment that is long enough. */
function measure(request, old, now) {
	request.seenAt = now;
	request.speed = old?.speed ?? 0;
	request.mark = old?.mark ?? { at: now, tokens: request.tokens };
	const { at, tokens } = request.mark;
	if (now - at < MEASURE_MS) return;
	request.speed = ((request.tokens - tokens) * 1000) / (now - at);
	request.mark = { at: now, tokens: request.tokens };
}

function connection(connected, problem) {
	state.lostAt = connected ? 0 : state.lostAt || (state.connected && Date.now());
	state.connected = connected;
	state.problem = problem;
	tell('connection');
}

let source = null;
let wanted = ''; // the model whose own log is read, too

/** Reads the own log of a model from now on, or of none. */
export function readLog(model) {
	if (wanted === model) return;
	delete state.logs[`model ${wanted}`];
	wanted = model;
	if (model) state.logs[`model ${model}`] = new LogText();
	if (!source) return;
	close();
	open();
}

function open() {
	state.inflight = [];
	const log = wanted ? `&log=${encodeURIComponent(wanted)}` : '';
	source = new EventSource(new URL(`api/events?changes${log}`, root));
	fresh = new Set(['metrics', 'timeline', 'proxy', 'upstream', `model ${wanted}`]);
	take.pause({ paused: false }); // is told when it is on
	source.onopen = () => {
		attempts = 0;
		connection(true, '');
	};
	source.onmessage = message => {
		const { type, data } = JSON.parse(message.data);
		take[type]?.(JSON.parse(data));
	};
	source.onerror = () => {
		close();
		later('connection lost');
	};
}

function close() {
	source?.close();
	source = null;
}

/** A browser has six connections to a host: a tab that nobody sees lets go of its own. */
export function looked() {
	if (document.hidden) close();
	else if (!source) connect();
}

/** Tries again, after longer and longer waits. */
function later(why) {
	const seconds = Math.min(10, 0.5 * 2 ** attempts++);
	connection(false, `${why}, next try in ${seconds} s`);
	setTimeout(connect, seconds * 1000);
}

/** With a key that is for models only: what there is, without what happens. */
async function listed() {
	const { data } = await json('GET', 'v1/models');
	state.limited = true;
	take.modelStatus(
		data.map(({ id, status }) => ({
			id,
			state: status?.value === 'loaded' ? 'ready' : 'stopped',
			aliases: [],
		})),
	);
	connection(true, '');
}

/** Opens the stream of events. Asks for something small first, for the browser's log-in box. */
export async function connect() {
	if (document.hidden || source) return;
	try {
		const { control, needed, history } = await json('GET', 'api/key');
		state.keyNeeded = needed;
		if (!control) return await listed();
		const { version } = await json('GET', 'api/version');
		Object.assign(state, { version, history, refused: '', limited: false });
		if (!document.hidden && !source) open();
	} catch (error) {
		if (error.status !== 401 && error.status !== 403) return later(error.message);
		state.refused = error.message;
		connection(false, 'refused');
	}
}
