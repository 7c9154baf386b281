// A request as code to copy: curl, Python, JavaScript; and how clients are told of this server.
import { button, copy, gap, h, setText } from './dom.js';
import { root, state } from './store.js';

const key = () => (state.keyNeeded ? 'YOUR_KEY' : 'none-needed');
/** What an answer that is no text is saved as. */
const FILES = { 'audio/speech': 'speech.wav' };
const base = () => root.href + 'v1';
/** The lines of curl for a key, where one is needed. */
export const keyLines = () => (state.keyNeeded ? [`  -H 'Authorization: Bearer ${key()}'`] : []);
export const shell = text => `'${text.replaceAll("'", `'\\''`)}'`;
const pretty = body => JSON.stringify(body, null, 2);

/** @param {{path: string, body: object, file: boolean}} request a file: a form with one */
export function curl({ path, body, file }) {
	const lines = [`curl ${base()}/${path}`, ...keyLines()];
	if (FILES[path]) lines.push(`  -o ${FILES[path]}`);
	if (file) {
		for (const [name, value] of Object.entries(body))
			lines.push(`  -F ${shell(`${name}=${value}`)}`);
		lines.push('  -F file=@recording.wav');
	} else lines.push("  -H 'Content-Type: application/json'", `  -d ${shell(pretty(body))}`);
	return lines.join(' \\\n');
}

function python({ path, body, file }) {
	const what = file
		? `data=${pretty(body)}, files={"file": open("recording.wav", "rb")}`
		: `json=${pretty(body).replaceAll(/": (t|f)(?=rue,?$|alse,?$)/gm, (all, letter) =>
				all.replace(letter, letter.toUpperCase()),
			)}`;
	const file_ = FILES[path];
	const end = file_ ? `open("${file_}", "wb").write(answer.content)` : 'print(answer.text)';
	return (
		`import requests\n\nanswer = requests.post("${base()}/${path}",\n` +
		`    headers={"Authorization": "Bearer ${key()}"},\n    ${what})\n${end}`
	);
}

function javascript({ path, body, file }) {
	const form = Object.entries(body)
		.map(([name, value]) => `form.append(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`)
		.join('');
	const chosen = `document.querySelector('input[type=file]').files[0]`;
	const begin = file
		? `const form = new FormData();\n${form}form.append('file', ${chosen});\n`
		: '';
	const type = file ? '' : `, 'Content-Type': 'application/json'`;
	return (
		`${begin}const answer = await fetch('${base()}/${path}', {\n  method: 'POST',\n` +
		`  headers: { Authorization: 'Bearer ${key()}'${type} },\n` +
		`  body: ${file ? 'form' : `JSON.stringify(${pretty(body)})`},\n});\n` +
		'console.log(await answer.text());'
	);
}

const LANGUAGES = { curl, Python: python, JavaScript: javascript };

/** A box whose text is chosen from several; `texts` makes them, by label. */
export function createChoice(title, texts) {
	const code = h('code');
	const choice = h(
		'select',
		{ label: title },
		Object.keys(texts()).map(name => h('option', { value: name }, name)),
	);
	const update = () => setText(code, texts()[choice.value]);
	choice.addEventListener('change', update);
	const copies = button('.quiet', 'Copy', event => copy(event.currentTarget, code.textContent));
	const node = h('section.card.code-box', h('h2', title, choice, gap(), copies), h('pre', code));
	update();
	return { node, update };
}

/** @param {() => object} request what is to be sent */
export const createCode = request =>
	createChoice('As code', () =>
		Object.fromEntries(Object.entries(LANGUAGES).map(([name, write]) => [name, write(request())])),
	);

/** What clients need to know, by their name. */
export function clients(model) {
	const url = base();
	const quoted = JSON.stringify(model);
	const site = root.href.replace(/\/$/, '');
	const env = (name, value) => `export ${name}=${value}`;
	return {
		'Open WebUI': `Settings, Connections, OpenAI API:\nURL   ${url}\nKey   ${key()}`,
		'openai (Python)':
			'from openai import OpenAI\n\n' +
			`client = OpenAI(base_url="${url}", api_key="${key()}")\n` +
			`print(client.chat.completions.create(model=${quoted},\n` +
			'    messages=[{"role": "user", "content": "Hello"}]).choices[0].message.content)',
		'Claude Code':
			`${env('ANTHROPIC_BASE_URL', site)}\n${env('ANTHROPIC_AUTH_TOKEN', key())}\n` +
			`claude --model ${shell(model)}`,
		Codex:
			`# ~/.codex/config.toml\nmodel = ${quoted}\nmodel_provider = "llmsnap"\n\n` +
			`[model_providers.llmsnap]\nname = "llmsnap"\nbase_url = "${url}"\nenv_key = "LLMSNAP_KEY"`,
		Continue:
			`# ~/.continue/config.yaml\nmodels:\n  - name: ${quoted}\n    provider: openai\n` +
			`    model: ${quoted}\n` +
			`    apiBase: ${url}\n    apiKey: ${key()}`,
		Cline:
			`API provider   OpenAI Compatible\nBase URL       ${url}\n` +
			`API key        ${key()}\nModel ID       ${model}`,
		aider:
			`${env('OPENAI_API_BASE', url)}\n${env('OPENAI_API_KEY', key())}\n` +
			`aider --model ${shell(`openai/${model}`)}`,
		opencode: `// opencode.json\n${pretty({
			provider: {
				llmsnap: {
					npm: '@ai-sdk/openai-compatible',
					options: { baseURL: url, apiKey: key() },
					models: { [model]: {} },
				},
			},
		})}`,
	};
}
