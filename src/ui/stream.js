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

/** The pieces of text in one event of a stream, in any of the forms that model servers speak. */
export function pieces(event) {
	const choice = event.choices?.[0];
	const delta = choice?.delta ?? {};
	const text = value => (typeof value === 'string' ? value : '');
	const calls = [delta.tool_calls ?? []]
		.flat()
		.map(each => text(each?.function?.name) + text(each?.function?.arguments))
		.join('');
	if (choice)
		return {
			reasoning: text(delta.reasoning_content) || text(delta.reasoning),
			answer: text(delta.content) || text(choice.text),
			calls,
		};
	if (event.type === 'content_block_delta')
		return {
			reasoning: text(event.delta?.thinking),
			answer: text(event.delta?.text),
			calls: text(event.delta?.partial_json),
		};
	if (event.type === 'response.output_text.delta')
		return { reasoning: '', answer: text(event.delta), calls: '' };
	if (/^response\.reasoning.*\.delta$/.test(event.type))
		return { reasoning: text(event.delta), answer: '', calls: '' };
	if (event.type === 'response.function_call_arguments.delta')
		return { reasoning: '', answer: '', calls: text(event.delta) };
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
	if (whole.answer)
		parts.push(whole.reasoning || whole.calls ? `[answer]\n${whole.answer}` : whole.answer);
	if (whole.calls) parts.push(`[tool calls]\n${whole.calls}`);
	return parts.length ? parts.join('\n\n') : null;
}
