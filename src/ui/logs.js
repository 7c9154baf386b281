// Logs: the proxy's, all models', or one model's. Lines are drawn in blocks, which the browser skips out of sight: 50,000 stay smooth.
import { count, download, h, keyed, notice, remember, remembered, setText } from './dom.js';
import { LogText, call, idPath, on, state } from './store.js';

const BLOCK = 250;
const NEAR_END = 30;        // pixels

let source, filter, wrap, follow, box, info, wrong;
let visible = false;
let reading = null;         // a model's own log: its name, its lines, and how to stop reading
let drawn = null;           // what the blocks show: log, filter, and up to which line
let linked = 'proxy';       // what a link named: a model that is not in the list any more has a log, too
let asked = 0;              // the frame in which it will be drawn

function create(page) {
	source = h('select', { 'aria-label': 'Log', onchange: () => {
		history.replaceState(null, '', `${location.pathname}?source=${encodeURIComponent(source.value.replace(/^model /, ''))}`);
		choose(source.value);
	} });
	filter = h('input', { type: 'search', placeholder: 'Filter: text or /regex/', 'aria-label': 'Filter lines', oninput: draw });
	wrap = h('input', { type: 'checkbox', onchange: () => { remember('wrap', wrap.checked); layout(); } });
	wrap.checked = remembered('wrap', true);
	follow = h('button', { type: 'button', 'aria-pressed': 'true', onclick: () => { setFollow(follow.getAttribute('aria-pressed') !== 'true'); draw(); } }, 'Follow');
	box = h('div', { class: 'log', role: 'log', 'aria-live': 'off', 'aria-label': 'Log lines', tabindex: '0', onscroll: scrolled, onwheel: event => { if (event.deltaY < 0) setFollow(false); } });
	info = h('span', { class: 'muted' });
	wrong = h('span', { class: 'bad', role: 'status' });
	page.append(h('div', { class: 'bar' }, h('h1', {}, 'Logs'), source, filter, wrong, h('span', { class: 'gap' }), info, h('label', {}, wrap, ' wrap'), follow,
		h('button', { type: 'button', onclick: () => { log().clear(); draw(); } }, 'Clear'),
		h('button', { type: 'button', onclick: () => download(`llmsnap-${source.value}.log`.replaceAll(/[^\w.-]/g, '_'), log().lines.join('\n') + '\n') }, 'Download')), box);
	layout();
	on('log', draw);
	on('models', sources);
}

function sources() {
	if (!visible) return;
	const models = state.models.filter(model => !model.peerID).map(model => model.id);
	keyed(source, [...new Set(['proxy', 'upstream', ...models.map(id => `model ${id}`), linked])], name => name, name => h('option', { value: name }, name === 'upstream' ? 'all models' : name));
}

const log = () => reading && source.value === reading.name ? reading.log : state.logs[source.value] ?? state.logs.proxy;

/** Shows another log. A model's own is read for as long as it is shown. */
function choose(name) {
	reading?.stop.abort();
	reading = null;
	setFollow(true);
	if (name.startsWith('model ')) {
		const mine = reading = { name, log: new LogText(), stop: new AbortController() };
		read(mine);
	}
	draw();
}

/** Reads a model's own log until another one is chosen, over lost connections. */
async function read(mine) {
	try {
		const answer = await call('GET', `logs/stream/${idPath(mine.name.slice(6))}`, { signal: mine.stop.signal });
		const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
		for (let piece, first = true; !(piece = await reader.read()).done; first = false) {
			if (first) mine.log.resume(piece.value);
			else mine.log.append(piece.value);
			draw();
		}
	} catch (error) {
		if (error.status) notice(error.message);
		if (error.status || mine.stop.signal.aborted) return;
	}
	setTimeout(() => { if (reading === mine && visible) read(mine); }, 2000);
}

// ---- following

function setFollow(on) {
	follow.setAttribute('aria-pressed', String(on));
}

const follows = () => follow.getAttribute('aria-pressed') === 'true';
let scrolledBy = 0;

/** Whoever scrolls up reads; back at the end, it is followed again. */
function scrolled() {
	if (box.scrollTop === scrolledBy) return;       // by ourselves
	setFollow(box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END);
}

function layout() {
	box.classList.toggle('wrap', wrap.checked);
}

// ---- drawing

