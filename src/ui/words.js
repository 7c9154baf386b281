// States as people call them.
const WORDS = { starting: 'loading', sleepPending: 'falling asleep', unknown: 'elsewhere' };

export const LEAVING = ['stopping', 'sleepPending'];
export const LOADING = ['starting', 'waking'];

export const wordFor = state => WORDS[state] ?? state ?? '';

export const isFailed = ({ state, failure }) => Boolean(failure) && state === 'stopped';

/** What a model is at, in a few words. */
export const wordOf = model => (isFailed(model) ? 'failed' : wordFor(model.state));

/** What its dot shows. */
export const lookOf = model => (isFailed(model) ? 'failed' : model.state);

/** 4b before 12b. */
export const { compare: byName } = new Intl.Collator('en', { numeric: true });
