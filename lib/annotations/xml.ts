/**
 * The part of XML that annotation files are written in: elements, text, comments, the five named entities and character
 * references. What else there is (document types, CDATA, processing instructions) is refused, so nothing can be included or
 * expanded. Attributes are allowed and ignored.
 */
export interface XmlElement {
  readonly name: string;
  /** The text directly inside, trimmed. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** Comments and the declaration; closing tag; opening or empty tag; text. */
const TOKEN =
  /<!--[\s\S]*?-->|<\?xml\s[^>]*\?>|<\/([\w.:-]+)\s*>|<([\w.:-]+)((?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|([^<]+)/y;
const MAX_DEPTH = 64;
const ENTITIES: ReadonlyMap<string, string> = new Map(
  Object.entries({ lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }),
);

/** The root element. Throws SyntaxError naming the line, from 1, of what is not of this part of XML. */
export function parseXml(source: string): XmlElement {
  const text = source.startsWith('\uFEFF') ? source.slice(1) : source;
  const top: OpenElement = { name: '', text: '', children: [] };
  const open = [top];
  let position = 0;
  const fail = (what: string): never => {
    throw new SyntaxError(`line ${text.slice(0, position).split('\n').length}: ${what}`);
  };
  while (position < text.length) {
    TOKEN.lastIndex = position;
    const token: readonly (string | undefined)[] = TOKEN.exec(text) ?? fail('expected an element, text or a comment');
    const [whole = '', closing, opening, , slash, content] = token;
    const current = open[open.length - 1];
    if (content !== undefined) {
      if (open.length === 1 && content.trim() !== '') fail('text outside of the root element');
      current.text += content.includes('&') ? unescape(content, fail) : content;
    } else if (closing !== undefined) {
      if (open.length === 1 || closing !== current.name) fail(`</${closing}> where <${current.name}> is to be closed`);
      open.pop();
    } else if (opening !== undefined) {
      if (open.length === 1 && top.children.length > 0) fail(`a second root element, <${opening}>`);
      if (open.length > MAX_DEPTH) fail(`more than ${MAX_DEPTH} elements in one another`);
      const element: OpenElement = { name: opening, text: '', children: [] };
      current.children.push(element);
      if (slash === '') open.push(element);
    }
    position += whole.length;
  }
  if (open.length > 1) fail(`<${open[open.length - 1].name}> is not closed`);
  return closed(top.children.at(0) ?? fail('no element'));
}

interface OpenElement {
  readonly name: string;
  text: string;
  readonly children: OpenElement[];
}

function closed({ name, text, children }: OpenElement): XmlElement {
  return { name, text: text.trim(), children: children.map(closed) };
}

function unescape(text: string, fail: (what: string) => never): string {
  return text.replace(
    /&(?:#(\d+)|#x([0-9a-f]+)|(\w+));|&/gi,
    (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return ENTITIES.get(name) ?? fail(`unknown entity ${whole}`);
      const code = decimal !== undefined ? Number.parseInt(decimal, 10) : Number.parseInt(hex ?? '', 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : fail(`${whole} is no character`);
    },
  );
}
