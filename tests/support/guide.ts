import { readFileSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);

export type Snippet = {
  /** `docs/API.md:12`, where its code begins. */
  at: string;
  language: 'sh' | 'js';
  code: string;
  /** The prose between it and the block before. */
  prose: string;
  /** What stands under it as `text`: what it prints. */
  expected?: string;
};

const FENCE = /^```/;

/** The snippets of a page in their order, with what they are to print. */
export function snippetsOf(page: string): Snippet[] {
  const lines = readFileSync(new URL(page, ROOT), 'utf8').split('\n');
  const snippets: Snippet[] = [];
  let prose: string[] = [];
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? '';
    if (!FENCE.test(line)) {
      prose.push(line);
      continue;
    }
    const end = lines.findIndex((other, at) => at > index && FENCE.test(other));
    if (end < 0) throw new Error(`${page}:${index + 1}: a block without an end`);
    const code = lines.slice(index + 1, end).join('\n');
    const language = line.slice(3);
    const before = snippets.at(-1);
    if (language === 'sh' || language === 'js')
      snippets.push({ at: `${page}:${index + 2}`, language, code, prose: prose.join('\n') });
    else if (language === 'text' && before !== undefined) before.expected = code;
    prose = [];
    index = end;
  }
  return snippets;
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** `…` stands for anything within a line; in a line of its own, for any number of lines. `so far`: more may follow. */
export function printed(expected: string, extent: 'all' | 'so far'): RegExp {
  const lines = expected
    .split('\n')
    .map((line) => (line === '…' ? '(?:.*\\n)*?' : `${line.split('…').map(escaped).join('.*')}\\n`));
  return new RegExp(`^${lines.join('')}${extent === 'all' ? '$' : ''}`);
}

/** The file that prose wants a program saved as. */
export function fileNameOf({ at, prose }: Snippet): string {
  const name = /`([\w-]+\.mjs)`/.exec(prose)?.[1];
  if (name === undefined) throw new Error(`${at}: the prose does not say what to save it as`);
  return name;
}
