import type { Statement } from './statement.ts';

const BEGIN = '<!-- statements: written by npm run mqtt-table -->';
const END = '<!-- end of statements -->';

function seenOn({ check, on, unseen }: Statement): string {
  if (check === undefined) return `not seen: ${unseen}`;
  return on ?? 'platform, relay';
}

const entry = (statement: Statement) =>
  [
    `- **MQTT-${statement.id}** ${statement.says} (${seenOn(statement)}).`,
    ...(statement.otherwise === undefined ? [] : [`**Otherwise:** ${statement.otherwise}`]),
  ].join(' ');

/** The page with the statements in it, in the place of what stands between the marks. */
export function withStatements(page: string, statements: readonly Statement[]): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error('the page has no marks for the statements');
  return `${page.slice(0, begin + BEGIN.length)}\n\n${statements.map(entry).join('\n')}\n\n${page.slice(end)}`;
}
