// What there is to try, as links: each has an address of its own.
import { h } from './dom.js';

const KINDS = {
	chat: 'Chat',
	embeddings: 'Embeddings',
	rerank: 'Rerank',
	transcription: 'Transcription',
	speech: 'Speech',
	images: 'Images',
	measure: 'Measure',
};

export function tabs() {
	const links = Object.entries(KINDS).map(([kind, label]) =>
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
