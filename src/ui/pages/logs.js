// Logs: the proxy's, all models', or one model's. Lines are drawn in blocks, which the browser
// skips out of sight: 50,000 stay smooth.
import { coloured } from '../ansi.js';
import { count } from '../format.js';
import { button, download, gap, h, keyed, checkbox, search, setText } from '../dom.js';
import { readLog, state } from '../store.js';

const AT_ONCE = 10_000; // lines that are drawn in one frame
const BLOCK = 250;
const NEAR_END = 30; // pixels
/** How a model's own log is named in the list: two are named like no model. */
const OWN = 'model ';

/** What lines have to look like; null when the expression is not valid. */
function matcher(text) {
	const regex = /^\/(.+)\/(i?)$/.exec(text);
	try {
		const expression = regex && new RegExp(regex[1], regex[2]);
		if (regex) return line => expression.test(line);
	} catch {
		return null;
	}
	const wanted = text.toLowerCase();
	return line => line.toLowerCase().includes(wanted);
}

function flush(block) {
	if (!block?.pending) return;
	block.append(block.pending);
	block.pending = '';
}

/** How a line says that something is wrong: ours, llama.cpp's, others. */
const LEVEL = new RegExp('^\\S* ?\\[(debug|info|warn|error)\\]|^[\\d.]+ ([diwe]) '
	+ '|(?:^|[\\s[|])(error|fatal|warn(?:ing)?)(?:[\\s\\]:|]|$)', 'i');
const LOOKS = { w: 'busy-text', e: 'ansi-red', f: 'ansi-red' };

function addLine(block, line) {
	block.count++;
	const [, ours, llamas, others] = LEVEL.exec(line.slice(0, 80)) ?? [];
	const look = LOOKS[(ours ?? llamas ?? others)?.[0].toLowerCase()];
	if (look && !line.includes('\x1b')) {
		flush(block);
		block.append(h('span', { class: look }, line), '\n');
		return;
	}
	if (!line.includes('\x1b')) {
		block.pending += `${line}\n`;
		return;
	}
	flush(block);
	block.append(...coloured(line), '\n');
}

const createBlock = () => Object.assign(h('div.block'), { count: 0, pending: '' });

function create(page) {
	const source = h('select', { label: 'Log', onchange: choose });
	const filter = search('Filter lines', 'Filter: text or /regex/', update);
	const wrap = checkbox('wrap', true, layout);
	const follow = button('', 'Follow', toggleFollow, { 'aria-pressed': 'true' });
	const box = h('div.log', {
		role: 'log',
		'aria-live': 'off',
		label: 'Log lines',
		tabindex: '0',
		onscroll: scrolled,
		onwheel: ({ deltaY }) => deltaY < 0 && setFollow(false),
	});
	const begun = h('div'); // the line that is still being written
	const info = h('span.muted');
	const wrong = h('span.bad', { role: 'status' });
	let drawn = null; // what the blocks show: log, filter, and up to which line
	let linked = 'proxy'; // what a link named: one that is not in the list any more has a log, too
	let frame = 0; // in which it will be drawn
	let scrolledBy = 0; // by ourselves

	function updateSources() {
		const models = state.models.filter(model => !model.peerID).map(model => OWN + model.id);
		const names = [...new Set(['proxy', 'upstream', ...models, linked])];
		const createName = name =>
			h('option', { value: name }, name === 'upstream' ? 'all models' : name);
		keyed(source, names, createName);
	}

	function log() {
		return state.logs[source.value] ?? state.logs.proxy;
	}

	function choose() {
		const name = source.value.replace(OWN, '');
		const query = `?source=${encodeURIComponent(name)}`;
		history.replaceState(null, '', location.pathname + query);
		open();
	}

	/** Shows the chosen log. A model's own is read for as long as it is shown. */
	function open() {
		const name = source.value;
		setFollow(true);
		readLog(name.startsWith(OWN) ? name.slice(OWN.length) : '');
		update();
	}

	const follows = () => follow.ariaPressed === 'true';

	function setFollow(whether) {
		follow.ariaPressed = whether;
	}

	function toggleFollow() {
		setFollow(!follows());
		update();
	}

	/** Whoever scrolls up reads; back at the end, it is followed again. */
	function scrolled() {
		if (box.scrollTop === scrolledBy) return;
		setFollow(box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END);
	}

	function layout() {
		box.classList.toggle('wrap', wrap.checked);
	}

	function update() {
		if (frame) return;
		frame = requestAnimationFrame(() => {
			frame = 0;
			draw();
		});
	}

	function begin(shown) {
		const fits = matcher(filter.value);
		setText(wrong, fits ? '' : 'not a valid expression');
		drawn = { log: shown, filter: filter.value, fits: fits ?? (() => true), next: shown.first };
		box.replaceChildren();
	}

	function draw() {
		const shown = log();
		if (drawn?.log !== shown || drawn.filter !== filter.value) begin(shown);
		begun.remove();
		while (box.firstChild && box.firstChild.end <= shown.first) box.firstChild.remove();
		drawn.next = Math.max(drawn.next, shown.first);
		drawLines(shown);
		if (drawn.next < shown.first + shown.lines.length) update(); // in the next frame
		let lines = 0;
		for (const each of box.children) lines += each.count;
		const all = lines === shown.lines.length ? '' : ` of ${count(shown.lines.length)}`;
		setText(info, `${count(lines)}${all} ${lines === 1 && !all ? 'line' : 'lines'}`);
		begun.replaceChildren(...coloured(shown.unfinished));
		box.append(begun);
		if (!follows()) return;
		box.scrollTop = box.scrollHeight;
		scrolledBy = box.scrollTop;
	}

	function drawLines(shown) {
		let block = box.lastChild;
		const from = drawn.next - shown.first;
		const end = Math.min(shown.lines.length, from + AT_ONCE);
		drawn.next = shown.first + end;
		for (let i = from; i < end; i++) {
			const line = shown.lines[i];
			if (!drawn.fits(line)) continue;
			if (!block || block.count >= BLOCK) {
				flush(block);
				block = createBlock();
				box.append(block);
			}
			addLine(block, line);
			block.end = shown.first + i + 1;
		}
		flush(block);
	}

	function clear() {
		log().clear();
		update();
	}

	function save() {
		const name = `llmsnap-${source.value}.log`.replaceAll(/[^\w.-]/g, '_');
		download(name, `${log().lines.join('\n')}\n`);
	}

	const chosen = [h('h1', 'Logs'), source, filter, wrong, gap(), info];
	const buttons = [follow, button('', 'Clear', clear), button('', 'Download', save)];
	page.append(h('div.bar', chosen, h('label', wrap, ' wrap'), buttons), box);
	layout();
	return {
		topics: ['log', 'models'],
		draw: topic => (topic === 'models' ? updateSources() : update()),
		show(query) {
			const wanted = query.get('source');
			if (wanted) linked = state.logs[wanted] ? wanted : OWN + wanted;
			updateSources();
			if (wanted) source.value = linked;
			open();
		},
		hide() {
			readLog('');
		},
	};
}

export const logs = { title: 'Logs', create };
