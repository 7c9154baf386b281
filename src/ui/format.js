// Numbers, times and states as words.

const whole = new Intl.NumberFormat('en');

export const count = value => (value < 0 ? '–' : whole.format(value));

export const speed = value =>
	value < 0 ? '–' : value >= 100 ? whole.format(Math.round(value)) : value.toFixed(1);

/** A duration in ms. */
export function duration(ms) {
	if (ms < 0) return '–';
	if (ms < 1000) return `${Math.round(ms)} ms`;
	if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
	const seconds = Math.floor(ms / 1000);
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
	return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

const UNITS = Object.entries({ d: 86_400, h: 3600, min: 60, s: 1 });

/** How long ago, in one unit. */
export function ago(date) {
	const seconds = (Date.now() - date) / 1000;
	if (seconds < 5) return 'just now';
	const [unit, size] = UNITS.find(([, size]) => seconds >= size);
	return `${Math.floor(seconds / size)} ${unit} ago`;
}

/** The time of day, of ms since 1970. */
export const clock = ms => new Date(ms).toLocaleTimeString('en-GB');

/** Bytes as people say them: 9.1 GB. */
export function size(bytes) {
	const gigabytes = bytes / 2 ** 30;
	return gigabytes >= 1 ? `${gigabytes.toFixed(1)} GB` : `${Math.round(bytes / 2 ** 20)} MB`;
}

/** Values that are known, the smallest first; and which of them a share is below. */
export const ascending = values => values.filter(value => value >= 0).sort((a, b) => a - b);
export const percentile = (sorted, share) => sorted[Math.floor(sorted.length * share)] ?? -1;

const CAUSES = { client_left: 'client left', cancelled: 'cancelled' };

/** Whether its client has ended a request by itself: that is no failure. */
export const wasLeft = ({ cause }) => cause === 'client_left' || cause === 'cancelled';

/** How a request ended, in a few words. */
export function statusOf(row) {
	if (row.status < 400 && !row.error) return String(row.status);
	const how = CAUSES[row.cause] ?? (row.status < 400 ? 'broke off' : '');
	return `${wasLeft(row) ? '–' : '✕'} ${row.status} ${how}`;
}

/** A reason in one line: of the lines that a server has printed the last. */
export function inBrief(reason) {
	const [first, ...printed] = reason.split('\n');
	return printed.length ? `${first.replace(/; its last lines:$/, '')}: ${printed.at(-1)}` : first;
}

/** The ms that have passed since a moment of `performance.now`. */
export const since = moment => performance.now() - moment;

// States as people call them.
const WORDS = { starting: 'loading', sleepPending: 'falling asleep', unknown: 'elsewhere' };

export const LEAVING = ['stopping', 'sleepPending'];
export const LOADING = ['starting', 'waking'];

export const wordFor = state => WORDS[state] ?? state ?? '';

export const isFailed = ({ state, failure }) => Boolean(failure) && state === 'stopped';

/** What a model is at, in a few words. */
export const wordOf = model => (isFailed(model) ? 'failed' : wordFor(model.state));

export const isWaiting = request => request.state === 'waiting';

/** What its dot shows. */
export const lookOf = model => (isFailed(model) ? 'failed' : model.state);

export const NO_MODELS = 'There are no models yet: write some into the configuration, under '
	+ 'models:, or start llmsnap with --models and a folder of GGUF files.';

/** 4b before 12b. */
export const { compare: byName } = new Intl.Collator('en', { numeric: true });
