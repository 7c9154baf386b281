// What was said in one request: headers and bodies, made readable.
import { button, copy, gap, h, notice } from '../dom.js';
import { shell } from '../code.js';
import { count, duration } from '../format.js';
import { json, root } from '../store.js';
import { assembled } from '../stream.js';

const MAX_SHOWN = 200_000;

function decode(base64) {
	const bytes = Uint8Array.from(atob(base64), each => each.charCodeAt(0));
	return bytes.includes(0)
		? `(binary, ${count(bytes.length)} bytes)`
		: new TextDecoder().decode(bytes);
}

function pretty(text) {
	try {
		return JSON.stringify(JSON.parse(text), null, 2);
	} catch {
		return text;
	}
}

function curl(capture, body) {
	const named = Object.entries(capture.req_headers);
	const type = named.find(([name]) => name.toLowerCase() === 'content-type')?.[1];
	const url = new URL(capture.req_path.replace(/^\/+/, ''), root).href;
	const header = `Content-Type: ${type ?? 'application/json'}`;
	return `curl -N ${shell(url)} \\\n  -H ${shell(header)} \\\n  --data-raw ${shell(body)}`;
}

function shorten(text) {
	if (text.length <= MAX_SHOWN) return text || '(nothing)';
	const more = count(text.length - MAX_SHOWN);
	return `${text.slice(0, MAX_SHOWN)}\n… ${more} more characters; copy shows all`;
}

function block(title, text, open) {
	const copies = button('.quiet', 'Copy', event => copy(event.currentTarget, text));
	const shown = h('pre.wrap', { tabindex: '0' }, shorten(text));
	return h('details', { open }, h('summary', title), copies, shown);
}

function headers(all) {
	const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
	return lines.join('\n');
}

function blocks(capture) {
	const response = decode(capture.resp_body);
	const read = assembled(response);
	const whole = read === null;
	return [
		block('Request headers', headers(capture.req_headers), false),
		block('Request body', pretty(decode(capture.req_body)), true),
		block('Answer headers', headers(capture.resp_headers), false),
		whole ? null : block('Answer, put together', read, true),
		block(whole ? 'Answer' : 'Answer as it came', whole ? pretty(response) : response, whole),
	];
}

/** `gone` is called when there is none any more. */
export async function showCapture(row, gone) {
	let capture;
	try {
		capture = await json('GET', `api/captures/${row.id}`);
	} catch (error) {
		if (error.status === 404) gone();
		return notice(error.message);
	}
	const copyCurl = event => copy(event.currentTarget, curl(capture, decode(capture.req_body)));
	const curlButton = button('', 'Copy as curl', copyCurl);
	const close = button('', 'Close', () => dialog.close());
	const title = h('h2', `${row.model} · ${capture.req_path}`);
	const tokens = count(row.output_tokens || -1);
	const took = duration(row.duration_ms);
	const figures = `status ${row.status}, ${took}, ${tokens} tokens generated`;
	const dialog = h(
		'dialog.capture',
		{ label: `Request ${row.id}`, onclose: () => dialog.remove() },
		h('div.bar', title, gap(), curlButton, close),
		h('p.muted', figures),
		row.error ? h('pre.wrap.bad', row.error) : null,
		...blocks(capture),
	);
	document.body.append(dialog);
	dialog.showModal();
}
