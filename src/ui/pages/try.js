// Try: what models can do besides chatting, and how fast they do it.
import {
	button,
	gap,
	h,
	keyed,
	notice,
	remember,
	recall,
	setHidden,
	setText,
	table,
} from '../dom.js';
import { ascending, count, duration, percentile, speed } from '../format.js';
import { createCode } from '../code.js';
import { eventsOf, pieces } from '../stream.js';
import { call, json, state } from '../store.js';

/** The choice of who is asked: models, their aliases, and names that stand for several. */
export function createModels(changed) {
	const node = h('select', { label: 'Model', onchange });
	let chosen = recall('model', '');
	let others = null; // until they were asked for
	let abilities = new Map();

	function onchange() {
		chosen = node.value;
		remember('model', chosen);
		changed();
	}

	function draw() {
		if (!state.known || !others) return;
		const own = state.models.filter(each => !each.unlisted);
		const aliases = own.flatMap(each => (each.aliases ?? []).map(id => ({ ...each, id })));
		const listed = [...own, ...aliases, ...others];
		const known = listed.find(each => each.id === chosen);
		const ready = listed.find(each => each.state === 'ready');
		chosen = (known ?? ready ?? listed[0])?.id ?? '';
		keyed(node, listed, ({ id }) => h('option', { value: id }), (option, each) => {
			setText(option, each.id + (each.state === 'ready' ? ' (ready)' : ''));
			if (each.id === chosen) option.selected = true; // many come over several frames
		});
		changed();
	}

	/** Asks what stands for several models, and what each can take. */
	async function ask() {
		try {
			const { data } = await json('GET', 'v1/models');
			others = data.filter(each => each.meta?.llamaswap?.type); // selectors, pins
			abilities = new Map(data.map(each => [each.id, each.capabilities?.in ?? []]));
		} catch {
			others ??= []; // then there are the models that the page knows
		}
		draw();
	}

	function can(what) {
		const its = state.models.find(each => each.aliases?.includes(chosen))?.id;
		return (abilities.get(chosen) ?? abilities.get(its))?.includes(what);
	}
	return { node, draw, ask, can };
}

/** What there is to try, as links: each has an address of its own. */
const TABS = {
	chat: 'Chat',
	embeddings: 'Embeddings',
	rerank: 'Rerank',
	transcription: 'Transcription',
	speech: 'Speech',
	images: 'Images',
	measure: 'Measure',
};

export function tabs() {
	const links = Object.entries(TABS).map(([kind, label]) =>
		h('a', { href: kind === 'chat' ? 'chat' : `try?do=${kind}`, 'data-kind-of': kind }, label),
	);
	const node = h('nav.tabs', { label: 'What to try' }, links);
	return {
		node,
		current(kind) {
			for (const link of links) link.ariaCurrent = link.dataset.kindOf === kind ? 'page' : null;
		},
	};
}

const area = (label, value, rows = 5) => {
	const node = h('textarea', { label, rows: String(rows) });
	node.value = value;
	return node;
};
const field = (label, value, props = {}) => {
	const node = h('input', { label, ...props });
	node.value = value;
	return node;
};
const linesOf = text =>
	text
		.split('\n')
		.map(line => line.trim())
		.filter(Boolean);

const post = (path, body, signal) =>
	call('POST', `v1/${path}`, { body: JSON.stringify(body), signal });

function similarity(a, b) {
	let dot = 0;
	let [x, y] = [0, 0];
	for (let i = 0; i < a.length; i++) {
		dot += a[i] * b[i];
		x += a[i] ** 2;
		y += b[i] ** 2;
	}
	return dot / (Math.sqrt(x * y) || 1);
}

function embeddings() {
	const texts = area(
		'Texts, a line each',
		'a cat sat on the mat\na kitten lay on the rug\nrates go up',
	);
	return {
		fields: [texts],
		request: model => ({ path: 'embeddings', body: { model, input: linesOf(texts.value) } }),
		show({ data }) {
			const vectors = data.map(each => each.embedding);
			const lines = linesOf(texts.value);
			const rows = vectors.map((vector, i) => [
				lines[i],
				...vectors.map(other => similarity(vector, other).toFixed(3)),
			]);
			return [
				h('p', `${vectors[0].length} numbers each; how alike they are:`),
				table(['', ...lines.map((text, i) => `${i + 1}`)], rows),
			];
		},
	};
}

