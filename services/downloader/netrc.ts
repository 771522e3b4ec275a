/** The part of `.netrc` that a download needs: who logs in where. */

export interface Login {
  readonly user: string;
  readonly password: string;
}

/**
 * Logins by host name. `default` entries are left out, since they would go to any host that a redirect leads to, and so are
 * macros. Words may stand in double quotes, with `\` before a quote.
 */
export function parseNetrc(text: string): Map<string, Login> {
  const logins = new Map<string, Login>();
  let host: string | undefined;
  let user = '';
  let password = '';
  const keep = (): void => {
    if (host !== undefined && !logins.has(host)) logins.set(host, { user, password });
    host = undefined;
    user = password = '';
  };
  const words = wordsOf(text);
  for (let word = words.next(); word.done !== true; word = words.next()) {
    switch (word.value) {
      case 'machine':
        keep();
        host = words.next().value?.toLowerCase();
        break;
      case 'default':
        keep();
        break;
      case 'login':
        user = words.next().value ?? '';
        break;
      case 'password':
        password = words.next().value ?? '';
        break;
    }
  }
  keep();
  return logins;
}

function* wordsOf(text: string): Generator<string, undefined, undefined> {
  // A macro goes on to the next empty line, a comment to the end of its own.
  const plain = text.replaceAll(/^\s*macdef\b[\s\S]*?(\n\s*\n|$(?![\s\S]))/gm, '\n').replaceAll(/^\s*#.*$/gm, '');
  for (const [, quoted, bare] of plain.matchAll(/"((?:\\.|[^"\\])*)"|(\S+)/g) as Iterable<
    [string, string | undefined, string | undefined]
  >) {
    yield quoted === undefined ? (bare ?? '') : quoted.replaceAll(/\\(.)/g, '$1');
  }
}
