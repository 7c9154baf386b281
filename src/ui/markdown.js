// Markdown as elements. What a model writes becomes text nodes, never HTML; links lead only to http, https and mailto,
// and nothing is loaded from elsewhere (images become links).
import { copy, h } from './dom.js';

/** Cuts a text into its blocks (paragraphs, code, lists ...): while a text grows, all but the last stay the same. */
export function blocks(text) {
  const all = [];
  let block = [];
  let fence = '';
  const end = () => {
    if (block.length) all.push(block.join('\n'));
    block = [];
  };
  for (const line of text.split('\n')) {
    const mark = /^ {0,3}(```+|~~~+)/.exec(line)?.[1];
    if (fence) {
      block.push(line);
      if (mark && mark[0] === fence[0] && mark.length >= fence.length && line.trim() === mark) {
        fence = '';
        end();
      }
    } else if (mark) {
      end();
      fence = mark;
      block.push(line);
    } else if (!line.trim()) {
      if (isList(block[0] ?? '')) block.push('');      // the list may go on behind it
      else end();
    } else {
      const inList = isList(block[0] ?? '');
      if (inList && block.at(-1) === '' && !isList(line) && !/^\s{2,}/.test(line)) end();
      if (/^#{1,6}\s/.test(line) || !inList && block.length && isList(line) !== isList(block.at(-1))) end();
      block.push(line);
      if (/^#{1,6}\s/.test(line)) end();
    }
  }
  end();
  return all;
}

const isList = line => /^\s{0,8}([-*+]|\d{1,9}[.)])\s/.test(line);

/** One block as an element. */
export function render(block) {
  const lines = block.split('\n');
  const [first] = lines;
  const mark = /^ {0,3}(```+|~~~+)\s*([\w+#.-]*)/.exec(first);
  if (mark) return code(lines, mark[1], mark[2]);
  const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(first);
  if (heading && lines.length === 1) return h(`h${Math.min(6, heading[1].length + 2)}`, {}, ...inline(heading[2]));
  if (/^ {0,3}([-*_])(\s*\1){2,}\s*$/.test(first) && lines.length === 1) return h('hr');
  if (isList(first)) return list(lines);
  if (/^\s{0,3}>/.test(first)) return h('blockquote', {}, ...blocks(lines.map(line => line.replace(/^\s{0,3}> ?/, '')).join('\n')).map(render));
  if (lines.length > 1 && lines[0].includes('|') && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[1])) return table(lines);
  return h('p', { dir: 'auto' }, ...inline(block.trim()));
}

function code(lines, mark, language) {
  const closed = lines.length > 1 && lines.at(-1).trim() === mark[0].repeat(Math.max(mark.length, lines.at(-1).trim().length));
  const text = lines.slice(1, closed ? -1 : undefined).join('\n');
  const button = h('button', { type: 'button', class: 'quiet', onclick: () => copy(button, text) }, 'Copy');
  return h('div', { class: 'code' }, h('div', { class: 'bar muted' }, language || 'text', h('span', { class: 'gap' }), button), h('pre', { tabindex: '0' }, h('code', {}, text)));
}

function table(lines) {
  const cells = line => line.trim().replace(/^\||\|$/g, '').split(/(?<!\\)\|/).map(cell => inline(cell.trim().replaceAll('\\|', '|')));
  return h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, h('tr', {}, ...cells(lines[0]).map(cell => h('th', { scope: 'col' }, ...cell)))),
    h('tbody', {}, ...lines.slice(2).map(line => h('tr', {}, ...cells(line).map(cell => h('td', {}, ...cell)))))));
}

/** A list; lines that are further in than its items belong to the item above, as a list or text of its own. */
function list(lines) {
  const indent = /^\s*/.exec(lines[0])[0].length;
  const ordered = /^\s*(\d{1,9})[.)]/.exec(lines[0]);
  const items = [];
  for (const line of lines) {
    const item = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/.exec(line);
    if (item && item[1].length <= indent + 1) items.push([item[3]]);
    else items.at(-1)?.push(line.replace(new RegExp(`^\\s{0,${indent + 2}}`), ''));
  }
  return h(ordered ? 'ol' : 'ul', ordered && ordered[1] !== '1' ? { start: ordered[1] } : {}, ...items.map(([head, ...rest]) => {
    const below = rest.join('\n').trim();
    return h('li', { dir: 'auto' }, ...inline(head), ...below ? blocks(rest.join('\n')).map(render) : []);
  }));
}

const INLINE = /(`+)(?!`)([\s\S]*?[^`])\1(?!`)|\*\*(?=\S)([\s\S]*?\S)\*\*|__(?=\S)([\s\S]*?\S)__(?!\w)|\*(?=[^\s*])([^*]*?[^\s*])\*|(?<!\w)_(?=[^\s_])([^_]*?[^\s_])_(?!\w)|~~(?=\S)([\s\S]*?\S)~~|!?\[([^\]\n]*)\]\(([^\s()]*(?:\([^\s()]*\)[^\s()]*)*)(?:\s+"[^"]*")?\)|(https?:\/\/[^\s<>()\[\]"']+[^\s<>()\[\]"'.,;:!?])|\\([\\`*_{}[\]()#+.!|~>-])|( {2,}\n)/g;
const MAX_INLINE = 50_000;      // a paragraph beyond it is shown as it is

/** Text with emphasis, code and links as a list of nodes. */
export function inline(text, depth = 0) {
  if (depth > 8 || text.length > MAX_INLINE) return [text];
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > at) nodes.push(text.slice(at, match.index));
    at = match.index + match[0].length;
    const [, tick, codeText, strong, strong2, em, em2, del, label, target, bare, escaped, broken] = match;
    if (tick) nodes.push(h('code', {}, codeText.trim() || codeText));
    else if (strong ?? strong2) nodes.push(h('strong', {}, ...inline(strong ?? strong2, depth + 1)));
    else if (em ?? em2) nodes.push(h('em', {}, ...inline(em ?? em2, depth + 1)));
    else if (del) nodes.push(h('del', {}, ...inline(del, depth + 1)));
    else if (target !== undefined) nodes.push(link(target, label, match[0], depth));
    else if (bare) nodes.push(link(bare, bare, bare, 8));
    else if (escaped) nodes.push(escaped);
    else if (broken) nodes.push(h('br'));
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
  return h('a', { href: url.href, target: '_blank', rel: 'noopener noreferrer', title: url.href }, ...depth >= 8 ? [label] : inline(label || target, depth + 1));
}

/** Draws `text` into `node`, touching only the blocks that have changed. */
export function draw(node, text) {
  const wanted = blocks(text);
  const drawn = node.drawn ??= [];
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
