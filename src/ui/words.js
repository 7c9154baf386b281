// States as people call them.
const WORDS = { starting: 'loading', sleepPending: 'falling asleep', unknown: 'elsewhere' };

export const wordFor = state => WORDS[state] ?? state ?? '';

/** What a model is at, in a few words. */
export const wordOf = ({ state, failure }) =>
	failure && state === 'stopped' ? 'failed' : wordFor(state);
