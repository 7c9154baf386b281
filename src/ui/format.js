// Numbers and times as words.

const whole = new Intl.NumberFormat('en');

export const count = value => (value < 0 ? '–' : whole.format(value));

/** Tokens per second. */
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

/** How long ago, in one unit. */
export function ago(date) {
	const seconds = Math.max(0, (Date.now() - date.getTime()) / 1000);
	if (seconds < 5) return 'just now';
	if (seconds < 60) return `${Math.floor(seconds)} s ago`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
	return seconds < 86_400
		? `${Math.floor(seconds / 3600)} h ago`
		: `${Math.floor(seconds / 86_400)} d ago`;
}

/** The ms that have passed since a moment of `performance.now`. */
export const since = moment => performance.now() - moment;
