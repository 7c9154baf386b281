// Markdown as elements. What a model writes becomes text nodes, never HTML; links lead only to
// http, https and mailto; images become links, so that nothing is loaded from elsewhere.
import { button, copy, gap, h, table } from './dom.js';

/**
 * Cuts a text into its blocks (paragraphs, code, lists ...): while a text grows, all but the last
 * stay the same.
 */
export function blocks(text) {
	const all = [];
	let block = [];
	let fence = '';
	const end = () => {
		if (block.length) all.push(block.join('\n'));
		block = [];
	};
	const lines = text.split('\n');
	for (let i = 0; i < lines.length; i++) {
		const line = lines[i];
		const mark = FENCE.exec(line)?.[1];
		const inList = isList(block[0] ?? '');
		if (fence) {
			block.push(line);
			if (mark?.startsWith(fence) && line.trim() === mark) {
				fence = '';
				if (!inList) end();
			}
		} else if (mark) {
			if (!inList || !/^  /.test(line)) end();
			fence = mark;
			block.push(line);
		} else if (!line.trim()) {
			if (inList) block.push('');
			else end();
		} else {
			if (inList && block.at(-1) === '' && !isList(line) && !/^\s{2,}/.test(line)) end();
			const alone = /^#{1,6}\s/.test(line) || RULE.test(line);
			const tabular = line.includes('|') && isTableRule(lines[i + 1]);
			const turns = isList(line) || isQuote(line) !== isQuote(block[0] ?? '') || tabular;
			if (alone || (!inList && turns)) end();
			block.push(line);
			if (alone) end();
		}
	}
	end();
	return all;
}

