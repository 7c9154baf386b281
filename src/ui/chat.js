// Chat: a conversation with a model, kept in the browser.
import { copy, count, duration, h, keyed, notice, remember, remembered, setAttribute, setHidden, setText, speed } from './dom.js';
import { events, pieces } from './capture.js';
import { draw as drawMarkdown } from './markdown.js';
import { call, on, state } from './store.js';

const SETTINGS = [
	{ id: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.1 }, { id: 'top_p', label: 'Top p', min: 0, max: 1, step: 0.05 },
	{ id: 'max_tokens', label: 'Max tokens', min: 1, max: 1_000_000, step: 1 },
];

const BROKE_OFF = 'The answer broke off.';

let model, system, settings, list, input, send, stop, status;
let visible = false;
let messages = [];          // {role, content, reasoning?, figures?, error?}
let running = null;         // the AbortController of the answer that comes

function create(page) {
	messages = remembered('chat', []);
	model = h('select', { 'aria-label': 'Model', onchange: () => remember('chatModel', model.value) });
	system = h('textarea', { rows: '3', 'aria-label': 'System prompt', placeholder: 'System prompt', onchange: () => remember('system', system.value) });
	system.value = remembered('system', '');
	const chosen = remembered('sampling', {});
	settings = SETTINGS.map(({ id, label, min, max, step }) => {
		const field = h('input', { type: 'number', min, max, step, placeholder: 'default', onchange: () => {
			remember('sampling', Object.fromEntries(settings.filter(each => each.value !== '').map(each => [each.name, Number(each.value)])));
		} });
		field.name = id;
		field.value = chosen[id] ?? '';
		return h('label', {}, `${label} `, field).lastChild;
	});
	list = h('ol', { class: 'chat', 'aria-label': 'Conversation' });
	status = h('p', { class: 'muted' }, h('span', { role: 'status' }), h('span', { 'aria-hidden': 'true' }));
	input = h('textarea', { rows: '3', 'aria-label': 'Message', placeholder: 'Message (Shift+Enter: new line)', onkeydown: event => {
		if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
		event.preventDefault();
		submit();
	} });
	send = h('button', { type: 'submit', class: 'primary' }, 'Send');
	stop = h('button', { type: 'button', onclick: () => running?.abort() }, 'Stop');
	stop.hidden = true;
	const fresh = h('button', { type: 'button', onclick: () => {
		running?.abort();
		messages = [];
		keep();
		drawAll();
		input.focus();
	} }, 'New conversation');
	page.append(h('div', { class: 'bar' }, h('h1', {}, 'Chat'), h('label', {}, 'Model ', model), h('span', { class: 'gap' }), fresh),
		h('details', { class: 'settings' }, h('summary', {}, 'System prompt, sampling'), system, h('div', { class: 'bar' }, ...settings.map(each => each.parentNode))),
		list, h('form', { class: 'compose', onsubmit: event => { event.preventDefault(); submit(); } }, input, h('div', {}, send, stop), status));
	on('models', names);
	addEventListener('storage', ({ key }) => {       // another tab
		if (running || key !== 'llmsnap.chat') return;
		messages = remembered('chat', []);
		drawAll();
	});
	drawAll();
}

function names() {
	if (!visible) return;
	const chosen = model.value || remembered('chatModel', '');
	const ids = state.models.filter(each => !each.unlisted).map(each => each.id);
	keyed(model, ids, id => id, id => h('option', { value: id }));
	for (const option of model.options) {
		const { state: now, peerID } = state.models.find(each => each.id === option.value);
		setText(option, `${option.value}${now === 'ready' ? ' (ready)' : peerID ? ` (${peerID})` : ''}`);
	}
	model.value = ids.includes(chosen) ? chosen : state.models.find(each => each.state === 'ready' && !each.unlisted)?.id ?? ids[0] ?? '';
}

/** Keeps the conversation; the oldest of it goes when there is no room. */
function keep() {
	for (let n = 100; n && !remember('chat', messages.slice(-n)); n >>= 1);
}

// ---- messages

function bubble(message) {
	const reasoning = h('div', { class: 'reasoning' });
	const parts = {
		who: h('strong', { class: 'who' }),
		thought: h('details', { open: !message.content }, h('summary', {}, 'Reasoning'), reasoning),
		reasoning,
		body: h('div', { class: 'markdown' }),
		error: h('p', { class: 'bad' }),
		figures: h('span', { class: 'muted' }),
		copy: h('button', { type: 'button', class: 'quiet', onclick: event => copy(event.currentTarget, message.content) }, 'Copy'),
		again: h('button', { type: 'button', class: 'quiet', onclick: () => again(message) }, 'Again'),
	};
	const node = h('li', { class: message.role }, parts.who, parts.thought, parts.body, parts.error, h('div', { class: 'bar' }, parts.figures, h('span', { class: 'gap' }), parts.again, parts.copy));
	node.parts = parts;
	return node;
}

