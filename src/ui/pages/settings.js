// Settings: the file as it is, what is wrong with it and what a change would do; and how clients
// are told of this server.
import { button, gap, h, keyed, notice, setHidden, setText, show } from '../dom.js';
import { count } from '../format.js';
import { clients, createChoice } from '../code.js';
import { json, state } from '../store.js';

const WAIT_MS = 400; // after the last key, until the text is looked at

function problemOf({ file, line, column, message, error }) {
	const where = file ? `${file}, ` : '';
	return `${error ? '✕' : '!'} ${where}line ${line}, column ${column}: ${message}`;
}

/** What a text would change, in sentences. */
function changesOf({ added, changed, removed, restarted = [], kept = [] }) {
	if (!added) return '';
	const parts = [];
	for (const [word, names] of Object.entries({ adds: added, changes: changed, removes: removed })) {
		if (names.length) parts.push(`${word} ${names.join(', ')}`);
	}
	if (!parts.length) return 'No model changes.';
	const gone = restarted.length ? ` Loaded, and put away for it: ${restarted.join(', ')}.` : '';
	const stays = kept.length ? ` Stays loaded: ${kept.join(', ')}.` : '';
	return `It ${parts.join('; ')}.${gone}${stays}`;
}

function create(page) {
	const name = h('code.muted');
	const text = h('textarea.editor', { label: 'Configuration', spellcheck: 'false', wrap: 'off' });
	const gutter = h('pre.muted', { 'aria-hidden': 'true' });
	const problems = h('ul.problems', { label: 'Problems' });
	const result = h('p.muted', { role: 'status' });
	const save = button('.primary', 'Save and reload', saveIt);
	const reload = button('', 'Apply the file on the disk', reloadIt);
	const hint = h('p.muted', 'To change it here, start llmsnap with --edit-config.');
	const connect = createChoice('Connect a client', () => {
		const first = state.models.find(model => !model.unlisted)?.id ?? 'MODEL';
		return clients(first);
	});
	let timer = 0;
	let saving = false;
	let saved = ''; // as it is in the file
	let stamp = ''; // of that file

	async function load() {
		try {
			const file = await json('GET', 'api/config');
			setText(name, file.name);
			text.readOnly = !file.editable;
			setHidden(hint, file.editable);
			setHidden(save, !file.editable);
			if (text.value === saved) {
				text.value = file.text;
				saved = text.value;
				({ stamp } = file);
				draw(file.problems);
			}
			if (file.text === saved) ({ stamp } = file); // somebody writes on while it is saved
			if (file.editable) await check();
		} catch (error) {
			show(result, error.message);
		}
	}

	function draw(list) {
		const isOurs = ({ file }) => !file || file === name.textContent;
		const ours = list.filter(isOurs).toReversed(); // errors come first, and hold
		const marks = new Map(ours.map(({ line, error }) => [line, error ? '✕' : '!']));
		const lines = text.value.split('\n');
		setText(gutter, lines.map((_, i) => `${marks.get(i + 1) ?? ''} ${i + 1}\n`).join(''));
		const createProblem = problem =>
			h('li', button('.quiet.link', problemOf(problem), () =>
				isOurs(problem) && goTo(problem.line)));
		keyed(problems, list, createProblem, null, problemOf);
	}

	function goTo(line) {
		const lines = text.value.split('\n');
		const from = lines.slice(0, line - 1).join(' ').length + (line > 1 ? 1 : 0);
		text.focus();
		text.setSelectionRange(from, from + (lines[line - 1] ?? '').length);
	}

	async function check() {
		const body = text.value;
		try {
			const found = await json('POST', 'api/config/check', { body });
			if (body !== text.value) return;
			draw(found.problems);
			const errors = found.problems.filter(({ error }) => error).length;
			save.disabled = saving || errors > 0 || text.value === saved;
			const wrong = errors === 1 ? 'One error' : `${count(errors)} errors`;
			show(result, errors ? `${wrong}: it cannot be saved.` : changesOf(found));
		} catch (error) {
			show(result, error.message);
		}
	}

	async function saveIt() {
		saving = save.disabled = true;
		const body = text.value;
		try {
			const path = `api/config?stamp=${encodeURIComponent(stamp)}`;
			const report = await json('POST', path, { body });
			saved = body;
			saving = false;
			await load();
			const done = `Saved and reloaded. ${changesOf(report)}`;
			show(result, `${done} The file before is beside it, as .bak.`);
		} catch (error) {
			notice(error.message);
			saving = false;
			check();
		}
	}

	async function reloadIt() {
		try {
			const report = await json('POST', 'api/reload');
			await load();
			show(result, `Reloaded. ${changesOf(report)}`);
		} catch (error) {
			notice(error.message);
		}
	}

	text.addEventListener('input', () => {
		clearTimeout(timer);
		timer = setTimeout(check, WAIT_MS);
	});
	text.addEventListener('scroll', () => (gutter.scrollTop = text.scrollTop));
	page.append(
		h('div.bar', h('h1', 'Settings'), name, gap(), reload, save),
		hint,
		h('div.file', gutter, text),
		result,
		problems,
		connect.node,
	);
	return { topics: ['models'], draw: connect.update, show: load };
}

export const settings = { title: 'Settings', create };
