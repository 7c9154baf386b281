// Chat: a conversation with a model, kept in the browser.
import {
	ask,
	button,
	copy,
	gap,
	h,
	keyed,
	notice,
	remember,
	recall,
	setHidden,
	setText,
	show,
} from '../dom.js';
import { count, duration, since, speed } from '../format.js';
import { createCode } from '../code.js';
import { draw as drawMarkdown } from '../markdown.js';
import { call, state } from '../store.js';
import { createModels, tabs } from './try.js';
import { BROKE_OFF, eventsOf, pieces } from '../stream.js';

const SETTINGS = [
	{ id: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.1 },
	{ id: 'top_p', label: 'Top p', min: 0, max: 1, step: 0.05 },
	{ id: 'max_tokens', label: 'Max tokens', min: 1, max: 1_000_000, step: 1 },
];
const KEPT_MESSAGES = 100;
const NEAR_END = 80; // pixels
const CLOCK_MS = 250;

/** Keeps the conversation without its images; the oldest of it goes when there is no room. */
function keep(all) {
	const messages = all.map(({ image, ...rest }) => (image ? { ...rest, hadImage: true } : rest));
	for (let n = KEPT_MESSAGES; n && !remember('chat', messages.slice(-n)); n >>= 1);
}

// ---- one message: {role, content, reasoning?, model?, figures?, error?}

function createBubble(message, label, again) {
	const parts = {
		who: h('strong.who'),
		reasoning: h('div.reasoning'),
		body: h('div.markdown'),
		error: h('p.bad'),
		figures: h('span.muted'),
		again: button('.quiet', label, again),
	};
	const copies = button('.quiet', 'Copy', () => copy(copies, message.content));
	const open = !message.content;
	parts.thought = h('details', { open }, h('summary', 'Reasoning'), parts.reasoning);
	const bar = h('div.bar', parts.figures, gap(), parts.again, copies);
	const { who, thought, body, error } = parts;
	const alt = 'The attached image';
	const image = message.image ? h('img.attached', { src: message.image, alt }) : null;
	const had = message.hadImage ? h('p.muted', 'An image was attached.') : null;
	const node = h(`li.${message.role}`, who, image, had, thought, body, error, bar);
	return Object.assign(node, { parts });
}

function updateBubble({ parts }, message, running, coming) {
	setText(parts.who, message.role === 'user' ? 'You' : (message.model ?? 'Answer'));
	setHidden(parts.thought, !message.reasoning);
	if (message.reasoning) drawMarkdown(parts.reasoning, message.reasoning);
	// Once: whoever opens it again wants to read it.
	if (message.content && !message.begun) parts.thought.open = false;
	message.begun = message.content !== '';
	drawMarkdown(parts.body, message.content);
	show(parts.error, message.error);
	setText(parts.figures, message.figures ?? '');
	setHidden(parts.again, Boolean(running));
	parts.who.parentNode.ariaBusy = Boolean(coming);
}

async function readAnswer(response, message, measure, redraw) {
	for await (const event of eventsOf(response)) {
		take(event, message, measure);
		redraw();
	}
}

function take(event, message, measure) {
	const { reasoning, answer, calls } = pieces(event);
	if (reasoning || answer || calls) {
		measure.first ||= performance.now();
		measure.pieces++;
	}
	message.reasoning += reasoning;
	message.content += answer || calls;
	measure.server = event.timings ?? measure.server;
	measure.usage = event.usage ?? measure.usage;
}

function figuresOf({ start, first, pieces: n, server, usage }) {
	if (!first) return '';
	const tokens = server?.predicted_n ?? usage?.completion_tokens ?? n;
	const seconds = since(first) / 1000;
	const measured = seconds > 0 ? tokens / seconds : -1;
	const rate = speed(server?.predicted_per_second ?? measured);
	return `${count(tokens)} tokens, ${rate} tokens/s, first after ${duration(first - start)}`;
}

