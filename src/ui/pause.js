// A pause: the GPU for others, for a while.
import { button, gap, h, notice, setHidden, setText } from './dom.js';
import { duration } from './format.js';
import { call, on, state } from './store.js';

const LENGTHS = { '15m': '15 minutes', '1h': '1 hour', '4h': '4 hours', '12h': '12 hours' };

async function post(path, body) {
	try {
		await call('POST', path, { body: body && JSON.stringify(body) });
	} catch (error) {
		notice(error.message);
	}
}

/** The choice that begins one, and the banner that tells of it and ends it. */
export function createPause() {
	const choice = h('select', { label: 'Pause', title: 'Models go, and requests wait' },
		h('option', { value: '' }, 'Pause …'),
		Object.entries(LENGTHS).map(([value, label]) => h('option', { value }, label)));
	choice.addEventListener('change', () => {
		if (choice.value) post('api/pause', { for: choice.value, reason: 'by hand' });
		choice.value = '';
	});
	const text = h('span');
	const resume = button('.primary', 'Resume', () => post('api/resume'));
	const banner = h('p.card.paused.bar', { role: 'status', hidden: true }, text, gap(), resume);

	function update() {
		const { pause } = state;
		setHidden(banner, !pause);
		setHidden(choice, Boolean(pause));
		if (!pause) return;
		const left = duration(Math.max(0, Date.parse(pause.until) - Date.now()));
		const then = pause.refuse ? 'requests are refused' : 'requests wait';
		setText(text, `Paused${pause.reason ? ` (${pause.reason})` : ''}: ${then}, ${left} left.`);
	}
	on('pause', update);
	setInterval(() => state.pause && !banner.closest('[hidden]') && update(), 1000);
	update();
	return { choice, banner };
}