/** What lines have to look like: null when the expression is not valid. */
function matcher() {
	const text = filter.value;
	const regex = /^\/(.+)\/(i?)$/.exec(text);
	try {
		setText(wrong, '');
		const expression = regex && new RegExp(regex[1], regex[2]);
		if (regex) return line => expression.test(line);
	} catch {
		setText(wrong, 'not a valid expression');
		return () => true;
	}
	const wanted = text.toLowerCase();
	return wanted ? line => line.toLowerCase().includes(wanted) : () => true;
}

function draw() {
	if (visible && !asked) asked = requestAnimationFrame(() => { asked = 0; drawNow(); });
}

function drawNow() {
	const shown = log();
	const all = !drawn || drawn.log !== shown || drawn.filter !== filter.value;
	if (all) {
		drawn = { log: shown, filter: filter.value, fits: matcher(), next: shown.first };
		box.replaceChildren();
	}
	while (box.firstChild && box.firstChild.end <= shown.first) box.firstChild.remove();
	drawn.next = Math.max(drawn.next, shown.first);
	let block = box.lastChild;
	for (let i = drawn.next - shown.first; i < shown.lines.length; i++) {
		const line = shown.lines[i];
		if (!drawn.fits(line)) continue;
		if (!block || block.count >= BLOCK) {
			finish(block);
			box.append(block = h('div', { class: 'block' }));
			block.count = 0;
			block.pending = '';
		}
		add(block, line);
		block.end = shown.first + i + 1;
	}
	finish(block);
	drawn.next = shown.first + shown.lines.length;
	let lines = 0;
	for (const each of box.children) lines += each.count;
	setText(info, lines === shown.lines.length ? `${count(lines)} lines` : `${count(lines)} of ${count(shown.lines.length)} lines`);
	if (follows()) {
		box.scrollTop = box.scrollHeight;
		scrolledBy = box.scrollTop;
	}
}

function finish(block) {
	if (!block?.pending) return;
	block.append(block.pending);
	block.pending = '';
}

function add(block, line) {
	block.count++;
	if (!line.includes('\x1b')) {
		block.pending += `${line}\n`;
		return;
	}
	finish(block);
	block.append(...coloured(line), '\n');
}

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];

/** A line with ANSI escapes as text and spans; escapes that are no colours are left out. */
export function coloured(line) {
	const nodes = [];
	let classes = new Set();
	for (const part of line.split(/(\x1b\[[0-9;:?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[^[\]])/)) {
		if (!part.startsWith('\x1b')) {
			if (part) nodes.push(classes.size ? h('span', { class: [...classes].join(' ') }, part) : part);
		} else if (part.endsWith('m') && part[1] === '[') {
			classes = styled(classes, part.slice(2, -1));
		}
	}
	return nodes;
}

/** What is on after a "select graphic rendition" with those numbers. */
function styled(before, codes) {
	let classes = new Set(before);
	const colour = name => {
		for (const each of classes) if (each.startsWith('ansi-')) classes.delete(each);
		if (name) classes.add(`ansi-${name}`);
	};
	const numbers = codes.split(/[;:]/).map(Number);
	for (let i = 0; i < numbers.length; i++) {
		const n = numbers[i];
		if (n === 0) classes = new Set();
		else if (n === 1) classes.add('bold');
		else if (n === 2) classes.add('dim');
		else if (n === 22) classes.delete('bold'), classes.delete('dim');
		else if (n >= 30 && n <= 37) colour(COLOURS[n - 30]);
		else if (n >= 90 && n <= 97) colour(COLOURS[n - 90]);
		else if (n === 39) colour('');
		else if (n === 38 || n === 48) {
			if (n === 38 && numbers[i + 1] === 5 && numbers[i + 2] < 16) colour(COLOURS[numbers[i + 2] % 8]);
			i += numbers[i + 1] === 5 ? 2 : 4;
		}
	}
	return classes;
}

export const logs = {
	title: 'Logs',
	create(page) {
		create(page);
		return {
			show(query) {
				visible = true;
				const wanted = query.get('source');
				if (wanted) linked = state.logs[wanted] ? wanted : `model ${wanted}`;
				sources();
				if (wanted) source.value = linked;
				choose(source.value);
			},
			hide() {
				visible = false;
				reading?.stop.abort();
			},
		};
	},
};
