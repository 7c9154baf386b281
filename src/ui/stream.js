// Streams of answers, in any of the forms that model servers speak.

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

export const BROKE_OFF = 'The answer broke off.';

/** The events of a chat's answer, as they come. Throws what it fails with, or that it broke off. */
export async function* eventsOf(answer) {
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '';
	let done = false;
	try {
		for (let ended = false; !ended;) {
			const part = await reader.read();
			ended = part.done;
			rest += part.value ?? '\n'; // the last line may have no end
			const end = rest.lastIndexOf('\n') + 1;
			const complete = rest.slice(0, end);
			done ||= /^data: ?\[DONE\]/m.test(complete);
			for (const event of events(complete)) {
				if (event.error) throw new Error(event.error.message ?? String(event.error));
				if (event.id !== 'llmsnap-loading') yield event; // what the models page says, too
			}
			rest = rest.slice(end);
		}
	} finally {
		reader.cancel().catch(() => {}); // of who reads no further
	}
	if (!done) throw new Error(BROKE_OFF);
}

const text = value => (typeof value === 'string' ? value : '');

const piece = (answer, reasoning, calls) => ({
	reasoning: text(reasoning),
	answer: text(answer),
	calls: text(calls),
});

export function pieces({ type, delta, choices, content }) {
	const choice = choices?.[0];
	if (choice) {
		const said = choice.delta ?? {};
		const calls = [said.tool_calls ?? []].flat().map(each => each?.function);
		const called = calls.map(each => text(each?.name) + text(each?.arguments)).join('');
		const thought = text(said.reasoning_content) || said.reasoning;
		return piece(text(said.content) || choice.text, thought, called);
	}
	if (type === 'content_block_delta') {
		return piece(delta?.text, delta?.thinking, delta?.partial_json);
	}
	if (type === 'response.output_text.delta') return piece(delta);
	if (/^response\.reasoning.*\.delta$/.test(type)) return piece('', delta);
	if (type === 'response.function_call_arguments.delta') return piece('', '', delta);
	return piece(type ? '' : content);
}

/** A stream as a person would have read it; null for what is none. */
export function assembled(text) {
	if (!/^(data|event|:)/m.test(text)) return null;
	const whole = piece();
	let failed = '';
	for (const event of events(text)) {
		const { error } = event.response ?? event;
		if (error) failed = `[error]\n${error.message ?? error}`;
		const part = pieces(event);
		for (const key of Object.keys(whole)) whole[key] += part[key];
	}
	const { reasoning, answer, calls } = whole;
	const parts = [
		reasoning && `[reasoning]\n${reasoning}`,
		answer && (reasoning || calls) ? `[answer]\n${answer}` : answer,
		calls && `[tool calls]\n${calls}`,
		failed,
	];
	return parts.filter(Boolean).join('\n\n') || null;
}