function rerank() {
	const query = field('Question', 'What do cats like?');
	const texts = area(
		'Documents, a line each',
		'Cats like fish.\nRates go up.\nKittens sleep a lot.',
	);
	return {
		fields: [query, texts],
		request: model => ({
			path: 'rerank',
			body: { model, query: query.value, documents: linesOf(texts.value) },
		}),
		show({ results }) {
			const lines = linesOf(texts.value);
			const sorted = [...results].sort((a, b) => b.relevance_score - a.relevance_score);
			return [
				table(
					['Score', 'Document'],
					sorted.map(each => [each.relevance_score.toFixed(3), lines[each.index] ?? '']),
				),
			];
		},
	};
}

function transcription() {
	const file = h('input', { type: 'file', accept: 'audio/*', label: 'Sound file' });
	const record = button('', 'Record', () => (recorder?.stop ? recorder.stop() : start()));
	let recorder = null;
	let spoken = null;
	file.addEventListener('change', () => (spoken = null));

	async function start() {
		if (recorder) return;
		recorder = {}; // until it may listen
		try {
			const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
			const parts = [];
			recorder = new MediaRecorder(stream);
			recorder.ondataavailable = ({ data }) => parts.push(data);
			recorder.onstop = () => {
				spoken = new File(parts, 'spoken.webm', { type: recorder.mimeType });
				stream.getTracks().forEach(track => track.stop());
				recorder = null;
				setText(record, 'Record again');
			};
			recorder.start();
			setText(record, 'Stop');
		} catch {
			recorder = null;
			notice('There is no microphone that this page may use.');
		}
	}

	return {
		fields: [file, record],
		request: model => ({ path: 'audio/transcriptions', body: { model }, file: true }),
		async send(model, signal) {
			const sound = spoken ?? file.files[0];
			if (!sound) throw new Error('Choose a file, or record something.');
			const body = new FormData();
			body.append('model', model);
			body.append('file', sound);
			return json('POST', 'v1/audio/transcriptions', { body, signal });
		},
		show: ({ text }) => [h('p', { dir: 'auto' }, text)],
	};
}

function speech() {
	const text = area('Text', 'Hello, how are you?', 3);
	const voice = field('Voice', 'alloy');
	return {
		fields: [text, voice],
		request: model => ({
			path: 'audio/speech',
			body: { model, input: text.value, voice: voice.value },
		}),
		send: async (model, signal) =>
			(await post('audio/speech', { model, input: text.value, voice: voice.value }, signal)).blob(),
		show: sound => [h('audio', { controls: true, src: URL.createObjectURL(sound) })],
	};
}

function images() {
	const prompt = area('Prompt', 'a cat on a mat', 3);
	const dimensions = field('Size', '512x512');
	return {
		fields: [prompt, dimensions],
		request: model => ({
			path: 'images/generations',
			body: {
				model,
				prompt: prompt.value,
				size: dimensions.value,
				response_format: 'b64_json',
			},
		}),
		show: ({ data }) =>
			data.map(each =>
				h('img', {
					src: each.b64_json ? `data:image/png;base64,${each.b64_json}` : each.url,
					alt: prompt.value,
				}),
			),
	};
}

