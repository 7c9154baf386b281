// What was said in one request: headers and bodies, made readable.
import { copy, count, duration, h, notice } from './dom.js';
import { call, root } from './store.js';

const MAX_SHOWN = 200_000;

function decode(base64) {
	const bytes = Uint8Array.from(atob(base64), each => each.charCodeAt(0));
	return bytes.includes(0) ? `(binary, ${count(bytes.length)} bytes)` : new TextDecoder().decode(bytes);
}

function pretty(text) {
	try {
		return JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
}

/** The events of a stream: each a parsed `data:` text. */
export function* events(text) {
	for (const line of text.split(/\r\n|\n|\r/)) {
		if (!line.startsWith('data:')) continue;
		const data = line.slice(5).trim();
		if (data === '[DONE]') continue;
		try {
			const event = JSON.parse(data);
			if (event?.constructor === Object) yield event;
		} catch {
			// a stream that broke off ends with half an event
		}
	}
}

/** The pieces of text in one event of a stream, in any of the forms that model servers speak. */
export function pieces(event) {
	const choice = event.choices?.[0];
	const delta = choice?.delta ?? {};
	const text = value => typeof value === 'string' ? value : '';
	const calls = [delta.tool_calls ?? []].flat().map(each => text(each?.function?.name) + text(each?.function?.arguments)).join('');
	if (choice) return { reasoning: text(delta.reasoning_content) || text(delta.reasoning), answer: text(delta.content) || text(choice.text), calls };
	if (event.type === 'content_block_delta') return { reasoning: text(event.delta?.thinking), answer: text(event.delta?.text), calls: text(event.delta?.partial_json) };
	if (event.type === 'response.output_text.delta') return { reasoning: '', answer: text(event.delta), calls: '' };
	if (/^response\.reasoning.*\.delta$/.test(event.type)) return { reasoning: text(event.delta), answer: '', calls: '' };
	if (event.type === 'response.function_call_arguments.delta') return { reasoning: '', answer: '', calls: text(event.delta) };
	return { reasoning: '', answer: event.type ? '' : text(event.content), calls: '' };
}

/** A stream as a person would have read it; null for what is none. */
export function assembled(text) {
	if (!/^(data|event|:)/m.test(text)) return null;
	const whole = { reasoning: '', answer: '', calls: '' };
	for (const event of events(text)) {
		const piece = pieces(event);
		for (const key of Object.keys(whole)) whole[key] += piece[key];
	}
	const parts = [];
	if (whole.reasoning) parts.push(`[reasoning]\n${whole.reasoning}`);
	if (whole.answer) parts.push(whole.reasoning || whole.calls ? `[answer]\n${whole.answer}` : whole.answer);
	if (whole.calls) parts.push(`[tool calls]\n${whole.calls}`);
	return parts.length ? parts.join('\n\n') : null;
}

const quoted = text => `'${text.replaceAll("'", "'\\''")}'`;

function curl(capture, body) {
	const type = Object.entries(capture.req_headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? 'application/json';
	return `curl -N ${quoted(new URL(capture.req_path.replace(/^\/+/, ''), root).href)} \\\n  -H ${quoted(`Content-Type: ${type}`)} \\\n  --data-raw ${quoted(body)}`;
}

function block(title, text, open) {
	const shown = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}\n… ${count(text.length - MAX_SHOWN)} more characters; copy shows all` : text;
	const button = h('button', { type: 'button', class: 'quiet', onclick: () => copy(button, text) }, 'Copy');
	return h('details', { open }, h('summary', {}, title), button, h('pre', { class: 'wrap', tabindex: '0' }, shown || '(nothing)'));
}

const headers = all => Object.entries(all).map(([name, value]) => `${name}: ${value}`).join('\n');

/** Fetches the capture of `row` and shows it in a dialog. */
export async function showCapture(row) {
	let capture;
	try {
		capture = await (await call('GET', `api/captures/${row.id}`)).json();
	} catch (error) {
		notice(error.message);
		return;
	}
	const request = decode(capture.req_body);
	const response = decode(capture.resp_body);
	const read = assembled(response);
	const curlButton = h('button', { type: 'button', onclick: () => copy(curlButton, curl(capture, request)) }, 'Copy as curl');
	const close = h('button', { type: 'button', onclick: () => dialog.close() }, 'Close');
	const dialog = h('dialog', { class: 'capture', 'aria-label': `Request ${row.id}`, onclose: () => dialog.remove() },
		h('div', { class: 'bar' }, h('h2', {}, `${row.model} · ${capture.req_path}`), h('span', { class: 'gap' }), curlButton, close),
		h('p', { class: 'muted' }, `status ${row.status}, ${duration(row.duration_ms)}, ${count(row.output_tokens || -1)} tokens generated`),
		row.error ? h('pre', { class: 'wrap bad' }, row.error) : null,
		block('Request headers', headers(capture.req_headers), false),
		block('Request body', pretty(request), true),
		block('Answer headers', headers(capture.resp_headers), false),
		read === null ? null : block('Answer, put together', read, true),
		block(read === null ? 'Answer' : 'Answer as it came', read === null ? pretty(response) : response, read === null));
	document.body.append(dialog);
	dialog.showModal();
}