function update(node, message) {
	const { parts } = node;
	setText(parts.who, message.role === 'user' ? 'You' : message.model ?? 'Answer');
	setHidden(parts.thought, !message.reasoning);
	if (message.reasoning) drawMarkdown(parts.reasoning, message.reasoning);
	if (message.content && !message.begun) parts.thought.open = false;      // once: whoever opens it again wants to read it
	message.begun = message.content !== '';
	drawMarkdown(parts.body, message.content);
	setText(parts.error, message.error ?? '');
	setHidden(parts.error, !message.error);
	setText(parts.figures, message.figures ?? '');
	setHidden(parts.again, running !== null);
	setAttribute(node, 'aria-busy', String(running !== null && message === messages.at(-1)));
}

function drawAll() {
	keyed(list, messages, message => message, bubble, update);
}

/** Stays at the end of the conversation unless the reader has scrolled away. */
function atEnd(change) {
	const page = document.scrollingElement;
	const near = page.scrollHeight - page.scrollTop - page.clientHeight < 80;
	change();
	if (near && visible) page.scrollTop = page.scrollHeight;
}

function again(message) {
	const at = messages.indexOf(message);
	if (running || at < 0) return;
	messages = messages.slice(0, message.role === 'user' ? at + 1 : at);
	if (messages.at(-1)?.role === 'user') answer();
}

function submit() {
	const text = input.value.trim();
	if (!text || running) return;
	if (!model.value) {
		notice('There is no model to talk to.');
		return;
	}
	input.value = '';
	messages.push({ role: 'user', content: text });
	keep();
	answer();
}

// ---- the answer

async function answer() {
	const message = { role: 'assistant', content: '', reasoning: '', model: model.value };
	const body = { model: model.value, stream: true, stream_options: { include_usage: true },
		messages: [...system.value.trim() ? [{ role: 'system', content: system.value }] : [], ...messages.filter((each, i) => each.content && (messages[i + 1]?.content ?? true)).map(({ role, content }) => ({ role, content }))] };
	for (const field of settings) if (field.value !== '') body[field.name] = Number(field.value);
	messages.push(message);
	running = new AbortController();
	setHidden(send, true);
	setHidden(stop, false);
	const measure = { start: performance.now(), first: 0, pieces: 0, server: null, usage: null };
	let frame = 0;
	const redraw = () => { frame ||= requestAnimationFrame(() => { frame = 0; atEnd(drawAll); }); };
	drawAll();
	scrollTo(0, 1e9);
	const clock = setInterval(() => waits(message, measure), 250);
	try {
		const response = await call('POST', 'v1/chat/completions', { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' }, signal: running.signal });
		await read(response, message, measure, redraw);
		if (!measure.done) message.error = BROKE_OFF;
	} catch (error) {
		if (error.name === 'AbortError') message.error = 'Stopped.';
		else message.error = error instanceof TypeError ? BROKE_OFF : error.message;
	} finally {
		clearInterval(clock);
		cancelAnimationFrame(frame);
		running = null;
		message.figures = figures(measure);
		waits(message, { first: 1 });
		setHidden(send, false);
		setHidden(stop, true);
		keep();
		atEnd(drawAll);
	}
}

async function read(response, message, measure, redraw) {
	const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '';
	for (let piece; !(piece = await reader.read()).done;) {
		rest += piece.value;
		const end = rest.lastIndexOf('\n') + 1;
		if (/^data: ?\[DONE\]/m.test(rest.slice(0, end))) measure.done = true;
		for (const event of events(rest.slice(0, end))) take(event, message, measure);
		rest = rest.slice(end);
		redraw();
	}
}

function take(event, message, measure) {
	if (event.error) throw new Error(event.error.message ?? String(event.error));
	if (event.id === 'llmsnap-loading') return;     // what the models page says, too
	const { reasoning, answer: text, calls } = pieces(event);
	if (reasoning || text || calls) {
		measure.first ||= performance.now();
		measure.pieces++;
	}
	message.reasoning += reasoning;
	message.content += text || calls;
	measure.server = event.timings ?? measure.server;
	measure.usage = event.usage ?? measure.usage;
}

function figures({ start, first, pieces: n, server, usage }) {
	if (!first) return '';
	const tokens = server?.predicted_n ?? usage?.completion_tokens ?? n;
	const seconds = (performance.now() - first) / 1000;
	const rate = server?.predicted_per_second ?? (seconds > 0 ? tokens / seconds : -1);
	return `${count(tokens)} tokens, ${speed(rate)} tokens/s, first after ${duration(first - start)}`;
}

/** Says what an answer that has not begun is waiting for, and for how long. */
function waits(message, { start, first }) {
	const now = wanted => state.models.find(each => wanted.includes(each.state));
	const loading = now(['starting', 'waking']);
	const going = now(['stopping', 'sleepPending']);
	const what = loading?.id === message.model ? `${loading.id} is loading` : going ? `${going.id} makes room` : 'waiting';
	setText(status.firstChild, first ? '' : what);
	setText(status.lastChild, first ? '' : `, ${duration(performance.now() - start)} so far`);
}

export const chat = {
	title: 'Chat',
	create(page) {
		create(page);
		return {
			show() {
				visible = true;
				names();
				scrollTo(0, 1e9);
				if (matchMedia('(min-width: 700px)').matches) input.focus();
			},
			hide() { visible = false; },
		};
	},
};