/** Requests side by side, with what each took. */
function measure() {
	const number = (label, value, max) => field(label, value, { type: 'number', min: '1', max });
	const requests = number('Requests', 8, '1000');
	const tokens = number('Tokens each', 64, '4096');
	const atOnce = number('At once', 2, '64');
	const body = model => ({
		model,
		stream: true,
		max_tokens: Number(tokens.value),
		messages: [{ role: 'user', content: 'Count from one to a thousand.' }],
	});

	async function one(model, signal) {
		const start = performance.now();
		let first = 0;
		let n = 0;
		const answer = await post('chat/completions', body(model), signal);
		for await (const event of eventsOf(answer)) {
			const { answer: text, reasoning } = pieces(event);
			if (!text && !reasoning) continue;
			first ||= performance.now();
			n++;
		}
		const end = performance.now();
		return { first: first - start, all: end - start, n, rate: (n * 1000) / (end - first) };
	}

	return {
		fields: [requests, tokens, atOnce],
		request: model => ({ path: 'chat/completions', body: body(model) }),
		async send(model, signal, tell) {
			const done = [];
			const last = state.rows.at(-1)?.id ?? 0;
			const begin = performance.now();
			let left = Number(requests.value);
			const work = async () => {
				while (left-- > 0 && !signal.aborted) {
					done.push(await one(model, signal));
					tell(`${done.length} of ${requests.value} …`);
				}
			};
			await Promise.all(Array.from({ length: Number(atOnce.value) }, work));
			const took = performance.now() - begin;
			const rows = state.rows.filter(row => row.id > last
				&& [row.model, row.requested_model].includes(model));
			return { done, took, rows };
		},
		show({ done, took, rows }) {
			const figure = (label, values, write, shares = [0.5, 0.95]) => {
				const sorted = ascending(values);
				return [label, ...shares.map(share => write(percentile(sorted, share)))];
			};
			const all = done.reduce((sum, each) => sum + each.n, 0);
			const rate = speed((all * 1000) / took);
			const top = Math.max(...done.map(each => each.all));
			return [
				h('p', `${count(done.length)} requests in ${duration(took)}: ${rate} tokens/s in all.`),
				table(['', 'Median', done.length < 20 ? 'Slowest' : 'Slowest 5%'], [
					figure('Queue and load', rows.map(row => row.queue_ms), duration),
					figure('First token', done.map(each => each.first), duration),
					figure('Tokens/s of one', done.map(each => each.rate), speed, [0.5, 0.05]),
					figure('Whole answer', done.map(each => each.all), duration),
				]),
				h(
					'ol.runs',
					done.map(each => {
						const bar = h('meter', {
							max: String(top),
							value: String(each.all),
							label: `Took ${duration(each.all)}`,
						});
						return h('li', bar, ` ${duration(each.all)}, first after ${duration(each.first)}`);
					}),
				),
			];
		},
	};
}

const KINDS = { embeddings, rerank, transcription, speech, images, measure };

function create(page) {
	const model = createModels(() => code.update());
	const run = button('.primary', 'Send', send);
	const stop = button('', 'Stop', () => running?.abort());
	const box = h('section.card');
	const shown = h('section.card', { hidden: true });
	const status = h('p.muted', { role: 'status' });
	const bar = tabs();
	const made = new Map();
	let kind = '';
	let running = null;
	const request = () => made.get(kind)?.request(model.node.value) ?? { path: '', body: {} };
	const code = createCode(request);
	stop.hidden = true;

	function choose(wanted) {
		kind = KINDS[wanted] ? wanted : 'embeddings';
		if (!made.has(kind)) made.set(kind, KINDS[kind]());
		box.replaceChildren(
			...made.get(kind).fields.map(node => {
				const label = node.ariaLabel;
				return node.tagName === 'BUTTON' ? node : h('label.field', `${label} `, node);
			}),
			h('p.bar', run, stop, status),
		);
		running?.abort(); // its answer would be shown under another name
		setText(run, kind === 'measure' ? 'Measure' : 'Send');
		say('');
		setHidden(shown, true);
		bar.current(kind);
		code.update();
	}

	function say(text, wrong = false) {
		setText(status, text);
		status.className = wrong ? 'bad' : 'muted';
	}

	async function send() {
		if (running || !model.node.value) return;
		const { request, send: other, show } = made.get(kind);
		running = new AbortController();
		const { signal } = running;
		const begin = performance.now();
		setHidden(run, true);
		setHidden(stop, false);
		say('waiting …');
		try {
			const { path, body } = request(model.node.value);
			const answer = other
				? await other(model.node.value, signal, say)
				: await (await post(path, body, signal)).json();
			shown.replaceChildren(...show(answer));
			setHidden(shown, false);
			say(`took ${duration(performance.now() - begin)}`);
		} catch (error) {
			if (error.name === 'AbortError') say('Stopped.');
			else say(`${model.node.value}: ${error.message}`, true);
			running.abort(); // also what else of it is under way
		}
		running = null;
		setHidden(run, false);
		setHidden(stop, true);
	}

	page.append(
		h('div.bar', h('h1', 'Try'), h('label', 'Model ', model.node), gap()),
		bar.node,
		box,
		shown,
		code.node,
	);
	page.addEventListener('input', () => code.update());
	return {
		topics: ['models'],
		draw: model.draw,
		show(query) {
			model.ask();
			choose(query.get('do'));
		},
		hide: () => running?.abort(),
	};
}

export const tries = { title: 'Try', create };
