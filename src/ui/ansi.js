// Lines with ANSI escapes, as text and spans.
import { h } from './dom.js';

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];

/** A line with ANSI escapes as text and spans; escapes that are no colours are left out. */
export function coloured(line) {
	const nodes = [];
	let classes = new Set();
	for (const part of line.split(
		/(\x1b\[[0-9;:?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[^[\]])/,
	)) {
		if (!part.startsWith('\x1b')) {
			if (part)
				nodes.push(classes.size ? h('span', { class: [...classes].join(' ') }, part) : part);
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
		else if (n === 22) {
			classes.delete('bold');
			classes.delete('dim');
		} else if (n >= 30 && n <= 37) colour(COLOURS[n - 30]);
		else if (n >= 90 && n <= 97) colour(COLOURS[n - 90]);
		else if (n === 39) colour('');
		else if (n === 38 || n === 48) {
			if (n === 38 && numbers[i + 1] === 5 && numbers[i + 2] < 16)
				colour(COLOURS[numbers[i + 2] % 8]);
			i += numbers[i + 1] === 5 ? 2 : 4;
		}
	}
	return classes;
}
