// A pause: the GPU for others, for a while.
import { act } from './actions.js';
import { ask, button, gap, h, setHidden, setText } from './dom.js';
import { duration } from './format.js';
import { on, state } from './store.js';

const LENGTHS = { '15m': '15 minutes', '1h': '1 hour', '4h': '4 hours', '12h': '12 hours' };

/** What begins one. */
export function pauseButton() {
	const begin = async () => {
		const length = h('select', { label: 'How long' },
			Object.entries(LENGTHS).map(([value, label]) => h('option', { value }, label)));
		const reason = h('input', { label: 'Reason', placeholder: 'why, for the others' });
		const box = text => h('label', h('input', { type: 'checkbox' }), ` ${text}`);
		const keep = box('keep what is loaded');
		const refuse = box('refuse requests, instead of letting them wait');
		const question = 'Answers that have begun end; then models go, and requests wait.';
		const fields = [h('p.bar', length, reason), h('p', keep), h('p', refuse)];
		if (!(await ask(question, 'Pause', ...fields))) return;
		const body = JSON.stringify({
			for: length.value,
			reason: reason.value,
			unload: !keep.firstChild.checked,
			refuse: refuse.firstChild.checked,
		});
		act(node, 'api/pause', { body });
	};
	const node = button('', 'Pause …', begin);
	on('pause', () => setHidden(node, Boolean(state.pause)));
	setHidden(node, Boolean(state.pause));
	return node;
}

export const pauseLeft = () => duration(Math.max(0, Date.parse(state.pause.until) - Date.now()));

/** What tells of one, on every page, and ends it. */
export function pauseBanner() {
	const text = h('span');
	const resume = button('.primary', 'Resume', () => act(resume, 'api/resume'));
	const banner = h('p.card.paused.bar', { role: 'status', hidden: true }, text, gap(), resume);

	function update() {
		const { pause } = state;
		setHidden(banner, !pause);
		if (!pause) return;
		const then = pause.refuse ? 'requests are refused' : 'requests wait';
		const why = pause.reason ? ` (${pause.reason})` : '';
		setText(text, `Paused${why}: ${then}, ${pauseLeft()} left.`);
	}
	on('pause', update);
	setInterval(() => state.pause && update(), 1000);
	return banner;
}