/** What an answer that has not begun is waiting for. */
function waitsFor(message) {
	const find = (...states) => state.models.find(each => states.includes(each.state));
	const loading = find('starting', 'waking');
	const going = find('stopping', 'sleepPending');
	if (loading?.id === message.model) return `${loading.id} is loading`;
	return going ? `${going.id} makes room` : 'waiting';
}

const area = (label, placeholder, props) =>
	h('textarea', { rows: '3', label, placeholder, ...props });

function create(page) {
	const model = createModels(() => {
		offerImages();
		if (asCode.open) code.update();
	});
	const file = h('input', { type: 'file', accept: 'image/*', hidden: true, onchange: readImage });
	const attach = button('', 'Attach an image', () => (attached ? setAttached('') : file.click()));
	let edited = null; // the message that the next one takes the place of
	let attached = ''; // an image as a data: URL
	const system = area('System prompt', 'System prompt', { onchange: keepSystem });
	system.value = recall('system', '');
	const settings = SETTINGS.map(createSetting);
	const list = h('ol.chat', { label: 'Conversation' });
	const status = h('p.muted');
	status.append(h('span', { role: 'status' }), h('span', { 'aria-hidden': 'true' }));
	const input = area('Message', 'Message (Shift+Enter: new line)', { onkeydown: typed });
	const send = h('button', { type: 'submit', class: 'primary' }, 'Send');
	const stop = button('', 'Stop', () => running?.abort());
	stop.hidden = true;
	let messages = recall('chat', []);
	let running = null; // the AbortController of the answer that comes

	function readImage() {
		const reader = new FileReader();
		reader.onload = () => setAttached(reader.result);
		if (file.files[0]) reader.readAsDataURL(file.files[0]);
		file.value = '';
	}

	function setAttached(image) {
		attached = image;
		setText(attach, image ? 'Remove the image' : 'Attach an image');
		attach.ariaPressed = String(Boolean(image));
	}

	function keepSystem() {
		remember('system', system.value);
	}

	function typed(event) {
		if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) submit(event);
		if (event.key === 'Escape' && edited && !event.isComposing) edit(null);
	}

	function createSetting({ id, min, max, step }) {
		const onchange = () => remember('sampling', sampling());
		const props = { type: 'number', name: id, min, max, step, placeholder: 'default', onchange };
		const field = h('input', props);
		field.value = recall('sampling', {})[id] ?? '';
		return field;
	}

	function sampling() {
		const given = settings.filter(field => field.value !== '');
		return Object.fromEntries(given.map(field => [field.name, Number(field.value)]));
	}

	function offerImages() {
		const takes = model.can('image');
		setHidden(attach, !takes);
		if (!takes) setAttached('');
	}

	function update() {
		const createOne = message => (message.role === 'user'
			? createBubble(message, 'Edit', () => edit(message))
			: createBubble(message, 'Again', () => again(message)));
		const updateOne = (node, message) =>
			updateBubble(node, message, running, running && message === messages.at(-1));
		keyed(list, messages, createOne, updateOne);
	}

	/** Stays at the end of the conversation unless the reader has scrolled away. */
	function updateAtEnd() {
		const scroll = document.scrollingElement;
		const near = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END;
		update();
		if (near && !page.hidden) scroll.scrollTop = scroll.scrollHeight;
	}

	function begin() {
		running?.abort();
		messages = [];
		keep(messages);
		update();
		if (edited) edit(null);
		input.focus();
	}

	async function again(message) {
		const at = messages.indexOf(message);
		const last = at === messages.length - 1;
		if (running || !(last || (await ask('What was said after it goes.', 'Answer again')))) return;
		if (edited) edit(null);
		messages = messages.slice(0, at);
		if (messages.at(-1)?.role === 'user') answer();
	}

	/** Its text comes back; it and what was said after it go when that is sent. */
	function edit(message) {
		edited = message;
		input.value = message?.content ?? '';
		setAttached(message?.image ?? '');
		setText(send, message ? 'Send instead' : 'Send');
		input.focus();
	}

	/** The conversation with the message that comes next. */
	function withNext(content) {
		const at = messages.indexOf(edited);
		const before = at < 0 ? messages : messages.slice(0, at);
		return [...before, { role: 'user', content, ...(attached && { image: attached }) }];
	}

	function submit(event) {
		event.preventDefault();
		const text = input.value.trim();
		if (!text || running) return;
		if (!model.node.value) return notice('There is no model to talk to.');
		messages = withNext(text);
		edit(null);
		keep(messages);
		answer();
	}

	/** What is sent: of a question whose answer came to nothing neither. */
	function requestBody(all = messages) {
		const said = all
			.filter((each, i) => each.content && (all[i + 1]?.content ?? true))
			.map(({ role, content, image }) => ({
				role,
				content: image
					? [
							{ type: 'text', text: content },
							{ type: 'image_url', image_url: { url: image } },
						]
					: content,
			}));
		const prompt = { role: 'system', content: system.value };
		return {
			model: model.node.value,
			stream: true,
			stream_options: { include_usage: true },
			messages: system.value.trim() ? [prompt, ...said] : said,
			...sampling(),
		};
	}

	function sending(whether) {
		send.hidden = whether;
		stop.hidden = !whether;
	}

	async function answer() {
		const body = JSON.stringify(requestBody());
		const message = { role: 'assistant', content: '', reasoning: '', model: model.node.value };
		const measure = { start: performance.now(), first: 0, pieces: 0 };
		messages.push(message);
		running = new AbortController();
		sending(true);
		let frame = 0;
		const draw = () => {
			frame = 0;
			updateAtEnd();
		};
		const redraw = () => (frame ||= requestAnimationFrame(draw));
		update();
		scrollTo(0, 1e9);
		const clock = setInterval(() => updateStatus(message, measure), CLOCK_MS);
		try {
			const { signal } = running;
			const response = await call('POST', 'v1/chat/completions', { body, signal });
			await readAnswer(response, message, measure, redraw);
		} catch (error) {
			message.error = error instanceof TypeError ? BROKE_OFF : error.message;
			if (error.name === 'AbortError') message.error = 'Stopped.';
		} finally {
			clearInterval(clock);
			cancelAnimationFrame(frame);
			running = null;
			message.figures = figuresOf(measure);
			updateStatus(message, { first: 1 });
			sending(false);
			keep(messages);
			updateAtEnd();
		}
	}

	function updateStatus(message, { start, first }) {
		setText(status.firstChild, first ? '' : waitsFor(message));
		setText(status.lastChild, first ? '' : `, ${duration(since(start))} so far`);
	}

	const bar = tabs();
	bar.current('chat');
	const fresh = button('', 'New conversation', begin);
	const fields = settings.map((field, i) => h('label', `${SETTINGS[i].label} `, field));
	const code = createCode(() => {
		const content = input.value.trim() || (messages.length ? '' : 'Hello');
		return { path: 'chat/completions', body: requestBody(withNext(content)) };
	});
	const asCode = h('details', { ontoggle: code.update }, h('summary', 'As code'), code.node);
	page.addEventListener('input', () => asCode.open && code.update());
	page.append(
		h('div.bar', h('h1', 'Try'), h('label', 'Model ', model.node), gap(), fresh),
		bar.node,
		h('details.settings', h('summary', 'System prompt, sampling'), system, h('div.bar', ...fields)),
		asCode,
		list,
		h('form.compose', { onsubmit: submit }, input, h('div', send, stop, attach, file), status),
	);
	addEventListener('storage', ({ key }) => {
		if (running || key !== 'llmsnap.chat') return; // another tab has said something
		messages = recall('chat', []);
		if (edited) edit(null);
		update();
	});
	update();
	return {
		topics: ['models'],
		draw: model.draw,
		show() {
			model.ask();
			scrollTo(0, 1e9);
			if (matchMedia('(min-width: 700px)').matches) input.focus();
		},
	};
}

export const chat = { title: 'Chat', create };
