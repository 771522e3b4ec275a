/** Protobuf's text format, as in Caffe's .prototxt files: `name: value`, `name { … }`, `#` comments. Values stay text. */
import { MillraceError } from '../../../lib/core/errors.js';

/** Fields by name, each with its values in order. */
export interface TextMessage {
  readonly fields: ReadonlyMap<string, readonly TextValue[]>;
  /** Line of the file that it begins on, from 1. */
  readonly line: number;
}

/** A string without its quotes, or a number or word as it stands. */
export interface TextScalar {
  readonly text: string;
  readonly isQuoted: boolean;
  readonly line: number;
}

export type TextValue = TextMessage | TextScalar;

const TOKEN = /\s+|#[^\n]*|"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|[A-Za-z0-9_.+-]+|[:{}<>[\],;]/y;

interface Token {
  readonly text: string;
  readonly isQuoted: boolean;
  readonly line: number;
}

/** Throws ERR_VERIFICATION naming path and line when the text is none. */
export function parseTextFormat(text: string, path: string): TextMessage {
  const tokens = tokensOf(text, path);
  let at = 0;
  const isNext = (...texts: readonly string[]): boolean =>
    at < tokens.length && !tokens[at].isQuoted && texts.includes(tokens[at].text);
  const accept = (...texts: readonly string[]): boolean => isNext(...texts) && at++ >= 0;

  const parseMessage = (end: string | undefined, line: number): TextMessage => {
    const fields = new Map<string, TextValue[]>();
    while (end === undefined ? at < tokens.length : !accept(end)) {
      const name = tokens.at(at++);
      if (name === undefined) throw syntaxError(path, line, `a message that begins here never ends with "${end}"`);
      if (name.isQuoted || !/^[A-Za-z_]/.test(name.text)) {
        throw syntaxError(path, name.line, `expected the name of a field, got "${name.text}"`);
      }
      const values = fields.get(name.text) ?? [];
      fields.set(name.text, values);
      const hasColon = accept(':');
      if (accept('[')) {
        while (!accept(']')) {
          values.push(parseValue(name.text, name.line, true));
          accept(',');
        }
      } else {
        values.push(parseValue(name.text, name.line, hasColon));
      }
      accept(',', ';');
    }
    return { fields, line };
  };
  const parseValue = (name: string, line: number, isScalarAllowed: boolean): TextValue => {
    if (accept('{')) return parseMessage('}', line);
    if (accept('<')) return parseMessage('>', line);
    const value = tokens.at(at++);
    if (value === undefined || !isScalarAllowed || (!value.isQuoted && !/^[\w.+-]/.test(value.text))) {
      throw syntaxError(
        path,
        line,
        `expected a value of ${name}, got ${value === undefined ? 'the end' : `"${value.text}"`}`,
      );
    }
    // Strings that follow each other are one.
    let text = value.text;
    while (value.isQuoted && at < tokens.length && tokens[at].isQuoted) text += tokens[at++].text;
    return { ...value, text };
  };
  return parseMessage(undefined, 1);
}

function tokensOf(text: string, path: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const begin = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw syntaxError(path, line, `cannot read "${text.slice(begin, begin + 20).split('\n')[0]}"`);
    const [whole, double, single] = match as (string | undefined)[];
    const quoted = double ?? single;
    if (quoted !== undefined) tokens.push({ text: quoted.replace(/\\(.)/g, '$1'), isQuoted: true, line });
    else if (!/^[\s#]/.test(match[0])) tokens.push({ text: match[0], isQuoted: false, line });
    line += (whole ?? '').split('\n').length - 1;
  }
  return tokens;
}

function syntaxError(path: string, line: number, problem: string): MillraceError {
  return new MillraceError('ERR_VERIFICATION', `${path}:${line}: ${problem}`, { context: { path, line } });
}