const FENCE = /^ {0,3}(`{3,}(?=[^`]*$)|~{3,})\s*([\w+#.-]*)/;
const RULE = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const MAX_DEPTH = 12;
const isQuote = line => /^\s{0,3}>/.test(line);
const isTableRule = line => /^\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?$/.test(line?.trim() ?? '');
const isList = line => /^\s{0,8}([-*+]|\d{1,9}[.)])\s/.test(line);

export function render(block, depth = 0) {
	const lines = block.split('\n');
	const [first] = lines;
	const mark = FENCE.exec(first);
	if (mark) return code(lines, mark[1], mark[2]);
	const heading = /^(#{1,6})\s+(.*?)(?: #+)?$/.exec(first.trim());
	if (heading && lines.length === 1)
		return h(`h${Math.min(6, heading[1].length + 2)}`, {}, ...inline(heading[2]));
	if (RULE.test(first)) return h('hr');
	if (depth < MAX_DEPTH && isList(first)) return list(lines, depth + 1);
	if (depth < MAX_DEPTH && isQuote(first))
		return h('blockquote', ...below(lines.map(unquoted), depth + 1));
	if (first.includes('|') && isTableRule(lines[1])) return tableOf(lines);
	return h('p', { dir: 'auto' }, ...inline(block.trim()));
}

const unquoted = line => line.replace(/^\s{0,3}> ?/, '');
const below = (lines, depth) => blocks(lines.join('\n')).map(each => render(each, depth));

function code([first, ...lines], mark, language) {
	const indent = new RegExp(`^ {0,${first.search(/\S/)}}`);
	const end = lines.at(-1)?.trim() ?? '';
	if (end.length >= mark.length && end === mark[0].repeat(end.length)) lines.pop();
	const text = lines.map(line => line.replace(indent, '')).join('\n');
	const copies = button('.quiet', 'Copy', () => copy(copies, text));
	const bar = h('div.bar.muted', language || 'text', gap(), copies);
	return h('div.code', bar, h('pre', { tabindex: '0' }, h('code', text)));
}

function cells(line) {
	const texts = line
		.trim()
		.replace(/^\||\|$/g, '')
		.split(/(?<!\\)\|/);
	return texts.map(cell => inline(cell.trim().replaceAll('\\|', '|')));
}

function tableOf([head, , ...lines]) {
	return table(cells(head), lines.map(cells));
}

/**
 * A list; lines that are further in than its items belong to the item above, as a list or text of
 * its own.
 */
function list(lines, depth) {
	const indent = lines[0].search(/\S/);
	const ordered = /^\s*(\d{1,9})[.)]/.exec(lines[0]);
	const items = [];
	let width;
	for (const line of lines) {
		const item = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/.exec(line);
		if (item && item[1].length <= indent + 1 && !ordered === isNaN(parseInt(item[2]))) {
			items.push([item[3]]);
			width = new RegExp(`^ {0,${line.length - item[3].length}}`);
		} else items.at(-1)?.push(line.replace(width, ''));
	}
	const drawn = items.map(([head, ...rest]) =>
		h('li', { dir: 'auto' }, ...inline(head), ...below(rest, depth)),
	);
	return ordered ? h('ol', { start: ordered[1] }, ...drawn) : h('ul', ...drawn);
}

const INLINE = new RegExp(
	[
		/(`+)(?!`)([\s\S]*?[^`])\1(?!`)/, // code
		/\*\*\*(?=\S)([\s\S]*?\S)\*\*\*/, // both
		/\*\*(?=\S)([\s\S]*?\S)\*\*(?!\*)|(?<!\w)__(?=\S)([\s\S]*?\S)__(?!\w)/, // strong
		/\*(?=[^\s*])((?:[^*]|\*\*[^*]+\*\*)*?[^\s*])\*(?!\*)/, // emphasis
		/(?<!\w)_(?=[^\s_])([^_]*?[^\s_])_(?!\w)/,
		/~~(?=\S)([\s\S]*?\S)~~/,
		/!?\[([^\]\n]*)\]\(([^\s()]*(?:\([^\s()]*\)[^\s()]*)*)(?:\s+"[^"]*")?\)/, // link
		/(https?:\/\/(?:[^\s<>()"'\]]|\([^\s()]*\))*(?:\([^\s()]*\)|[^\s<>()"'\].,;:!?*_]))/,
		/\\([\\`*_{}[\]()#+.!|~>-])/,
	]
		.map(each => each.source)
		.join('|'),
	'g',
);
const MAX_INLINE = 5_000; // a paragraph beyond it is shown as it is

export function inline(text, depth = 0) {
	if (depth > 8 || text.length > MAX_INLINE) return [text];
	const nodes = [];
	let at = 0;
	for (const match of text.matchAll(INLINE)) {
		if (match.index > at) nodes.push(text.slice(at, match.index));
		at = match.index + match[0].length;
		const [, tick, codeText, both, strong, strong2, em, em2, del, label, target, bare, escaped] =
			match;
		const inner = tag =>
			h(tag, {}, ...inline(both ?? strong ?? strong2 ?? em ?? em2 ?? del, depth + 1));
		if (tick) nodes.push(h('code', codeText.trim() || codeText));
		else if (both) nodes.push(h('strong', inner('em')));
		else if (strong ?? strong2) nodes.push(inner('strong'));
		else if (em ?? em2) nodes.push(inner('em'));
		else if (del) nodes.push(inner('del'));
		else if (target !== undefined) nodes.push(link(target, label, match[0], depth));
		else if (bare) nodes.push(link(bare, bare, bare, 8));
		else nodes.push(escaped);
	}
	if (at < text.length) nodes.push(text.slice(at));
	return nodes;
}

function link(target, label, source, depth) {
	let url;
	try {
		url = new URL(target);
	} catch {
		return source;
	}
	if (!['http:', 'https:', 'mailto:'].includes(url.protocol)) return source;
	const { href } = url;
	const props = { href, target: '_blank', rel: 'noopener noreferrer', title: href };
	return h('a', props, ...(depth >= 8 ? [label] : inline(label || target, depth + 1)));
}

/** Draws `text` into `node`, touching only the blocks that have changed. */
export function draw(node, text) {
	if (node.text === text) return;
	node.text = text;
	const wanted = blocks(text);
	const drawn = (node.drawn ??= []);
	for (let i = 0; i < wanted.length; i++) {
		if (drawn[i] === wanted[i]) continue;
		const made = render(wanted[i]);
		if (node.children[i]) node.children[i].replaceWith(made);
		else node.append(made);
		drawn[i] = wanted[i];
	}
	while (node.children.length > wanted.length) node.lastChild.remove();
	drawn.length = wanted.length;
}
