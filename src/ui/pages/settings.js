// Settings: the file as it is, what is wrong with it and what a change would do; and how clients
// are told of this server.
import { button, gap, h, keyed, notice, setHidden, setText, show } from '../dom.js';
import { count } from '../format.js';
import { clients, createChoice } from '../code.js';
import { json, state } from '../store.js';

const WAIT_MS = 400; // after the last key, until the text is looked at

function problemOf({ line, column, message, error }) {
	return `${error ? '✕' : '!'} line ${line}, column ${column}: ${message}`;
}

/** What a text would change, in a sentence. */
function changesOf({ added, changed, removed, restarted }) {
	if (!added) return '';
	const parts = [];
	for (const [word, names] of Object.entries({ adds: added, changes: changed, removes: removed })) {
		if (names.length) parts.push(`${word} ${names.join(', ')}`);
	}
	const loaded = restarted?.length ? `; loaded and put away for it: ${restarted.join(', ')}` : '';
	return parts.length ? `It ${parts.join('; ')}${loaded}.` : 'No model changes.';
}

function create(page) {
	const name = h('code.muted');
	const text = h('textarea.editor', { label: 'Configuration', spellcheck: 'false', wrap: 'off' });
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
	let editable = false;
	let saved = ''; // as it is in the file

	async function load() {
		try {
			const file = await json('GET', 'api/config');
			editable = file.editable;
			setText(name, file.name);
			if (text.value === saved) text.value = file.text;
			saved = file.text;
			text.readOnly = !editable;
			setHidden(hint, editable);
			setHidden(save, !editable);
			if (editable) check();
		} catch (error) {
			show(result, error.message);
		}
	}

	function draw(list) {
		keyed(
			problems,
			list,
			() => h('li'),
			(node, problem) => {
				setText(node, problemOf(problem));
				node.className = problem.error ? 'bad' : '';
				node.onclick = () => goTo(problem.line);
			},
			problemOf,
		);
	}

	function goTo(line) {
		const before = text.value
			.split('\n')
			.slice(0, line - 1)
			.join('\n').length;
		const from = before + (line > 1 ? 1 : 0);
		const end = text.value.indexOf('\n', from);
		text.focus();
		text.setSelectionRange(from, end < 0 ? text.value.length : end);
	}

	async function check() {
		const body = text.value;
		try {
			const found = await json('POST', 'api/config/check', { body });
			if (body !== text.value) return;
			draw(found.problems);
			const errors = found.problems.filter(({ error }) => error).length;
			save.disabled = errors > 0 || text.value === saved;
			const wrong = errors === 1 ? 'One error' : `${count(errors)} errors`;
			show(result, errors ? `${wrong}: it cannot be saved.` : changesOf(found));
		} catch (error) {
			show(result, error.message);
		}
	}

	async function saveIt() {
		save.disabled = true;
		const body = text.value;
		try {
			const report = await json('POST', 'api/config', { body });
			saved = body;
			show(
				result,
				`Saved and reloaded. ${changesOf(report)} The file before is beside it, as .bak.`,
			);
		} catch (error) {
			notice(error.message);
			check();
		}
	}

	async function reloadIt() {
		try {
			const report = await json('POST', 'api/reload');
			show(result, `Reloaded. ${changesOf(report)}`);
			load();
		} catch (error) {
			notice(error.message);
		}
	}

	text.addEventListener('input', () => {
		clearTimeout(timer);
		timer = setTimeout(check, WAIT_MS);
	});
	page.append(
		h('div.bar', h('h1', 'Settings'), name, gap(), reload, save),
		hint,
		text,
		result,
		problems,
		connect.node,
	);
	return { topics: ['models'], draw: connect.update, show: load };
}

export const settings = { title: 'Settings', create };
