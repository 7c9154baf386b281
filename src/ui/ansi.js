// Lines with ANSI escapes, as text and spans.
import { h } from './dom.js';

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];

const ESCAPE = /(\x1b\[[ -?]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^-~])/;
const ESCAPES = new RegExp(ESCAPE, 'g');

/** A line without them. */
export const plain = line => line.replaceAll(ESCAPES, '');

/** The nodes of a line; escapes that are no colours are left out. */
export function coloured(line) {
	const nodes = [];
	let classes = new Set();
	for (const part of line.split(ESCAPE)) {
		if (/^\x1b\[[\d;:]*m$/.test(part)) classes = styled(classes, part.slice(2, -1));
		if (!plain(part)) continue;
		nodes.push(classes.size ? h('span', { class: [...classes].join(' ') }, part) : part);
	}
	return nodes;
}

/** Red, green and blue of one of the 256 colours of terminals. */
function rgbOf(index) {
	if (index < 16) return [1, 2, 4].map(bit => (index & bit ? 200 : 0));
	if (index > 231) return new Array(3).fill((index - 232) * 10 + 8);
	const cube = index - 16;
	return [cube / 36, (cube / 6) % 6, cube % 6].map(step => Math.floor(step) * 51);
}

/** The name of the colour that it is most like: each has to be read on both grounds. */
function nearest(r, g, b) {
	const most = Math.max(r, g, b);
	if (!(most >= 0) || most - Math.min(r, g, b) < 40) return most > 90 ? '' : 'black';
	const bits = [r, g, b].map((part, i) => (part > most * 0.6 ? 1 << i : 0));
	return COLOURS[bits[0] | bits[1] | bits[2]];
}

/** What is on after a "select graphic rendition" with those numbers. */
function styled(before, codes) {
	const classes = new Set(before);
	const colour = name => {
		for (const each of classes) if (each.startsWith('ansi-')) classes.delete(each);
		if (name) classes.add(`ansi-${name}`);
	};
	const numbers = codes.split(/[;:]/).map(Number);
	for (let i = 0; i < numbers.length; i++) {
		const n = numbers[i];
		if (n === 0) classes.clear();
		else if (n === 1) classes.add('bold');
		else if (n === 2) classes.add('dim');
		else if (n === 22) for (const each of ['bold', 'dim']) classes.delete(each);
		else if (n >= 30 && n <= 37) colour(COLOURS[n - 30]);
		else if (n >= 90 && n <= 97) colour(COLOURS[n - 90]);
		else if (n === 39) colour('');
		else if (n === 38 || n === 48) {
			const palette = numbers[i + 1] === 5;
			const [r, g, b] = palette ? rgbOf(numbers[i + 2]) : numbers.slice(i + 2, i + 5);
			if (n === 38) colour(nearest(r, g, b));
			i += palette ? 2 : 4;
		}
	}
	return classes;
}
